"""What a plan, being pure, cannot know: asked before anything changes."""

from collections.abc import Iterator

from shipit.errors import PreconditionError, RemoteError
from shipit.model.deployment import Desired
from shipit.targets.ecs import groups
from shipit.targets.ecs.cloud import Cloud


def refuse_alarms(cloud: Cloud, desired: Desired) -> None:
    """An alarm that is in ALARM at the start is ignored by ECS for the whole deployment.

    docs.aws.amazon.com/AmazonECS, "How CloudWatch alarms detect Amazon ECS deployment failures".
    The way back is not refused: that one rings is the very reason to go.
    """
    if desired.back:
        return
    try:
        ringing = [name for name, state in alarms(cloud, desired) if state == "ALARM"]
    except RemoteError as error:  # unknown is not quiet
        raise PreconditionError(error.what, error.why, error.next_step) from error
    if ringing:
        raise PreconditionError(
            f"in ALARM already: {', '.join(ringing)}",
            "ECS would not watch an alarm that is in ALARM when a deployment starts",
            "mend what it says, or take it out of x-ecs.alarms, and deploy again",
        )


def alarms(cloud: Cloud, desired: Desired) -> Iterator[tuple[str, str]]:
    """(name, state) of the alarms that the services name; the state of a missing one is ""."""
    found = groups.groups(desired.project, desired.services)
    wanted = sorted({alarm for group in found.values() for alarm in group.head.alarms})
    if not wanted:
        return
    answer = cloud.call("cloudwatch", "describe_alarms", AlarmNames=wanted)
    kinds = ("MetricAlarms", "CompositeAlarms")
    states = {a["AlarmName"]: a["StateValue"] for k in kinds for a in answer.get(k) or ()}
    for name in wanted:
        yield name, states.get(name, "")
