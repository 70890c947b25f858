"""What would change, and why, in words. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from shipit.model.deployment import Action, Change, Desired, Observed, ObservedService, Plan
from shipit.targets.kubernetes import (
    applyset,
    compare,
    counts,
    definitions,
    names,
    readable,
    resources,
)
from shipit.targets.kubernetes.render import Rendered, Setting, render

Json = dict[str, Any]


class Move(msgspec.Struct, frozen=True):
    """What happens to one object. `wanted` is None for what goes, `live` for what is not there;
    `anew`: what changes cannot be changed, so it goes and is made again."""

    key: str
    action: Action
    wanted: Json | None = None
    live: Json | None = None
    diff: tuple[str, ...] = ()
    anew: bool = False

    @property
    def service(self) -> str:
        return service_of(self.wanted or self.live or {})

    @property
    def title(self) -> str:
        return resources.title(self.wanted or self.live or {})


def plan(target: str, desired: Desired, observed: Observed, setting: Setting, set_id: str) -> Plan:
    """Raises ConfigurationError for what Kubernetes cannot honour, by its path."""
    rendered = render(desired, setting)
    moves = decide(rendered, observed.definitions, set_id, setting.namespace)
    return Plan(
        target=target,
        desired=desired,
        changes=tuple(changes(desired, rendered, moves, observed)),
        fingerprint=observed.fingerprint,
        notes=(*rendered.notes, *_kept(moves)),
    )


def decide(
    rendered: Rendered,
    live: Mapping[str, Json],
    set_id: str,
    namespace: str,
    discovered: Iterable[str] = (),
) -> dict[str, Move]:
    """A move for every object that is wanted, and for every one of ours that is not any more.

    `discovered` are kinds (`Widget.example.com`) that the API server says are of no namespace.
    """
    wide = {*discovered, *definitions.cluster_wide(rendered.objects), *_of_no_namespace(live)}
    wanted = {}
    for one in rendered.objects:
        joined = applyset.joined(one, set_id)
        if resources.group_kind(one) not in wide:
            joined = placed(joined, namespace)
        wanted[resources.key(joined)] = joined
    left = {k: one for k, one in live.items() if k not in wanted and is_member(one, set_id)}
    former = {service_of(o): o for o in left.values() if counts.is_counted(o)}
    moves = {
        key: _move(key, one, live[key], set_id)
        if key in live
        else Move(key, Action.CREATE, counts.inherited(one, former.get(service_of(one))))
        for key, one in wanted.items()
    }
    for key, one in left.items():
        moves[key] = Move(key, Action.REMOVE if applyset.prunable(one) else Action.KEEP, None, one)
    return moves


def _of_no_namespace(live: Mapping[str, Json]) -> Iterator[str]:
    for one in live.values():
        if not one["metadata"].get("namespace"):
            yield resources.group_kind(one)


def placed(one: Json, namespace: str) -> Json:
    """With its namespace written out, where the kind has one."""
    resource = resources.known(one["apiVersion"], one["kind"])
    if one["metadata"].get("namespace") or (resource and not resource.namespaced):
        return one
    return {**one, "metadata": {**one["metadata"], "namespace": namespace}}


def is_member(one: Mapping[str, Any], set_id: str) -> bool:
    return (one["metadata"].get("labels") or {}).get(applyset.PART_OF) == set_id


def _move(key: str, wanted: Json, live: Json, set_id: str) -> Move:
    wanted = counts.continued(wanted, live)
    anew = is_member(live, set_id) and _has_other_address(wanted, live)
    if compare.same(wanted, live) and not anew:
        return Move(key, Action.KEEP, wanted, live)
    diff = readable.difference(readable.narrowed(live, wanted), wanted)
    return Move(key, Action.UPDATE, wanted, live, diff, anew)


def _has_other_address(wanted: Json, live: Json) -> bool:
    """v1, ServiceSpec, clusterIP: it may not become an address where it was "None", and not the
    other way about. Left out, an API server would keep what it was."""
    if resources.group_kind(wanted) != "Service":
        return False
    specs = [one.get("spec") or {} for one in (wanted, live)]
    if any(spec.get("type", "ClusterIP") != "ClusterIP" for spec in specs):
        return False
    direct = [spec.get("clusterIP") == "None" for spec in specs]
    return direct[0] is not direct[1]


def changes(
    desired: Desired,
    rendered: Rendered,
    moves: Mapping[str, Move],
    observed: Observed | None,
) -> Iterator[Change]:
    """The moves by service, in the release's order; then what is of no service, or goes."""
    by_service: dict[str, list[Move]] = {}
    for move in moves.values():
        by_service.setdefault(move.service, []).append(move)
    order = [*desired.services, *desired.scheduled]
    for name in (*order, *sorted(by_service.keys() - set(order))):
        beside = by_service.get(rendered.beside.get(name, ""), [])
        own = [*by_service.get(name, []), *(move for move in beside if _is_workload(move))]
        if own or name in rendered.workloads:
            was = observed.services.get(name) if observed else None
            yield _change(desired, name, own, was)


