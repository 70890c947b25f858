"""What an environment's deployments have to be allowed, by place: in their own namespace, in others
where objects of theirs are, and in the whole cluster. Pure.

A kind is listed in every namespace that the ApplySet names, as `survey.py` does; what is there and
is no release's any more is pruned, and for that it is deleted.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Self

import msgspec

from shipit.targets.kubernetes import applyset, rbac, resources
from shipit.targets.kubernetes.rbac import Rule
from shipit.targets.kubernetes.resources import Resource

Json = dict[str, Any]
Kind = tuple[str, str]  # group, kind
ResourceOf = Callable[[str, str], Resource]
WHOLE = ""  # the place of what has no namespace
_GIVES_RIGHTS = frozenset({"Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"})


class There(msgspec.Struct, frozen=True):
    """What an ApplySet's parent names: the kinds of its members, and their other namespaces; and
    `more`, what else is read at home because the cluster has it."""

    kinds: frozenset[Kind] = frozenset()
    spaces: frozenset[str] = frozenset()
    more: frozenset[Rule] = frozenset()

    @classmethod
    def of(cls, parent: Json | None, more: frozenset[Rule] = frozenset()) -> Self:
        kinds = (applyset.version_kind(named) for named in applyset.kinds_of(parent))
        return cls(frozenset(kinds), frozenset(applyset.namespaces_of(parent)), more)


def needed(
    objects: Sequence[Json] | None, there: There, home: str, resource_of: ResourceOf
) -> dict[str, list[Rule]]:
    """The rules of each place, by group and resource. `objects` are all that releases have, None
    while there is no release; those that do not say are in `home`."""
    placed = _placed(objects, home, resource_of)
    every = there.kinds.union(*placed.values())
    places = {*placed, *there.spaces, home} - {WHOLE}
    if any(not resource_of(*kind).namespaced for kind in every):
        places.add(WHOLE)
    return {
        place: _rules(place, home, placed, there, _listed(place, home, every, resource_of))
        for place in sorted(places, key=lambda p: (p != home, p == WHOLE, p))
    }


def _placed(
    objects: Sequence[Json] | None, home: str, resource_of: ResourceOf
) -> dict[str, set[Kind]]:
    if objects is None:
        return {home: set(rbac.MADE)}
    placed: dict[str, set[Kind]] = {}
    for one in objects:
        kind = rbac.group_kind(one)
        space = str(one["metadata"].get("namespace") or home)
        placed.setdefault(space if resource_of(*kind).namespaced else WHOLE, set()).add(kind)
    return placed


def _listed(
    place: str, home: str, every: Iterable[Kind], resource_of: ResourceOf
) -> dict[Kind, str]:
    """The kinds that are looked for there, with the resource of each. Workloads are looked for at
    home, also where none is deployed."""
    kinds = {*every, *(rbac.WORKLOADS if place == home else ())}
    found = {kind: resource_of(*kind) for kind in kinds}
    return {
        kind: resource.plural
        for kind, resource in found.items()
        if resource.namespaced == (place != WHOLE)
    }


def _rules(
    place: str,
    home: str,
    placed: Mapping[str, set[Kind]],
    there: There,
    listed: Mapping[Kind, str],
) -> list[Rule]:
    found: dict[tuple[str, str], set[str]] = {}
    for rule in (*rbac.ALWAYS, *there.more) if place == home else ():
        found.setdefault((rule.group, rule.resource), set()).update(rule.verbs)
    wanted = set[Kind]().union(*placed.values())
    for kind, plural in listed.items():
        verbs = {"list"}
        if kind in placed.get(place, ()):
            verbs |= {*rbac.KEEP, *(["watch"] if kind in rbac.WATCHED else [])}
        elif kind in there.kinds and kind not in wanted:
            verbs.add("delete")
        if kind[1] in applyset.KEPT:  # never pruned
            verbs.discard("delete")
        found.setdefault((kind[0], plural), set()).update(verbs)
    return sorted(Rule(*key, tuple(sorted(verbs))) for key, verbs in found.items())


def without(wanted: Mapping[str, Sequence[Rule]], known: Mapping[str, Sequence[Rule]]) -> Json:
    """What of `wanted` is not in `known`, by place."""
    found = {}
    for place, rules in wanted.items():
        held = {(r.group, r.resource): r.verbs for r in known.get(place, ())}
        more = [
            Rule(r.group, r.resource, verbs)
            for r in rules
            if (verbs := tuple(v for v in r.verbs if v not in held.get((r.group, r.resource), ())))
        ]
        if more:
            found[place] = more
    return found


def objects(
    wanted: Mapping[str, Sequence[Rule]], home: str, instance: str, subject: tuple[str, str] | None
) -> Iterator[Json]:
    """A Role for each place, a ClusterRole for the whole cluster; each with its binding, where
    there is a `subject` (kind, name). What is not at home is named after home, too."""
    for place, rules in wanted.items():
        name = f"{instance}-deployer" if place == home else f"{home}-{instance}-deployer"
        yield rbac.role(name, place, rules)
        if subject:
            yield rbac.binding(name, place, rbac.subject_of(*subject, home))


def beyond(objects: Iterable[Json]) -> Iterator[str]:
    """What no Role of ours can say (kubernetes.io, "Using RBAC Authorization", privilege
    escalation prevention)."""
    giving = sorted(
        {
            resources.title(one)
            for one in objects
            if rbac.group_kind(one)[0] == rbac.GROUP and one["kind"] in _GIVES_RIGHTS
        }
    )
    if giving:
        yield (
            f"{', '.join(giving)}: the API server lets nobody give rights that he has not himself,"
            " so these take all that they grant, or the verbs `escalate` and `bind`, beside this"
        )
