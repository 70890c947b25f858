"""The container verbs, on every target that can: ps, logs, exec, run, start, stop, rm."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from shipit.delivery.desired import desire, exercised
from shipit.delivery.lease import refuse_if_leased
from shipit.delivery.project import Project, unknown
from shipit.delivery.verify import record_health, trouble_of
from shipit.errors import UsageError
from shipit.model.deployment import Desired
from shipit.model.events import EnvironmentRemoved, Event
from shipit.model.state import State
from shipit.targets.interface import (
    Exec,
    Lists,
    Logs,
    Removes,
    RunsCommands,
    Scales,
    Target,
)

Can = TypeVar("Can")


def containers(project: Project, environment: str) -> list[dict[str, str]]:
    """A row a container; with several targets the row names its target."""
    targets = project.targets(project.environment(environment))
    rows: list[dict[str, str]] = []
    for name, target in targets.items():
        more = {"target": name} if len(targets) > 1 else {}
        rows += [{**more, **row} for row in able(target, Lists, "list containers").containers()]
    return rows


def logs(
    project: Project,
    environment: str,
    services: Sequence[str],
    *,
    follow: bool,
    tail: int | None,
    since: str | None,
    target: str = "",
) -> Iterator[tuple[str, str]]:
    """(container, line). Raises UnknownNameError for a service that is not there."""
    chosen = one_target(project, environment, target)
    _known(chosen, services)
    yield from able(chosen, Logs, "show logs").logs(services, follow=follow, tail=tail, since=since)


def execute(
    project: Project,
    environment: str,
    service: str,
    command: Sequence[str],
    *,
    tty: bool,
    target: str = "",
) -> int:
    chosen = one_target(project, environment, target)
    _known(chosen, [service])
    return able(chosen, Exec, "run a command in a container").exec(service, command, tty=tty)


def run(
    project: Project,
    environment: str,
    service: str,
    command: Sequence[str],
    *,
    tty: bool,
    target: str = "",
) -> int:
    """A container of its own, of the release that runs there, for one command."""
    chosen = able(one_target(project, environment, target), RunsCommands, "run a command")
    current = project.ledger.read().environment(environment).current
    if current is None:
        raise UsageError(
            f"nothing was deployed to {environment}",
            next_step=f"run `shipit deploy --env {environment}` first",
        )
    release = project.ledger.get_release(current.release)
    with project.registries() as registries:
        desired = desire(release, project.environment(environment), registries)
        if service not in desired.images:
            raise unknown("service", service, desired.images)
        return chosen.run(desired, service, command, tty=tty)


def stop(project: Project, environment: str, services: Sequence[str], reason: str) -> list[str]:
    """Returns the names of what is stopped. `status` shows it until the next start or deploy."""
    return _scale(project, environment, services, lambda t: t.stop(services), reason or "stopped")


def start(project: Project, environment: str, services: Sequence[str]) -> list[str]:
    return _scale(project, environment, services, lambda t: t.start(services), "")


def _scale(
    project: Project,
    environment: str,
    services: Sequence[str],
    act: Callable[[Scales], Sequence[Any]],
    note: str,
) -> list[str]:
    refuse_if_leased(project.ledger.read(), project.environment(environment).name)
    names: list[str] = []
    for target in project.targets(project.environment(environment)).values():
        _known(target, services)
        names += [seen.name for seen in act(able(target, Scales, "stop and start"))]
    _record(project, environment, note)
    return names


def _record(project: Project, environment: str, note: str) -> None:
    """After a start what runs is looked at: started is not yet healthy."""
    current = project.ledger.read().environment(environment).current
    if current is None:
        return
    if not note:
        release = project.ledger.get_release(current.release)
        wanted = project.environment(environment)
        with project.registries() as registries:
            note = "; ".join(_troubles(project, desire(release, wanted, registries), environment))
    record_health(project, current, environment, note)


def _troubles(project: Project, desired: Desired, environment: str) -> Iterator[str]:
    for target in project.targets(project.environment(environment)).values():
        observed = target.observe()
        for service in exercised(desired):
            trouble = trouble_of(service, desired, observed)
            if trouble:
                yield f"{service} {trouble}"


def remove(project: Project, environment: str, *, volumes: bool) -> list[str]:
    """Everything of the environment; named volumes only when asked. Its history stays."""
    wanted = project.environment(environment)
    refuse_if_leased(project.ledger.read(), wanted.name)
    removed: list[str] = []
    for target in project.targets(wanted).values():
        removed += able(target, Removes, "remove an environment").remove(volumes=volumes)

    def decide(state: State) -> list[Event]:
        refuse_if_leased(state, wanted.name)
        there = state.environment(wanted.name)
        known = there.current or there.interrupted
        return [EnvironmentRemoved(environment=wanted.name)] if known else []

    project.ledger.commit(decide)
    return removed


def one_target(project: Project, environment: str, name: str) -> Target:
    """Raises UsageError when the environment has several targets and none is named."""
    targets = project.targets(project.environment(environment))
    if name:
        if name not in targets:
            raise unknown("target", name, targets)
        return targets[name]
    if len(targets) > 1:
        raise UsageError(
            f"{environment} has several targets: {', '.join(targets)}",
            next_step="name one with --target",
        )
    return next(iter(targets.values()))


def able(target: Target, can: type[Can], what: str) -> Can:
    """The target as one that can; a sentence when it cannot."""
    if not isinstance(target, can):
        raise UsageError(f"the target {target.name} cannot {what}")
    return target


def _known(target: Target, services: Sequence[str]) -> None:
    if not services:
        return
    there = target.observe().services
    for service in services:
        if service not in there:
            raise unknown("running service", service, there)
