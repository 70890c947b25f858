"""Services: what makes a new deployment, what does not, and what is refused."""

from itertools import pairwise
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.fakes.ecs import Behaviour, SimulatedEcs, ends, rollout, runs, stories
from tests.fakes.ecs.stories import Story

WEB = {"cluster": "prod", "service": "web"}


def described(ecs: Any, *names: str) -> Any:
    return ecs.describe_services(cluster="prod", services=list(names or ["web"]))


def code(error: Any) -> str:
    return str(error.value.response["Error"]["Code"])


def test_the_same_task_definition_again_changes_nothing(ecs: Any, web: str) -> None:
    before = described(ecs)["services"][0]["deployments"]
    after = ecs.update_service(**WEB, taskDefinition=web)["service"]["deployments"]
    assert [d["id"] for d in after] == [d["id"] for d in before]


def test_another_desired_count_is_no_deployment(sim: SimulatedEcs, ecs: Any, web: str) -> None:
    before = described(ecs)["services"][0]["deployments"][0]["id"]
    ecs.update_service(**WEB, desiredCount=3)
    sim.clock.advance(30)
    service = described(ecs)["services"][0]
    assert (service["runningCount"], service["desiredCount"]) == (3, 3)
    assert [d["id"] for d in service["deployments"]] == [before]


def test_an_update_leaves_the_count_that_an_autoscaler_set(ecs: Any, web: str) -> None:
    ecs.update_service(**WEB, desiredCount=7)
    assert ecs.update_service(**WEB, forceNewDeployment=True)["service"]["desiredCount"] == 7


@pytest.mark.parametrize(
    "change",
    [
        {"forceNewDeployment": True},
        {"platformVersion": "1.3.0"},
        {"networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-9"]}}},
    ],
)
def test_what_makes_a_new_deployment(ecs: Any, web: str, change: dict[str, Any]) -> None:
    deployments = ecs.update_service(**WEB, **change)["service"]["deployments"]
    assert [d["status"] for d in deployments] == ["PRIMARY", "ACTIVE"]
    assert deployments[0]["rolloutState"] == "IN_PROGRESS"
    assert (
        deployments[0]["rolloutStateReason"]
        == f"ECS deployment {deployments[0]['id']} in progress."
    )


def test_deployment_configuration_given_in_part_keeps_the_rest(ecs: Any, web: str) -> None:
    answer = ecs.update_service(**WEB, deploymentConfiguration={"minimumHealthyPercent": 50})
    kept = answer["service"]["deploymentConfiguration"]
    assert kept["minimumHealthyPercent"] == 50
    assert kept["deploymentCircuitBreaker"] == {"enable": True, "rollback": True}


def test_never_less_healthy_tasks_than_the_minimum_never_more_than_the_maximum(
    sim: SimulatedEcs, ecs: Any, web: str
) -> None:
    """4 desired, 50 to 150 percent: 2 to 6 tasks at any time."""
    share = {"minimumHealthyPercent": 50, "maximumPercent": 150}
    ecs.update_service(**WEB, desiredCount=4, deploymentConfiguration=share)
    sim.clock.advance(30)
    ecs.update_service(**WEB, forceNewDeployment=True)
    for _ in range(60):
        sim.clock.advance(1)
        counts = [task for task in sim.world.tasks.values() if task.alive]
        running = [task for task in counts if task.last == "RUNNING"]
        assert len(counts) <= 6
        assert len(running) >= 2
    assert described(ecs)["services"][0]["deployments"][0]["rolloutState"] == "COMPLETED"


def test_ten_services_a_describe_and_the_missing_are_named(ecs: Any, web: str) -> None:
    answer = described(ecs, "web", "worker")
    assert [s["serviceName"] for s in answer["services"]] == ["web"]
    arn = "arn:aws:ecs:eu-west-1:111122223333:service/prod/worker"
    assert answer["failures"] == [{"arn": arn, "reason": "MISSING"}]
    with pytest.raises(ClientError, match="more than 10"):
        described(ecs, *(f"s{n}" for n in range(11)))


