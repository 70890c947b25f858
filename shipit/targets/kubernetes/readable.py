"""Objects as flat paths, so that a change reads as lines. Pure.

`spec.template.spec.containers.web.image: …`: items of lists go by their name, port or path.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from shipit.targets.kubernetes import names
from shipit.targets.kubernetes.compare import without_marks

Json = dict[str, Any]
Flat = dict[str, str]

HIDDEN = "(value not shown)"
_LONGEST = 200  # characters of a value
# What a list's items are called by, the first that they have (API reference, list map keys).
_KEYS = ("name", "containerPort", "port", "mountPath", "key", "ip", "topologyKey", "host", "path")
# The server's own, of every object.
_BOOKKEEPING = (
    *("managedFields", "resourceVersion", "uid", "generation", "creationTimestamp"),
    *("selfLink", "deletionTimestamp", "deletionGracePeriodSeconds"),
)
_COUNTED = "deployment.kubernetes.io/revision"


def flat(one: Json) -> Flat:
    """Without status and bookkeeping. Values of Secrets and of variables are hidden, and differ
    by nothing but `hidden` values' own difference (see `difference`)."""
    bare = without_marks(one)
    body = {k: v for k, v in bare.items() if k not in ("apiVersion", "kind", "status")}
    metadata = {k: v for k, v in body.get("metadata", {}).items() if k not in _BOOKKEEPING}
    annotations = dict(metadata.pop("annotations", None) or {})
    annotations.pop(_COUNTED, None)
    labels = {k: v for k, v in (metadata.pop("labels", None) or {}).items() if not _is_ours(k)}
    for word in ("name", "namespace"):
        metadata.pop(word, None)
    return _flat(
        {**body, "metadata": metadata | {"annotations": annotations, "labels": labels}}, ""
    )


def difference(before: Json | None, after: Json | None) -> tuple[str, ...]:
    """Lines that start with - and +, each with its object: `+ Service web: spec.ports.80.port: 80`.

    None for what is not there. What may be a secret is not shown: only that it changes.
    """
    some = after or before or {}
    title = f"{some['kind']} {some['metadata']['name']}"
    old, new = flat(before) if before else {}, flat(after) if after else {}
    lines: list[str] = []
    for path in sorted(old.keys() | new.keys()):
        if old.get(path) == new.get(path):
            continue
        hidden = is_secret(some, path)
        lines += [f"- {title}: {path}: {_shown(old[path], hidden=hidden)}"] if path in old else []
        lines += [f"+ {title}: {path}: {_shown(new[path], hidden=hidden)}"] if path in new else []
    return tuple(lines)


def narrowed(live: Json, like: Json) -> Json:
    """What of `live` is about fields that `like` says: the rest is the server's, or others'."""
    kept = _narrowed(live, like)
    return kept if isinstance(kept, dict) else {}


def is_secret(one: Mapping[str, Any], path: str) -> bool:
    if one["kind"] == "Secret":
        return path.startswith(("data.", "stringData."))
    return ".env." in path or path.endswith("last-applied-configuration")


def _is_ours(label: str) -> bool:
    return label.startswith("applyset.kubernetes.io/")


def _narrowed(live: Any, like: Any) -> Any:
    if isinstance(live, Mapping) and isinstance(like, Mapping):
        return {key: _narrowed(live[key], value) for key, value in like.items() if key in live}
    if isinstance(live, list) and isinstance(like, list | tuple):
        if not all(isinstance(item, Mapping) for item in (*live, *like)):
            return live
        return [
            _narrowed(item, _twin(item, like)) for item in live if _twin(item, like) is not None
        ]
    return live


def _twin(item: Mapping[str, Any], among: Iterable[Any]) -> Any:
    key = _key(item)
    return next((other for other in among if _key(other) == key), None)


def _key(item: Mapping[str, Any]) -> tuple[str, str]:
    word = next((k for k in _KEYS if item.get(k) not in (None, "")), "")
    return word, str(item.get(word, ""))


def _flat(value: Any, path: str) -> Flat:
    if isinstance(value, Mapping):
        found: Flat = {}
        for key, inner in value.items():
            found |= _flat(inner, f"{path}.{key}" if path else str(key))
        return found
    if isinstance(value, list | tuple):
        return _list(value, path)
    if value is None:
        return {}
    return {path: _word(value)}


def _list(items: Sequence[Any], path: str) -> Flat:
    if not items:
        return {}
    if not all(isinstance(item, Mapping) for item in items):
        return {path: " ".join(_quoted(item) for item in items)}
    found: Flat = {}
    for n, item in enumerate(items):
        word, called = _key(item)
        name = called or str(n)
        if set(item) == {"name", "value"}:  # a variable
            found[f"{path}.{name}"] = _word(item["value"])
        else:
            inner = {key: inner for key, inner in item.items() if key != "name" or word != "name"}
            found |= _flat(inner, f"{path}.{name}") or {f"{path}.{name}": "{}"}
    return found


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _quoted(value: Any) -> str:
    text = _word(value)
    return repr(text) if not text or any(c.isspace() for c in text) else text


def _shown(value: str, *, hidden: bool) -> str:
    if hidden:
        return HIDDEN
    line = value if "\n" not in value else repr(value)
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"


def release_of(one: Mapping[str, Any]) -> str:
    """The release that an object was applied with last."""
    annotations = (one.get("metadata") or {}).get("annotations") or {}
    return str(annotations.get(names.RELEASE, ""))
