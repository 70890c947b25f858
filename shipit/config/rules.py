"""What the types of shipit.yaml cannot say: how its values must agree with one another."""

from collections.abc import Iterator
from heapq import heappop, heappush
from typing import NamedTuple

from shipit.errors import did_you_mean
from shipit.model.duration import parse_duration
from shipit.model.image import Reference
from shipit.model.pipeline import (
    SOURCE_DETAILS,
    SOURCE_KINDS,
    EnvironmentSettings,
    Settings,
    SourceFiles,
    TargetSettings,
)
from shipit.model.window import parse_window

Path = tuple[str | int, ...]


class Broken(NamedTuple):
    """A rule that does not hold at a place in the file."""

    path: Path
    what: str


def broken(settings: Settings) -> Iterator[Broken]:
    """Every rule that `settings` break. What needs a sound graph comes only after one."""
    yield from _registry(settings.registry, ("registry",))
    yield from _ledger(settings.ledger)
    for name, environment in settings.environments.items():
        yield from _environment(environment, ("environments", name))
    graph = list(_graph(settings.environments))
    yield from graph
    if not graph:
        yield from _soaks(settings.environments)
    yield from _places(settings.environments)


def _registry(registry: str, path: Path) -> Iterator[Broken]:
    if not registry:
        return
    example = "write host/path, as in registry.example.com/shop"
    if "://" in registry:
        yield Broken(path, f"{registry!r} is an address and not a repository; {example}")
        return
    try:
        Reference.parse(f"{registry}/service")
    except ValueError:
        tagged = ":" in registry.rpartition("/")[2] or "@" in registry
        why = " (no tag and no digest)" if tagged else ""
        yield Broken(path, f"{registry!r} is not a repository prefix; {example}{why}")


def _ledger(ledger: str) -> Iterator[Broken]:
    scheme, separator, rest = ledger.partition("://")
    if not separator or (scheme == "memory" and not rest):
        return
    if scheme not in ("s3", "gs"):
        yield Broken(
            ("ledger",),
            f"{ledger!r} is neither a folder nor s3://bucket/prefix nor gs://bucket/prefix",
        )
    elif not rest.strip("/").partition("/")[0] or rest.startswith("/"):
        yield Broken(("ledger",), f"{ledger!r} names no bucket; write {scheme}://bucket/prefix")


def _environment(environment: EnvironmentSettings, path: Path) -> Iterator[Broken]:
    yield from _targets(environment, path)
    yield from _registry(environment.registry, (*path, "registry"))
    yield from _duration(environment.deadline, (*path, "deadline"))
    yield from _source(environment, (*path, "source"))
    if environment.gates.soak is not None:
        yield from _duration(environment.gates.soak, (*path, "gates", "soak"))
    for n, window in enumerate(environment.gates.freeze):
        try:
            parse_window(window)
        except ValueError as error:
            yield Broken((*path, "gates", "freeze", n), str(error))
    yield from _canary(environment, (*path, "strategy", "canary"))
    for n, check in enumerate(environment.verify):
        yield from _address(check.http, (*path, "verify", n, "http"))
        yield from _duration(check.timeout, (*path, "verify", n, "timeout"))


def _targets(environment: EnvironmentSettings, path: Path) -> Iterator[Broken]:
    if environment.target is None and not environment.targets:
        yield Broken(path, "no target; write target: {docker: {}}, or another kind")
    if environment.target is not None and environment.targets:
        yield Broken((*path, "targets"), "target and targets are both here; one of them says where")
    if environment.target is not None:
        yield from _target(environment.target, (*path, "target"))
    for name, target in environment.targets.items():
        yield from _target(target, (*path, "targets", name))


def _target(target: TargetSettings, path: Path) -> Iterator[Broken]:
    if not target.kinds:
        kinds = ", ".join(target.__struct_fields__)
        yield Broken(path, f"no kind of target; name one of {kinds}")
    elif len(target.kinds) > 1:
        kinds = " and ".join(target.kinds)
        yield Broken(path, f"{kinds} are both here; a target is of one kind")
    for kind in target.kinds:
        settings = getattr(target, kind)
        host = getattr(settings, "host", "")
        if host and settings.context:
            yield Broken((*path, kind, "context"), "host and context are both here; one says where")
        if host and "://" not in host:
            yield Broken(
                (*path, kind, "host"),
                f"{host!r} has no scheme; write ssh://user@host, tcp://host:port or unix:///path",
            )


def _source(environment: EnvironmentSettings, path: Path) -> Iterator[Broken]:
    source = environment.source
    if source is None:
        return
    known = ", ".join(SOURCE_KINDS)
    if len(source.kinds) != 1:
        said = " and ".join(source.kinds)
        said = f"{said} are both here" if source.kinds else "no kind of source"
        yield Broken(path, f"{said}; name one of {known}")
        return
    kind = source.kinds[0]
    for detail, of in SOURCE_DETAILS.items():
        if getattr(source, detail) and kind not in of:
            yield Broken((*path, detail), f"{detail} goes with {' or '.join(of)}")
    yield from _definitions(source, path)
    for where, target in _named_targets(environment):
        for other in target.kinds:
            if other not in SOURCE_KINDS[kind]:
                kinds = ", ".join(SOURCE_KINDS[kind])
                yield Broken((*path, kind), f"{where} is of the kind {other}; it is for {kinds}")