def test_the_first_deployment_can_be_born_completed(
    sim: SimulatedEcs, ecs: Any, story: Story
) -> None:
    sim.world.first_is_born_completed = True
    made = ecs.register_task_definition(**story.definition("good"))["taskDefinition"]
    service = ecs.create_service(**story.service(made["taskDefinitionArn"]))["service"]
    assert service["deployments"][0]["rolloutState"] == "COMPLETED"
    assert service["runningCount"] == 0


def test_a_service_is_deleted_when_it_is_scaled_to_zero(
    sim: SimulatedEcs, ecs: Any, web: str
) -> None:
    with pytest.raises(ClientError, match="scaled above 0"):
        ecs.delete_service(**WEB)
    assert ecs.delete_service(**WEB, force=True)["service"]["status"] == "DRAINING"
    sim.clock.advance(30)
    assert described(ecs)["services"][0]["status"] == "INACTIVE"
    assert ecs.list_services(cluster="prod")["serviceArns"] == []
    with pytest.raises(ClientError) as refused:
        ecs.update_service(**WEB, desiredCount=1)
    assert code(refused) == "ServiceNotActiveException"


def test_names_that_stand_for_nothing(ecs: Any, web: str) -> None:
    with pytest.raises(ClientError, match="Cluster not found") as refused:
        ecs.describe_services(cluster="dev", services=["web"])
    assert code(refused) == "ClusterNotFoundException"
    with pytest.raises(ClientError, match="Service not found") as refused:
        ecs.update_service(cluster="prod", service="worker", desiredCount=1)
    assert code(refused) == "ServiceNotFoundException"
    with pytest.raises(ClientError, match="TaskDefinition not found"):
        ecs.update_service(**WEB, taskDefinition="worker:1")


def test_an_inactive_task_definition_cannot_be_deployed(ecs: Any, web: str) -> None:
    ecs.deregister_task_definition(taskDefinition="web:1")
    with pytest.raises(ClientError, match="TaskDefinition is inactive"):
        ecs.update_service(**WEB, taskDefinition="web:1")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"serviceName": "web"}, "not idempotent"),
        ({"networkConfiguration": None}, "Network Configuration must be provided"),
        (
            {
                "loadBalancers": [
                    {"containerName": "web", "containerPort": 1, "targetGroupArn": "t"}
                ]
            },
            "did not have a container port 1 defined",
        ),
        (
            {"deploymentConfiguration": {"maximumPercent": 100, "minimumHealthyPercent": 100}},
            "cannot be 100",
        ),
        ({"propagateTags": "EVERYTHING"}, "none of TASK_DEFINITION, SERVICE, NONE"),
    ],
)
def test_what_ecs_refuses(
    ecs: Any, web: str, story: Story, change: dict[str, Any], words: str
) -> None:
    given = story.service(web, service="other") | change
    with pytest.raises(ClientError, match=words):
        ecs.create_service(**{k: v for k, v in given.items() if v is not None})


def test_a_load_balancer_that_gets_no_answer_stops_the_task(
    sim: SimulatedEcs, ecs: Any, story: Story
) -> None:
    sim.images[story.image("good")] = Behaviour(in_service_after=None)
    made = ecs.register_task_definition(**story.definition("good"))["taskDefinition"]
    balancer = {"targetGroupArn": "arn:tg/web", "containerName": "web", "containerPort": 8080}
    given = story.service(made["taskDefinitionArn"]) | {"loadBalancers": [balancer]}
    ecs.create_service(**given, healthCheckGracePeriodSeconds=20)
    sim.clock.advance(55)
    asked = {"cluster": "prod", "serviceName": "web", "desiredStatus": "STOPPED"}
    assert ecs.list_tasks(**asked)["taskArns"] == [], "still within the grace period"
    sim.clock.until(lambda: ecs.list_tasks(**asked)["taskArns"] != [], within=10)
    stopped = ecs.list_tasks(**asked)["taskArns"]
    task = ecs.describe_tasks(cluster="prod", tasks=stopped)["tasks"][0]
    assert task["lastStatus"] == "DEACTIVATING", "taken out of the target group before it ends"
    assert task["stoppedReason"] == "Task failed ELB health checks in (target-group arn:tg/web)"


