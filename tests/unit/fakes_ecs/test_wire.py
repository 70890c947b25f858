"""The server, its clock, and the faults that it is told to have."""

import json
from http.client import HTTPConnection
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from tests.fakes.ecs import SimulatedEcs, operations, shapes, stories
from tests.fakes.ecs.stories import Story

WEB = {"cluster": "prod", "service": "web"}


def state(ecs: Any) -> str:
    body = ecs.describe_services(cluster="prod", services=["web"])["services"]
    return str(body[0]["deployments"][0]["rolloutState"]) if body else "MISSING"


def test_time_passes_only_when_it_is_moved(sim: SimulatedEcs, ecs: Any, web: str) -> None:
    ecs.update_service(**WEB, forceNewDeployment=True)
    assert {state(ecs) for _ in range(5)} == {"IN_PROGRESS"}
    assert sim.clock.until(lambda: state(ecs) == "COMPLETED", within=60) > 20


def test_at_a_pace_every_describe_moves_it(sim: SimulatedEcs, ecs: Any, web: str) -> None:
    ecs.update_service(**WEB, forceNewDeployment=True)
    sim.pace = 5
    seen = [state(ecs) for _ in range(10)]
    assert seen[-1] == "COMPLETED"
    assert [r.at - sim.requests[-10].at for r in sim.requests[-10:]] == [5 * n for n in range(10)]


def test_it_can_run_by_itself(sim: SimulatedEcs, ecs: Any, web: str) -> None:
    ecs.update_service(**WEB, forceNewDeployment=True)
    with sim.clock.running(speed=500):
        for _ in range(2000):
            if state(ecs) == "COMPLETED":
                break
    assert state(ecs) == "COMPLETED"


def test_so_many_calls_are_throttled(sim: SimulatedEcs, ecs: Any, web: str) -> None:
    sim.throttle(2, operations=["DescribeServices"])
    ecs.list_clusters()
    for _ in range(2):
        with pytest.raises(ClientError, match="Rate exceeded") as refused:
            state(ecs)
        assert refused.value.response["Error"]["Code"] == "ThrottlingException"
    assert state(ecs) == "COMPLETED"
    assert len(sim.asked("DescribeServices")) == 1


def test_botocore_itself_tries_again(sim: SimulatedEcs, web: str) -> None:
    sim.throttle(1)
    retrying = sim.client(retries={"mode": "standard", "total_max_attempts": 3})
    assert state(retrying) == "COMPLETED"
    assert [r.error for r in sim.requests] == ["ThrottlingException", ""]


def test_a_lost_answer_was_obeyed(sim: SimulatedEcs, ecs: Any, web: str) -> None:
    sim.lose_answer("UpdateService")
    with pytest.raises(ConnectionClosedError):
        ecs.update_service(**WEB, forceNewDeployment=True)
    assert state(ecs) == "IN_PROGRESS"


def test_any_refusal_can_be_scripted(sim: SimulatedEcs, ecs: Any, web: str) -> None:
    sim.refuse("UpdateService", "AccessDeniedException", "User: x is not authorized")
    with pytest.raises(ClientError, match="not authorized"):
        ecs.update_service(**WEB, desiredCount=1)
    ecs.update_service(**WEB, desiredCount=1)


def test_a_new_service_is_missing_at_first(sim: SimulatedEcs, ecs: Any, story: Story) -> None:
    sim.stale(10)
    made = ecs.register_task_definition(**story.definition("good"))["taskDefinition"]
    ecs.create_service(**story.service(made["taskDefinitionArn"]))
    assert state(ecs) == "MISSING"
    sim.clock.advance(10)
    assert state(ecs) == "IN_PROGRESS"


def test_flapping_reads_are_old_every_second_time(sim: SimulatedEcs, ecs: Any, web: str) -> None:
    sim.stale(10, flapping=True)
    ecs.update_service(**WEB, forceNewDeployment=True)
    assert [state(ecs) for _ in range(4)] == ["IN_PROGRESS", "COMPLETED"] * 2


def test_what_somebody_else_does_is_not_on_the_wire(sim: SimulatedEcs, ecs: Any, web: str) -> None:
    sim.call("UpdateService", **WEB, desiredCount=1)
    assert sim.requests == []
    assert (
        ecs.describe_services(cluster="prod", services=["web"])["services"][0]["desiredCount"] == 1
    )


