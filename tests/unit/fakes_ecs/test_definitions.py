"""Task definitions: what is kept, what is added, what is refused."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.fakes.ecs import SimulatedEcs, fargate
from tests.fakes.ecs.stories import Story


def test_a_revision_is_kept_as_it_was_given(ecs: Any, story: Story) -> None:
    given = story.definition("good") | {"tags": [{"key": "shipit", "value": "42"}]}
    given["containerDefinitions"][0] |= {"user": "1000", "stopTimeout": 20}
    ecs.register_task_definition(**given)
    answer = ecs.describe_task_definition(taskDefinition="web", include=["TAGS"])
    body, container = answer["taskDefinition"], answer["taskDefinition"]["containerDefinitions"][0]
    assert answer["tags"] == [{"key": "shipit", "value": "42"}]
    assert (body["revision"], body["status"]) == (1, "ACTIVE")
    assert {k: container[k] for k in ("user", "stopTimeout")} == {"user": "1000", "stopTimeout": 20}
    assert "tags" not in ecs.describe_task_definition(taskDefinition="web:1")


def test_ecs_adds_its_own_defaults(ecs: Any, story: Story) -> None:
    """So a plan that compares what was sent with what is described sees differences."""
    body = ecs.register_task_definition(**story.definition("good") | {"cpu": ".5 vCPU"} | _1_GB)
    container = body["taskDefinition"]["containerDefinitions"][0]
    assert (body["taskDefinition"]["cpu"], body["taskDefinition"]["memory"]) == ("512", "1024")
    assert container["essential"] is True
    assert container["environment"] == []
    port = {"containerPort": 8080, "hostPort": 8080, "protocol": "tcp"}
    assert container["portMappings"] == [port]


_1_GB = {"memory": "1 GB"}


def test_revisions_count_up_and_are_listed_by_page(ecs: Any, story: Story) -> None:
    for _ in range(5):
        ecs.register_task_definition(**story.definition("good"))
    ecs.register_task_definition(**story.definition("good", "webhook"))
    ecs.deregister_task_definition(taskDefinition="web:2")
    pages = ecs.get_paginator("list_task_definitions").paginate(
        familyPrefix="web", sort="DESC", PaginationConfig={"PageSize": 3}
    )
    arns = [arn.rsplit("/", 1)[1] for page in pages for arn in page["taskDefinitionArns"]]
    assert arns == ["web:5", "web:4", "web:3", "web:1"]
    inactive = ecs.list_task_definitions(familyPrefix="web", status="INACTIVE")
    assert [arn[-5:] for arn in inactive["taskDefinitionArns"]] == ["web:2"]
    assert ecs.list_task_definition_families(familyPrefix="web")["families"] == ["web", "webhook"]


def test_only_a_deregistered_revision_can_be_deleted(ecs: Any, story: Story) -> None:
    for _ in range(2):
        ecs.register_task_definition(**story.definition("good"))
    ecs.deregister_task_definition(taskDefinition="web:1")
    answer = ecs.delete_task_definitions(taskDefinitions=["web:1", "web:2"])
    assert [d["status"] for d in answer["taskDefinitions"]] == ["DELETE_IN_PROGRESS"]
    assert "ACTIVE" in answer["failures"][0]["reason"]


@pytest.mark.parametrize(
    ("change", "container", "words"),
    [
        ({"memory": "4096"}, {}, "No Fargate configuration exists for given values: 256 CPU"),
        ({"networkMode": "bridge"}, {}, "Fargate only supports network mode"),
        ({}, {"privileged": True}, "privileged"),
        ({}, {"essential": False}, "At least one container must be essential"),
        ({}, {"mountPoints": [{"sourceVolume": "data"}]}, "Unknown volume 'data'"),
        ({"family": "a.b"}, {}, "Family contains invalid characters"),
        ({}, {"dependsOn": [{"containerName": "db", "condition": "START"}]}, "depends on 'db'"),
        ({"tags": [{"key": "aws:x", "value": "1"}]}, {}, "Tag key is invalid"),
    ],
)
def test_what_ecs_refuses(
    ecs: Any, story: Story, change: dict[str, Any], container: dict[str, Any], words: str
) -> None:
    given = story.definition("good") | change
    given["containerDefinitions"][0] |= container
    with pytest.raises(ClientError, match=words):
        ecs.register_task_definition(**given)


def test_secrets_need_an_execution_role(ecs: Any, story: Story) -> None:
    given = story.definition("good")
    del given["executionRoleArn"]
    given["containerDefinitions"][0]["image"] = "example/web:1"
    given["containerDefinitions"][0]["secrets"] = [{"name": "KEY", "valueFrom": "arn:x"}]
    with pytest.raises(ClientError, match="executionRoleArn"):
        ecs.register_task_definition(**given)


def test_what_does_not_exist_is_said_in_ecs_words(sim: SimulatedEcs, ecs: Any) -> None:
    with pytest.raises(ClientError, match="Unable to describe task definition") as raised:
        ecs.describe_task_definition(taskDefinition="web")
    assert raised.value.response["Error"]["Code"] == "ClientException"
    assert sim.requests[-1].error == "ClientException"


@pytest.mark.parametrize(
    ("cpu", "memory", "valid"),
    [
        ("256", "512", True),
        ("256", "3072", False),
        ("4096", "30720", True),
        ("4096", "31744", False),
        ("8192", "20480", True),
        ("8192", "18432", False),
        ("16384", "122880", True),
    ],
)
def test_the_pairs_that_fargate_has(cpu: str, memory: str, valid: bool) -> None:
    assert fargate.is_pair(cpu, memory) is valid
