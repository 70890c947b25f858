"""`x-kubernetes.patch`: what neither Compose nor x-kubernetes has words for. Pure.

By kind, merged into what is rendered as kubectl merges (kubernetes.io, "Update API Objects in
Place Using kubectl patch", strategic merge): mappings by key, a null takes a key away, the items of
the lists that Kubernetes keys go by their key, and other lists are replaced. What makes a release
a release cannot be patched: its images, its names, and the labels by which its objects are known.
"""

from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from typing import Any

from shipit.errors import ConfigurationError, did_you_mean
from shipit.targets.kubernetes import extension, names
from shipit.targets.kubernetes.render.scope import Scope

Json = dict[str, Any]
# The merge keys of core/v1 (patchMergeKey in its types), by the list's own name.
_KEYS = {
    "containers": "name",
    "initContainers": "name",
    "env": "name",
    "volumes": "name",
    "volumeMounts": "mountPath",
    "imagePullSecrets": "name",
    "hostAliases": "ip",
    "topologySpreadConstraints": "topologyKey",
}
_PORTS = {"Service": "port"}  # elsewhere containerPort
_IMAGES = ("containers", "initContainers", "ephemeralContainers")
_FIXED = (
    ("apiVersion",),
    ("kind",),
    ("metadata", "name"),
    ("metadata", "namespace"),
    ("spec", "selector"),
)
_OURS = (names.NAME, names.INSTANCE, names.MANAGED_BY)


def patched(
    scope: Scope, service: str, objects: list[Json], others: tuple[str, ...] = ()
) -> list[Json]:
    """The service's objects with its patches; `others` are kinds that come at another time.

    Raises ConfigurationError, by the key's path.
    """
    patches = scope.said(service).patch
    path = _path(service)
    kinds = [*(str(one["kind"]) for one in objects), *others]
    for kind in patches:
        if kind not in kinds:
            meant = did_you_mean(kind, kinds)
            raise ConfigurationError(
                f"{service} has no {kind}{meant}",
                path=f"{path}.{kind}",
                why=f"it has: {', '.join(dict.fromkeys(kinds))}",
                next_step="a patch is said by kind: `patch: {Deployment: {spec: …}}`",
            )
    return [_patched(one, patches.get(str(one["kind"])), path) for one in objects]


def of_kind(scope: Scope, service: str, one: Json) -> Json:
    """One object by itself, with the patch of its kind."""
    return _patched(one, scope.said(service).patch.get(str(one["kind"])), _path(service))


def _path(service: str) -> str:
    return f"services.{service}.{extension.KEY}.patch"


def _patched(one: Json, patch: Json | None, path: str) -> Json:
    if patch is None:
        return one
    kind = str(one["kind"])
    where = f"{path}.{kind}"
    _refuse(patch, where)
    made: Json = _merged(deepcopy(one), patch, kind, where)
    if list(_images(made)) != list(_images(one)):
        raise ConfigurationError(
            "it would take a container of the release away, or put another one in its place",
            path=where,
            next_step="a container more is a service with `x-kubernetes: {pod: …}`",
        )
    if list(_marks(made)) != list(_marks(one)):
        raise _fixed(where)
    return made


def _refuse(patch: Json, path: str) -> None:
    for steps in _FIXED:
        if _has(patch, steps):
            raise _fixed(f"{path}.{'.'.join(steps)}")
    for where, key, _ in _walk(patch, path):
        if key in _OURS:
            raise _fixed(f"{where}.{key}")
        if key == "image":
            raise ConfigurationError(
                "an image comes from the release, by its digest",
                path=f"{where}.{key}",
                next_step="name it in compose.yaml",
            )


def _fixed(path: str) -> ConfigurationError:
    return ConfigurationError(
        "it is how shipit knows its objects", path=path, next_step="remove it here"
    )


def _has(patch: Any, steps: Iterable[str]) -> bool:
    for step in steps:
        if not isinstance(patch, Mapping) or step not in patch:
            return False
        patch = patch[step]
    return True


def _walk(value: Any, path: str) -> Iterator[tuple[str, str, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield path, str(key), inner
            yield from _walk(inner, f"{path}.{key}")
    elif isinstance(value, list | tuple):
        for n, inner in enumerate(value):
            yield from _walk(inner, f"{path}[{n}]")


def _merged(base: Any, patch: Any, kind: str, path: str, name: str = "") -> Any:
    if isinstance(base, Mapping) and isinstance(patch, Mapping):
        made = dict(base)
        for key, value in patch.items():
            if value is None:
                made.pop(key, None)
            else:
                made[key] = _merged(made.get(key), value, kind, f"{path}.{key}", key)
        return made
    key = _KEYS.get(name) or (_PORTS.get(kind, "containerPort") if name == "ports" else "")
    if key and isinstance(base, list) and isinstance(patch, list):
        return _merged_items(base, patch, key, kind, path)
    return deepcopy(patch)


def _merged_items(base: list[Any], patch: list[Any], key: str, kind: str, path: str) -> list[Any]:
    made = list(base)
    for n, item in enumerate(patch):
        where = f"{path}[{n}]"
        if not isinstance(item, Mapping) or key not in item:
            raise ConfigurationError(f"expected an item with its {key}", path=where)
        places = [i for i, other in enumerate(made) if other.get(key) == item[key]]
        for place in places:
            made[place] = _merged(made[place], item, kind, where)
        if not places:
            made.append(deepcopy(dict(item)))
    return made


def _marks(one: Json) -> Iterator[Any]:
    """What a null at any height would take away: names, selectors, and our labels."""
    metadata = one.get("metadata") or {}
    yield metadata.get("name"), metadata.get("namespace"), (one.get("spec") or {}).get("selector")
    for _, key, held in _walk(one, ""):
        ours = [held[label] for label in _OURS if label in held] if key == "labels" else []
        if ours:
            yield ours


def _images(one: Any) -> Iterator[tuple[str, str]]:
    for _, key, held in _walk(one, ""):
        if key in _IMAGES and isinstance(held, list):
            yield from ((str(c.get("name")), str(c.get("image"))) for c in held)
