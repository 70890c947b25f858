"""An object that is wanted against the one that is there. Pure.

The server's dry run is the truth about what would change. What can be told without it spares the
question: an object that has every field that is wanted, and from us no other, does not change.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from shipit.targets.kubernetes import names
from shipit.targets.kubernetes.client import FIELD_MANAGER

Json = dict[str, Any]

_OURS_ALONE = (names.RELEASE, names.DIGEST, names.DEPLOYMENT)  # they say who, and change nothing


def without_marks(one: Json) -> Json:
    """The object without what only says which release brought it."""
    metadata = one["metadata"]
    annotations = metadata.get("annotations") or {}
    kept = {key: value for key, value in annotations.items() if key not in _OURS_ALONE}
    metadata = {key: value for key, value in metadata.items() if key != "annotations"}
    return {**one, "metadata": {**metadata, **({"annotations": kept} if kept else {})}}


def same(want: Json, live: Json) -> bool:
    """Whether applying `want` would change nothing, told without the server; False in doubt."""
    owned = owned_fields(live)
    if owned is None:
        return False
    bare = without_marks(want)
    return _covers(bare, live, owned) and not any(_dropped(owned, want))


def owned_fields(live: Mapping[str, Any]) -> Json | None:
    """The fields that we applied last (FieldsV1); None when the object was never applied by us."""
    for entry in (live.get("metadata") or {}).get("managedFields") or ():
        if (
            entry.get("manager") == FIELD_MANAGER
            and entry.get("operation") == "Apply"
            and not entry.get("subresource")
        ):
            return entry.get("fieldsV1") or {}
    return None


def _covers(want: Any, live: Any, owned: Mapping[str, Any]) -> bool:
    """Whether `live` has all that `want` says; the server and others add what is their own.

    Not where `owned` goes no deeper: such a map or list is one value (`x-kubernetes-map-type`
    atomic), and what we do not say is not in it.
    """
    if isinstance(want, Mapping):
        found = isinstance(live, Mapping) and _covers_map(want, live, owned)
        return found or (not want and live is None)
    if isinstance(want, list | tuple):
        found = isinstance(live, list) and _covers_list(want, live, owned)
        return found or (not want and live is None)
    return type(want) is type(live) and bool(want == live)


def _covers_map(want: Mapping[str, Any], live: Mapping[str, Any], owned: Mapping[str, Any]) -> bool:
    if not owned and want.keys() != live.keys():
        return False
    return all(
        _covers(value, live.get(key), owned.get(f"f:{key}") or {}) for key, value in want.items()
    )


def _covers_list(want: Sequence[Any], live: Sequence[Any], owned: Mapping[str, Any]) -> bool:
    if not any(step.startswith(("k:", "v:")) for step in owned):
        return len(want) == len(live) and all(
            _covers(mine, other, _WHOLE) for mine, other in zip(want, live, strict=True)
        )
    for item in want:
        inner = next((o for step, o in owned.items() if _is_item(step, item)), _WHOLE)
        if not any(_covers(item, other, inner) for other in live):
            return False
    return True


# In a list that is one value nothing tells whose a field is: what the server adds is let pass.
_WHOLE: Mapping[str, Any] = {".": {}}


def _is_item(step: str, item: Any) -> bool:
    kind, _, word = step.partition(":")
    return kind == "k" and _item(json.loads(word), [item]) is not None


def _dropped(owned: Mapping[str, Any], want: Any) -> Iterable[bool]:
    """For each field that we own whether `want` does not have it any more.

    FieldsV1 (structured-merge-diff, fieldpath): `f:` a key, `k:` a list's item by its keys, `v:` a
    value of a set, `.` the place itself.
    """
    for step, inner in owned.items():
        kind, _, word = step.partition(":")
        if kind == "f":
            found = isinstance(want, Mapping) and word in want
            below = want[word] if found else None
        elif kind == "k":
            below = _item(json.loads(word), want)
            found = below is not None
        elif kind == "v":
            below, found = None, isinstance(want, list | tuple) and json.loads(word) in want
        else:
            continue
        yield not found
        if found and inner:
            yield from _dropped(inner, below)


def _item(keys: Mapping[str, Any], items: Any) -> Any:
    """The list's item with these keys. Those that it does not say are the schema's defaults."""
    for item in items if isinstance(items, list | tuple) else ():
        if isinstance(item, Mapping) and all(
            item.get(key, value) == value for key, value in keys.items()
        ):
            return item
    return None
