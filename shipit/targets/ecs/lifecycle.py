"""Stop, start and remove the services that are there."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from shipit.errors import RemoteError
from shipit.targets.ecs import names
from shipit.targets.ecs.apply import delete
from shipit.targets.ecs.survey import Live, Survey

_POLL = 2.0  # seconds
_MOVING = 300.0  # seconds for tasks to come and go


def stop(survey: Survey, lives: Iterable[Live]) -> list[str]:
    """Scale to 0; what it was is remembered in a tag first, so that `start` knows it."""
    names_of = []
    for live in lives:
        count = int(live.service.get("desiredCount", 0))
        if not count:
            continue
        arn = str(live.service["serviceArn"])
        tags = names.tags({names.STOPPED: str(count)})
        survey.cloud.call("ecs", "tag_resource", resourceArn=arn, tags=tags)
        _scale(survey, live, 0)
        names_of.append(live.name)
    return names_of


def start(survey: Survey, lives: Iterable[Live]) -> list[str]:
    """Scale to what it was when it was stopped, or to what was deployed; the names."""
    started = []
    for live in lives:
        if int(live.service.get("desiredCount", 0)):
            continue
        count = live.tags.get(names.STOPPED) or live.tags.get(names.REPLICAS) or "1"
        _scale(survey, live, max(int(count), 1))
        if names.STOPPED in live.tags:
            arn = str(live.service["serviceArn"])
            survey.cloud.call("ecs", "untag_resource", resourceArn=arn, tagKeys=[names.STOPPED])
        started.append(live.name)
    return started


def settle(
    survey: Survey,
    wanted: Sequence[str],
    settled: Callable[[Live], bool],
    *,
    clock: Callable[[], float],
    pause: Callable[[float], None],
) -> None:
    """Wait until each is so, or for five minutes: what it came to is told by the next look."""
    until = clock() + _MOVING
    while wanted and clock() < until:
        found = survey.described(wanted)
        if all(name not in found or settled(found[name]) for name in wanted):
            return
        pause(_POLL)


def remove(
    survey: Survey,
    lives: Sequence[Live],
    *,
    clock: Callable[[], float],
    pause: Callable[[float], None],
) -> Iterator[str]:
    """Only services that carry shipit's own tags; a name is free again once its tasks are gone."""
    ours = [live for live in lives if live.ours]
    for live in ours:
        delete(survey, live.name)
    settle(survey, [live.name for live in ours], lambda _: False, clock=clock, pause=pause)
    yield from (live.name for live in ours)


def _scale(survey: Survey, live: Live, count: int) -> None:
    try:
        survey.cloud.call(
            "ecs",
            "update_service",
            cluster=survey.cluster,
            service=live.name,
            desiredCount=count,
        )
    except RemoteError as error:
        error.next_step = error.next_step or "run the command again"
        raise