def test_a_request_that_awss_model_does_not_know_is_refused(sim: SimulatedEcs) -> None:
    """Sent by hand: boto3 would not let it out."""
    status, body = post(sim, "DescribeServices", {"services": ["web"], "clusters": "prod"})
    assert status == 400
    assert body["__type"] == "InvalidParameterException"
    assert "clusters" in body["message"]
    assert post(sim, "DescribeDaemon", {})[1]["__type"] == "UnsupportedFeatureException"
    assert post(sim, "Describe", {})[1]["__type"] == "UnknownOperationException"


def test_an_answer_that_awss_model_does_not_know_fails_the_test(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(operations.OPERATIONS, "ListClusters", lambda _, __: {"clusters": []})
    wrong = pytest.raises(AssertionError, match="the simulation is wrong")
    with wrong, SimulatedEcs() as sim, pytest.raises(ClientError, match="SimulationIsWrong"):
        sim.client().list_clusters()


def test_an_unknown_value_of_an_enumeration_is_wrong() -> None:
    assert "none of" in shapes.wrong_answer("StopTask", {"task": {"stopCode": "Bored"}})
    assert not shapes.wrong_answer("StopTask", {"task": {"stopCode": "UserInitiated"}})


def test_clusters_providers_tags_and_settings(sim: SimulatedEcs, ecs: Any, web: str) -> None:
    ecs.create_cluster(clusterName="dev", tags=[{"key": "team", "value": "shop"}])
    answer = ecs.describe_clusters(clusters=["prod", "dev", "qa"], include=["TAGS"])
    assert [c["clusterName"] for c in answer["clusters"]] == ["prod", "dev"]
    assert answer["clusters"][0]["runningTasksCount"] == 2
    assert answer["failures"][0]["reason"] == "MISSING"
    assert len(ecs.list_clusters()["clusterArns"]) == 2
    providers = ecs.describe_capacity_providers(capacityProviders=["FARGATE", "own"])
    assert [p["type"] for p in providers["capacityProviders"]] == ["FARGATE"]
    ecs.tag_resource(resourceArn=web, tags=[{"key": "a", "value": "1"}, {"key": "b", "value": "2"}])
    ecs.untag_resource(resourceArn=web, tagKeys=["a"])
    assert ecs.list_tags_for_resource(resourceArn=web)["tags"] == [{"key": "b", "value": "2"}]
    ecs.put_account_setting(name="containerInsights", value="enabled")
    settings = ecs.list_account_settings(name="containerInsights", effectiveSettings=True)
    assert settings["settings"][0]["value"] == "enabled"


def test_service_deployments_tell_what_became_of_it(sim: SimulatedEcs, ecs: Any) -> None:
    story = stories.read("circuit_breaker_rollback")
    story.stage(sim)
    made = ecs.register_task_definition(**story.definition("next"))["taskDefinition"]
    ours = ecs.update_service(**WEB, taskDefinition=made["taskDefinitionArn"])["service"]
    arn = ours["currentServiceDeployment"]
    sim.clock.advance(31)
    sim.clock.until(lambda: record(ecs, arn)["status"] != "IN_PROGRESS", within=60)
    assert record(ecs, arn)["status"] == "ROLLBACK_IN_PROGRESS"
    sim.clock.advance(60)
    told = record(ecs, arn)
    assert told["deploymentCircuitBreaker"]["status"] == "TRIGGERED"
    assert told["rollback"]["serviceRevisionArn"] == told["sourceServiceRevisions"][0]["arn"]
    revision = told["targetServiceRevision"]["arn"]
    body = ecs.describe_service_revisions(serviceRevisionArns=[revision])["serviceRevisions"][0]
    assert body["containerImages"][0]["imageDigest"] == stories.digest("next")
    with pytest.raises(ClientError) as refused:
        ecs.stop_service_deployment(serviceDeploymentArn=arn)
    assert refused.value.response["Error"]["Code"] == "ConflictException"
    listed = ecs.list_service_deployments(**WEB, status=["ROLLBACK_SUCCESSFUL"])
    assert [d["serviceDeploymentArn"] for d in listed["serviceDeployments"]] == [arn]


def record(ecs: Any, arn: str) -> Any:
    return ecs.describe_service_deployments(serviceDeploymentArns=[arn])["serviceDeployments"][0]


def post(sim: SimulatedEcs, operation: str, body: dict[str, Any]) -> tuple[int, Any]:
    host = sim.endpoint.removeprefix("http://")
    connection = HTTPConnection(host, timeout=10)
    headers = {"X-Amz-Target": f"{shapes.PREFIX}{operation}", "Authorization": "AWS4-HMAC-SHA256"}
    connection.request("POST", "/", json.dumps(body), headers)
    answer = connection.getresponse()
    told = json.loads(answer.read())
    connection.close()
    return answer.status, told