@pytest.mark.parametrize(
    ("desired", "own", "expected"),
    [
        (1, None, 3),
        (25, None, 13),
        (800, None, 200),
        (10, ("COUNT", 1), 1),
        (10, ("UNBOUNDED_PERCENT", 20), 2),
    ],
)
def test_the_circuit_breakers_threshold(
    desired: int, own: tuple[str, int] | None, expected: int
) -> None:
    """The figures are the developer guide's own examples."""
    breaker: dict[str, Any] = {"enable": True, "rollback": True}
    if own:
        breaker["thresholdConfiguration"] = dict(zip(("type", "value"), own, strict=True))
    assert rollout.threshold({"deploymentCircuitBreaker": breaker}, desired) == expected


def test_a_rollback_keeps_the_old_tasks_that_still_run(sim: SimulatedEcs, ecs: Any) -> None:
    """Their startedBy names the deployment that first started them."""
    story = stories.read("circuit_breaker_rollback")
    story.stage(sim)
    before = ecs.list_tasks(cluster="prod", serviceName="web")["taskArns"]
    made = ecs.register_task_definition(**story.definition("next"))["taskDefinition"]
    ecs.update_service(**WEB, taskDefinition=made["taskDefinitionArn"])
    sim.clock.advance(120)
    after = ecs.list_tasks(cluster="prod", serviceName="web")["taskArns"]
    assert after == before


def test_a_healthy_task_makes_the_failures_forgotten(
    sim: SimulatedEcs, ecs: Any, web: str, story: Story
) -> None:
    sim.images[story.image("next")] = ends(1)
    made = ecs.register_task_definition(**story.definition("next"))["taskDefinition"]
    ecs.update_service(**WEB, taskDefinition=made["taskDefinitionArn"])
    sim.clock.until(lambda: _failed(ecs) == 2, within=60)
    sim.images[story.image("next")] = runs()
    sim.clock.advance(60)
    assert _failed(ecs) == 0
    assert described(ecs)["services"][0]["deployments"][0]["rolloutState"] == "COMPLETED"


def _failed(ecs: Any) -> int:
    count: int = described(ecs)["services"][0]["deployments"][0]["failedTasks"]
    return count


def test_it_is_not_complete_while_old_tasks_drain(
    sim: SimulatedEcs, ecs: Any, story: Story
) -> None:
    story.stage(sim)
    sim.images[story.image("good")] = Behaviour(stop_takes=25)
    ecs.update_service(**WEB, forceNewDeployment=True)
    sim.clock.advance(40)
    ecs.update_service(**WEB, forceNewDeployment=True)
    for _ in range(120):
        sim.clock.advance(1)
        deployments = described(ecs)["services"][0]["deployments"]
        if deployments[0]["rolloutState"] == "COMPLETED":
            break
        last = [d["status"] for d in deployments]
    assert [d["status"] for d in deployments] == ["PRIMARY"]
    assert last == ["PRIMARY"], "it takes a while until ECS notices"


def test_ecs_waits_longer_and_longer_before_it_tries_again(
    sim: SimulatedEcs, ecs: Any, story: Story
) -> None:
    stories.read("no_breaker").stage(sim)
    made = ecs.register_task_definition(**story.definition("next"))["taskDefinition"]
    sim.images[story.image("next")] = ends(1)
    ecs.update_service(**WEB, taskDefinition=made["taskDefinitionArn"])
    sim.clock.advance(1800)
    starts = sorted({task.created for task in sim.world.tasks.values() if task.counted})
    pauses = [later - earlier for earlier, later in pairwise(starts)]
    assert pauses == sorted(pauses)
    assert pauses[-1] > 16 * pauses[0]


def test_what_a_naive_watcher_takes_for_success(sim: SimulatedEcs, ecs: Any) -> None:
    """One deployment, running as many as are desired: `services_stable` would return."""
    story = stories.read("circuit_breaker_rollback")
    story.stage(sim)
    made = ecs.register_task_definition(**story.definition("next"))["taskDefinition"]
    ours = ecs.update_service(**WEB, taskDefinition=made["taskDefinitionArn"])["service"]
    sim.clock.advance(90)
    ecs.get_waiter("services_stable").wait(
        cluster="prod", services=["web"], WaiterConfig={"Delay": 0, "MaxAttempts": 1}
    )
    service = described(ecs)["services"][0]
    assert ours["deployments"][0]["id"] not in {d["id"] for d in service["deployments"]}
    assert service["taskDefinition"] != made["taskDefinitionArn"]
