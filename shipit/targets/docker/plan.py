"""What would change, and why, in words. Pure."""

from typing import Any

from shipit.model.application import replicas
from shipit.model.deployment import Action, Change, Desired, Health, Observed, ObservedService, Plan
from shipit.targets.docker import honoured, ports
from shipit.targets.docker.project import long_running, restarted_by, specs


def plan(target: str, desired: Desired, observed: Observed) -> Plan:
    """Raises ConfigurationError for what a plain engine cannot do, PreconditionError for a port
    that another container publishes."""
    honoured.refuse(desired)
    ports.refuse_held(desired, observed)
    wanted = specs(desired)
    changes = {name: _change(desired, name, wanted[name], observed) for name in desired.services}
    _reach_on(desired, changes)
    gone = [name for name in observed.services if name not in changes]
    return Plan(
        target=target,
        desired=desired,
        changes=(
            *changes.values(),
            *(Change(name, Action.REMOVE, "the release does not have it") for name in gone),
        ),
        fingerprint=observed.fingerprint,
        notes=honoured.notes(desired) + tuple(_not_exercised(desired)),
    )


def _change(desired: Desired, name: str, spec: str, observed: Observed) -> Change:
    image = desired.images[name].reference
    was = observed.services.get(name)
    asked = replicas(desired.project["services"][name])
    if was is None:
        if not asked:
            return Change(name, Action.KEEP, "0 replicas are asked for", image)
        return Change(name, Action.CREATE, "not there yet", image)
    if not asked:
        return Change(name, Action.UPDATE, "0 replicas are asked for", image)
    if was.spec != spec:
        diff = tuple(_diff(desired, name, was, observed.definitions.get(name)))
        return Change(name, Action.UPDATE, _why(desired, name, was, diff), image, diff)
    why = _amiss(desired, name, was, asked)
    return Change(name, Action.UPDATE if why else Action.KEEP, why or "unchanged", image)


def _amiss(desired: Desired, name: str, was: ObservedService, asked: int) -> str:
    """Why a service whose definition does not change is not as it should be; empty when it is."""
    if not desired.images[name].identities() & set(was.images):
        return f"runs {_short(was)}, not the image that it was brought up with"
    if was.running < was.desired and was.health is not Health.UNHEALTHY:
        return "not running" if not was.running else f"{was.running} of {asked} run"
    if was.desired != asked:
        return f"{was.desired} replicas, not {asked}"
    return "unhealthy" if was.health is Health.UNHEALTHY else ""


def _why(desired: Desired, name: str, was: ObservedService, diff: tuple[str, ...]) -> str:
    if not was.spec:
        return "brought up by something else, or by halves"
    if desired.images[name].identities() & set(was.images):
        return "its configuration changes"
    image = f"its image changes from {_short(was)} to {desired.images[name].digest.short}"
    return f"{image}, and its configuration" if len(diff) > 2 else image


def _short(was: ObservedService) -> str:
    return was.images[0].short if was.images else "several images"


def _reach_on(desired: Desired, changes: dict[str, Change]) -> None:
    """Services that Compose restarts or recreates because another one changes."""
    moved = True
    while moved:
        moved = False
        for name, change in changes.items():
            if change.action is not Action.KEEP:
                continue
            for other, why in restarted_by(desired.project["services"][name]).items():
                if other in changes and changes[other].action is not Action.KEEP:
                    changes[name] = Change(name, Action.UPDATE, why, change.image)
                    moved = True


def _not_exercised(desired: Desired) -> list[str]:
    return [
        f"services.{name}: 0 replicas, so the release is not exercised there"
        for name in desired.services
        if not replicas(desired.project["services"][name])
    ]


def _diff(
    desired: Desired, name: str, was: ObservedService, before: dict[str, Any] | None
) -> list[str]:
    """Lines for people. Values of environment variables may be secrets, and are not shown."""
    after = long_running(desired)["services"][name]
    lines = []
    if not desired.images[name].identities() & set(was.images):
        lines = [f"- image: {_short(was)}", f"+ image: {desired.images[name].digest.short}"]
    if before is None:
        return lines
    old, new = (_flat(d) for d in (before, after))
    for path in sorted(old.keys() | new.keys()):
        if old.get(path) != new.get(path):
            lines += [f"- {path}: {_shown(path, old[path])}"] if path in old else []
            lines += [f"+ {path}: {_shown(path, new[path])}"] if path in new else []
    return lines


_UNCOMPARED = ("image", "labels.io.shipit")


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    """Leaves by their path: lists are leaves."""
    if isinstance(value, dict) and value:
        found: dict[str, Any] = {}
        for key, inner in value.items():
            found |= _flat(inner, f"{path}.{key}" if path else str(key))
        return found
    return {} if path.startswith(_UNCOMPARED) or value in ({}, None) else {path: value}


def _shown(path: str, value: Any) -> str:
    return "(value not shown)" if path.startswith("environment.") else str(value)
