"""Every story goes as it is told, seen through boto3 as anybody sees ECS."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.fakes.ecs import SimulatedEcs, stories
from tests.fakes.ecs.stories import Story


@pytest.mark.parametrize("name", stories.names())
def test_a_story_goes_as_it_is_told(sim: SimulatedEcs, name: str) -> None:
    story = stories.read(name)
    story.stage(sim)
    seen = Seen(sim, story)
    for state in story.states:
        seen.move_to(state.at)
        assert seen.deployments() == state.deployments, f"after {state.at} s"
    seen.move_to(story.ends.at)
    assert seen.running() == story.ends.runs
    assert seen.rollout() == story.ends.rollout
    assert seen.record()["status"] == story.ends.record
    said = seen.events()
    for text in story.ends.events:
        assert text in said
    if story.ends.stopped is not None:
        code, reason, exit_code = story.ends.stopped
        last = seen.last_stopped()
        assert last["stopCode"] == code
        assert reason in last["stoppedReason"]
        assert last["containers"][0].get("exitCode") == exit_code


class Seen:
    """A deployment of `next` that has begun, and what can be read of it."""

    def __init__(self, sim: SimulatedEcs, story: Story) -> None:
        self.sim, self.ecs = sim, sim.client()
        made = self._ask(self.ecs.register_task_definition, **story.definition("next"))
        arn = made["taskDefinition"]["taskDefinitionArn"]
        self.images = {story.image(image): image for image in story.images}
        if story.before:
            place = {"cluster": "prod", "service": "web"}
            answer = self._ask(self.ecs.update_service, taskDefinition=arn, **place)
        else:
            answer = self._ask(self.ecs.create_service, **story.service(arn))
        self.id = answer["service"]["deployments"][0]["id"]
        self.record_arn = answer["service"]["currentServiceDeployment"]
        self.start = sim.world.now

    def move_to(self, at: float) -> None:
        self.sim.clock.advance(self.start + at - self.sim.world.now)

    def deployments(self) -> list[tuple[str, str, str, int]]:
        return [
            (self._image(d["taskDefinition"]), d["status"], d["rolloutState"], d["runningCount"])
            for d in self._service()["deployments"]
        ]

    def rollout(self) -> str:
        by_id = {d["id"]: d["rolloutState"] for d in self._service()["deployments"]}
        return str(by_id.get(self.id, ""))

    def record(self) -> Any:
        ask = self.ecs.describe_service_deployments
        return self._ask(ask, serviceDeploymentArns=[self.record_arn])["serviceDeployments"][0]

    def events(self) -> str:
        return "\n".join(event["message"] for event in self._service()["events"])

    def running(self) -> Counter[str]:
        tasks = [t for t in self._tasks("RUNNING") if t["lastStatus"] == "RUNNING"]
        return Counter(self.images[t["containers"][0]["image"]] for t in tasks)

    def last_stopped(self) -> Any:
        ended = [t for t in self._tasks("STOPPED") if "stoppedAt" in t]
        failed = [t for t in ended if not t["stoppedReason"].startswith("Scaling")]
        return max(failed, key=lambda task: task["stoppedAt"])

    def _tasks(self, status: str) -> Any:
        place = {"cluster": "prod", "serviceName": "web"}
        arns = self._ask(self.ecs.list_tasks, desiredStatus=status, **place)["taskArns"]
        if not arns:
            return []
        return self._ask(self.ecs.describe_tasks, cluster="prod", tasks=arns)["tasks"]

    def _service(self) -> Any:
        return self._ask(self.ecs.describe_services, cluster="prod", services=["web"])["services"][
            0
        ]

    def _image(self, arn: str) -> str:
        body = self._ask(self.ecs.describe_task_definition, taskDefinition=arn)
        return self.images[body["taskDefinition"]["containerDefinitions"][0]["image"]]

    def _ask(self, ask: Callable[..., Any], **request: Any) -> Any:
        """Again and again while it is throttled, without a pause."""
        for _ in range(50):
            try:
                return ask(**request)
            except ClientError as error:
                if error.response["Error"]["Code"] != "ThrottlingException":
                    raise
        raise AssertionError("throttled fifty times in a row")