def _definitions(source: SourceFiles, path: Path) -> Iterator[Broken]:
    """One task definition and its service, or several by the same names."""
    tasks, services = source.task_definition, source.service
    if not services or not tasks:
        return
    if isinstance(tasks, str) or isinstance(services, str):
        if isinstance(tasks, str) != isinstance(services, str):
            what = "task_definition and service are both one file, or both several by name"
            yield Broken((*path, "service"), what)
        return
    for name in services:
        if name not in tasks:
            meant = did_you_mean(name, tasks)
            yield Broken((*path, "service", name), f"there is no task_definition {name}{meant}")


def _duration(text: str, path: Path) -> Iterator[Broken]:
    try:
        length = parse_duration(text)
    except (ValueError, OverflowError):
        yield Broken(path, f"{text[:40]!r} is not a duration; write 90s, 10m, 24h or 1h30m")
        return
    if not length:
        yield Broken(path, f"{text!r} is no time at all")


def _canary(environment: EnvironmentSettings, path: Path) -> Iterator[Broken]:
    canary = environment.strategy.canary
    if canary is None:
        return
    yield from _duration(canary.bake, (*path, "bake"))
    if list(canary.steps) != sorted(set(canary.steps)):
        steps = ", ".join(map(str, canary.steps))
        yield Broken((*path, "steps"), f"the steps {steps} do not increase")


def _address(address: str, path: Path) -> Iterator[Broken]:
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(address)
        sound = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        sound = False
    if not sound or any(c.isspace() for c in address):
        yield Broken(path, f"{address[:80]!r} is not an address; write http://host:port/path")


def _graph(environments: dict[str, EnvironmentSettings]) -> Iterator[Broken]:
    """One first environment, no unknown names, no cycle."""
    first = ""
    for name, environment in environments.items():
        path = ("environments", name)
        if environment.after is None:
            if first:
                yield Broken(
                    path,
                    f"{first} and {name} both come after nothing, and only one can be the first;"
                    f" give one of them an `after`",
                )
            first = first or name
        elif environment.after not in environments:
            meant = did_you_mean(environment.after, [n for n in environments if n != name])
            yield Broken((*path, "after"), f"there is no environment {environment.after}{meant}")
    cycle = _cycle(environments)
    if cycle:
        circle = " after ".join((*cycle, cycle[0]))
        place = ("environments", cycle[0], "after")
        yield Broken(place, f"the environments go in a circle: {circle}")


def _cycle(environments: dict[str, EnvironmentSettings]) -> tuple[str, ...]:
    """The names on the first circle of `after`, each followed by what it comes after."""
    done: set[str] = set()
    for start in environments:
        walked: dict[str, None] = {}
        name: str | None = start
        while name in environments and name not in done and name not in walked:
            walked[name] = None
            name = environments[name].after
        if name in walked:
            circle = [*walked]
            return tuple(circle[circle.index(name) :])
        done.update(walked)
    return ()


def _soaks(environments: dict[str, EnvironmentSettings]) -> Iterator[Broken]:
    for name, environment in environments.items():
        if environment.after is None and environment.gates.soak is not None:
            yield Broken(
                ("environments", name, "gates", "soak"),
                f"{name} is the first environment: there is nothing upstream to run in",
            )


def _places(environments: dict[str, EnvironmentSettings]) -> Iterator[Broken]:
    """Two environments in one place would overwrite each other."""
    seen: dict[object, tuple[str, str]] = {}
    for name, environment in environments.items():
        for where, target in _named_targets(environment):
            place = _place(name, target)
            other = seen.setdefault(place, (name, where))
            if other != (name, where):
                path = ("environments", name, *where.split(".", 1))
                same = f"the same place as {'.'.join(other)}"
                yield Broken(path, f"{same}; one would overwrite the other")


def _named_targets(environment: EnvironmentSettings) -> Iterator[tuple[str, TargetSettings]]:
    if environment.target is not None:
        yield "target", environment.target
        return  # beside it, `targets` is an error of its own
    for name, target in environment.targets.items():
        yield f"targets.{name}", target


# The other settings of ECS say how tasks run, and not where.
_ECS_PLACE = ("region", "cluster", "prefix", "stack")


def _place(environment: str, target: TargetSettings) -> object:
    """What two targets share when they are one place.

    On Docker, Swarm and ECS the services' names have the environment in them (unless ECS has a
    prefix for them), and a cluster that is left out is that of the environment's own stack: these
    clash only within one environment.
    """
    if len(target.kinds) != 1:
        return object()
    settings = target.settings
    own = target.kind in ("docker", "swarm") or (
        target.kind != "kubernetes" and not (settings.cluster or settings.stack)
    )
    if target.kind == "ecs":
        own = not settings.prefix
    fields = _ECS_PLACE if target.kind == "ecs" else settings.__struct_fields__
    values = tuple(getattr(settings, field) for field in fields)
    return (target.kind, values, environment if own else "")


def in_promotion_order(environments: dict[str, EnvironmentSettings]) -> tuple[str, ...]:
    """Each after what it comes after; among equals, as in the file. The graph is sound."""
    places = {name: place for place, name in enumerate(environments)}
    following: dict[str | None, list[str]] = {}
    for name, environment in environments.items():
        following.setdefault(environment.after, []).append(name)
    order: list[str] = []
    ready = [(places[name], name) for name in following[None]]
    while ready:
        _, name = heappop(ready)
        order.append(name)
        for later in following.get(name, ()):
            heappush(ready, (places[later], later))
    return tuple(order)
