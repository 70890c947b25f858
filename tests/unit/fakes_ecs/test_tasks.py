"""Tasks that are run once: their way, their end, and what is refused."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.fakes.ecs import Behaviour, SimulatedEcs, ends, runs
from tests.fakes.ecs.stories import ROLE, Story

NETWORK = {"awsvpcConfiguration": {"subnets": ["subnet-1"]}}
RUN = {"cluster": "prod", "launchType": "FARGATE", "networkConfiguration": NETWORK}


@pytest.fixture
def definition(ecs: Any, story: Story) -> str:
    answer = ecs.register_task_definition(**story.definition("good"))
    return str(answer["taskDefinition"]["taskDefinitionArn"])


def one(ecs: Any, arn: str) -> Any:
    return ecs.describe_tasks(cluster="prod", tasks=[arn])["tasks"][0]


def test_a_task_goes_its_way_and_its_exit_code_stays(
    sim: SimulatedEcs, ecs: Any, definition: str, story: Story
) -> None:
    sim.images[story.image("good")] = runs().with_command(("migrate",), ends(4, after=3))
    override = {"containerOverrides": [{"name": "web", "command": ["migrate"]}]}
    made = ecs.run_task(**RUN, taskDefinition=definition, overrides=override, startedBy="42")
    arn = made["tasks"][0]["taskArn"]
    seen = []
    for _ in range(30):
        sim.clock.advance(1)
        status = one(ecs, arn)["lastStatus"]
        if status not in seen:
            seen.append(status)
    assert seen == ["PROVISIONING", "PENDING", "RUNNING", "DEPROVISIONING", "STOPPED"]
    task = one(ecs, arn)
    assert (task["stopCode"], task["containers"][0]["exitCode"]) == ("EssentialContainerExited", 4)
    assert task["containers"][0]["imageDigest"] == story.image("good").partition("@")[2]
    assert ecs.list_tasks(cluster="prod", startedBy="42")["taskArns"] == []
    assert ecs.list_tasks(cluster="prod", startedBy="42", desiredStatus="STOPPED")["taskArns"] == [
        arn
    ]


def test_the_same_client_token_runs_it_once(ecs: Any, definition: str) -> None:
    first, again = (
        ecs.run_task(**RUN, taskDefinition=definition, clientToken="deploy-42") for _ in range(2)
    )
    assert first["tasks"][0]["taskArn"] == again["tasks"][0]["taskArn"]
    with pytest.raises(ClientError) as refused:
        ecs.run_task(**RUN, taskDefinition=definition, clientToken="deploy-42", count=2)
    assert refused.value.response["Error"]["Code"] == "ConflictException"


def test_without_room_the_failure_is_in_the_answer(
    sim: SimulatedEcs, ecs: Any, definition: str
) -> None:
    sim.capacity("prod", 0)
    answer = ecs.run_task(**RUN, taskDefinition=definition)
    assert answer["tasks"] == []
    assert "Capacity is unavailable" in answer["failures"][0]["reason"]


def test_with_instances_of_a_provider_it_waits_for_one(
    sim: SimulatedEcs, ecs: Any, definition: str, story: Story
) -> None:
    strategy = [{"capacityProvider": "spot-instances", "weight": 1}]
    given = story.service(definition) | {"capacityProviderStrategy": strategy}
    del given["launchType"]
    sim.capacity("prod", 0)
    ecs.create_service(**given)
    sim.clock.advance(600)
    arns = ecs.list_tasks(cluster="prod", serviceName="web")["taskArns"]
    assert {one(ecs, arn)["lastStatus"] for arn in arns} == {"PROVISIONING"}
    sim.capacity("prod", None)
    sim.clock.advance(30)
    assert {one(ecs, arn)["lastStatus"] for arn in arns} == {"RUNNING"}


def test_stopped_by_hand(sim: SimulatedEcs, ecs: Any, definition: str, story: Story) -> None:
    sim.images[story.image("good")] = Behaviour(stop_takes=50)
    arn = ecs.run_task(**RUN, taskDefinition=definition)["tasks"][0]["taskArn"]
    sim.clock.advance(15)
    assert (
        ecs.stop_task(cluster="prod", task=arn, reason="no more")["task"]["lastStatus"]
        == "STOPPING"
    )
    sim.clock.advance(35)
    task = one(ecs, arn)
    assert (task["lastStatus"], task["stoppedReason"]) == ("STOPPED", "no more")
    assert task["stopCode"] == "UserInitiated"
    assert task["containers"][0]["exitCode"] == 137, "it did not end within stopTimeout"
    sim.clock.advance(3700)
    answer = ecs.describe_tasks(cluster="prod", tasks=[arn])
    assert answer["failures"][0]["reason"] == "MISSING", "an hour later it is forgotten"


def test_a_sidecar_is_waited_for(sim: SimulatedEcs, ecs: Any, story: Story) -> None:
    sim.images["init@sha256:1"] = ends(0, after=10)
    given = story.definition("good") | {"executionRoleArn": ROLE}
    web = given["containerDefinitions"][0]
    web["dependsOn"] = [{"containerName": "init", "condition": "SUCCESS"}]
    init = {"name": "init", "image": "init@sha256:1", "essential": False}
    given["containerDefinitions"] = [web, init]
    arn = ecs.register_task_definition(**given)["taskDefinition"]["taskDefinitionArn"]
    task = ecs.run_task(**RUN, taskDefinition=arn)["tasks"][0]["taskArn"]
    sim.clock.advance(15)
    assert one(ecs, task)["lastStatus"] == "PENDING"
    sim.clock.advance(10)
    states = {c["name"]: c["lastStatus"] for c in one(ecs, task)["containers"]}
    assert states == {"web": "RUNNING", "init": "STOPPED"}


def test_when_what_it_waits_for_fails_it_never_starts(
    sim: SimulatedEcs, ecs: Any, story: Story
) -> None:
    sim.images["init@sha256:1"] = ends(7)
    given = story.definition("good")
    given["containerDefinitions"][0]["dependsOn"] = [
        {"containerName": "init", "condition": "SUCCESS"}
    ]
    given["containerDefinitions"].append(
        {"name": "init", "image": "init@sha256:1", "essential": False}
    )
    arn = ecs.register_task_definition(**given)["taskDefinition"]["taskDefinitionArn"]
    task = ecs.run_task(**RUN, taskDefinition=arn)["tasks"][0]["taskArn"]
    sim.clock.advance(30)
    assert one(ecs, task)["stopCode"] == "TaskFailedToStart"


def test_a_command_needs_a_task_that_allows_it(
    sim: SimulatedEcs, ecs: Any, definition: str
) -> None:
    asked = {"cluster": "prod", "command": "sh", "interactive": True}
    plain = ecs.run_task(**RUN, taskDefinition=definition)["tasks"][0]["taskArn"]
    allowed = ecs.run_task(**RUN, taskDefinition=definition, enableExecuteCommand=True)
    arn = allowed["tasks"][0]["taskArn"]
    sim.clock.advance(15)
    assert one(ecs, arn)["containers"][0]["managedAgents"][0]["lastStatus"] == "RUNNING"
    session = ecs.execute_command(task=arn, container="web", **asked)["session"]
    assert session["streamUrl"].startswith("wss://ssmmessages.eu-west-1.")
    with pytest.raises(ClientError, match="execute command was not enabled"):
        ecs.execute_command(task=plain, **asked)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"networkConfiguration": None}, "Network Configuration must be provided"),
        ({"overrides": {"containerOverrides": [{"name": "x"}]}}, "x is not a container"),
        ({"count": 11}, "between 1 and 10"),
        ({"startedBy": "x" * 129}, "128"),
    ],
)
def test_what_ecs_refuses(ecs: Any, definition: str, change: dict[str, Any], words: str) -> None:
    given = RUN | {"taskDefinition": definition} | change
    with pytest.raises(ClientError, match=words):
        ecs.run_task(**{k: v for k, v in given.items() if v is not None})


def test_a_listener_hears_of_every_step(sim: SimulatedEcs, ecs: Any, definition: str) -> None:
    heard: list[tuple[str, str]] = []
    sim.clock.listeners.append(lambda task: heard.append((task.id, task.last)))
    arn = ecs.run_task(**RUN, taskDefinition=definition)["tasks"][0]["taskArn"]
    sim.clock.advance(15)
    identity = arn.rsplit("/", 1)[1]
    assert heard == [(identity, "PENDING"), (identity, "RUNNING")]