def _change(
    desired: Desired, name: str, own: Iterable[Move], was: ObservedService | None
) -> Change:
    moves = list(own)
    image = desired.images[name].reference if name in desired.images else ""
    diff = tuple(line for move in moves for line in move.diff)
    acted = {move.action for move in moves} - {Action.KEEP}
    gone = all(move.wanted is None for move in moves)
    if not acted:
        return Change(name, Action.KEEP, "kept, as its data are" if gone else "unchanged", image)
    if gone:
        titles = ", ".join(m.title for m in moves if m.action is Action.REMOVE)
        return Change(name, Action.REMOVE, f"the release does not have it: {titles}", diff=diff)
    if acted == {Action.CREATE} and all(m.live is None for m in moves):
        return Change(name, Action.CREATE, "not there yet", image, diff)
    return Change(name, Action.UPDATE, _why(desired, name, moves, was), image, diff)


_FATES = {Action.CREATE: "comes", Action.UPDATE: "changes", Action.REMOVE: "goes"}


def _why(desired: Desired, name: str, moves: list[Move], was: ObservedService | None) -> str:
    parts = [*_image_change(desired, name, moves, was)]
    parts += [
        f"{move.title} {_FATES[move.action]}"
        for move in moves
        if move.action in _FATES and not _is_workload(move)
    ]
    configured = [
        line for m in moves if _is_workload(m) for line in m.diff if ".image: " not in line
    ]
    if configured or not parts:
        parts.append("its configuration changes")
    return "; ".join(parts)


def _image_change(
    desired: Desired, name: str, moves: Iterable[Move], was: ObservedService | None
) -> Iterator[str]:
    image = desired.images.get(name)
    lines = [line for m in moves if _is_workload(m) for line in m.diff if ".image: " in line]
    if image and any(line.startswith("+") and str(image.digest) in line for line in lines):
        known = was.images[0].short if was and was.images else ""
        yield f"its image changes{f' from {known}' if known else ''} to {image.digest.short}"


def _is_workload(move: Move) -> bool:
    one = move.wanted or move.live or {}
    return not {"template", "jobTemplate"}.isdisjoint(one.get("spec") or {})


def service_of(one: Mapping[str, Any]) -> str:
    """The compose service that an object belongs to; the environment's own go by their label."""
    labels = (one.get("metadata") or {}).get("labels") or {}
    return str(labels.get(names.NAME) or (one.get("metadata") or {}).get("name", ""))


_WHY_KEPT = {
    "PersistentVolumeClaim": "with its data; `shipit rm --volumes` takes it away",
    "PersistentVolume": "with its data",
    "Namespace": "with all that is in it",
    "CustomResourceDefinition": "with every object of its kind in the cluster",
}


def _kept(moves: Mapping[str, Move]) -> Iterator[str]:
    for move in moves.values():
        if move.wanted is None and move.action is Action.KEEP:
            yield f"{move.title} stays, {_WHY_KEPT.get((move.live or {})['kind'], '')}"
