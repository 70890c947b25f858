"""Which objects are ours, by the ApplySet convention: kubectl and people can tell, too.

github.com/kubernetes/enhancements, KEP-3659: a parent object carries the set's id, the tool that
keeps it and the kinds of its members; every member carries the id. What is not a member is never
pruned. The parent is a ConfigMap: that needs no permission on Secrets.
"""

import base64
import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from shipit import __version__
from shipit.errors import PreconditionError
from shipit.targets.kubernetes import resources

Json = dict[str, Any]

PART_OF = "applyset.kubernetes.io/part-of"
_ID = "applyset.kubernetes.io/id"
_TOOLING = "applyset.kubernetes.io/tooling"
_KINDS = "applyset.kubernetes.io/contains-group-kinds"
_NAMESPACES = "applyset.kubernetes.io/additional-namespaces"
_TOOL = "shipit"
# What is never pruned: claims are data, as volumes are elsewhere, and with a definition every
# object of its kind would go, of other environments as well.
KEPT = frozenset(
    {"PersistentVolumeClaim", "PersistentVolume", "Namespace", "CustomResourceDefinition"}
)


def identity(name: str, namespace: str) -> str:
    """KEP-3659: the hash of `<name>.<namespace>.<kind>.<group>`, by base64 for URLs."""
    digest = hashlib.sha256(f"{name}.{namespace}.ConfigMap.".encode()).digest()
    return f"applyset-{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}-v1"


def joined(one: Json, set_id: str) -> Json:
    """The object as a member of the set."""
    metadata = one["metadata"]
    labels = {**(metadata.get("labels") or {}), PART_OF: set_id}
    return {**one, "metadata": {**metadata, "labels": labels}}


def parent(name: str, namespace: str, kinds: Iterable[str], namespaces: Iterable[str]) -> Json:
    """`kinds` as `Deployment.apps`; `namespaces` are those of members elsewhere."""
    annotations = {
        _TOOLING: f"{_TOOL}/v{__version__}",
        _KINDS: ",".join(sorted(set(kinds))),
        _NAMESPACES: ",".join(sorted(set(namespaces) - {namespace, ""})),
    }
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {_ID: identity(name, namespace), "app.kubernetes.io/managed-by": _TOOL},
            "annotations": {key: value for key, value in annotations.items() if value},
        },
    }


def same(found: Mapping[str, Any] | None, wanted: Json) -> bool:
    """Whether the parent says already what it should: then nothing is sent."""
    metadata = (found or {}).get("metadata") or {}
    return all(
        (metadata.get(part) or {}).get(key) == value
        for part in ("labels", "annotations")
        for key, value in wanted["metadata"][part].items()
        if key != _TOOLING  # a newer version of shipit is no reason to write
    ) and not (_listed(metadata, _NAMESPACES) - _listed(wanted["metadata"], _NAMESPACES))


def kinds_of(found: Mapping[str, Any] | None) -> set[str]:
    """The members' kinds, as a parent names them."""
    return _listed((found or {}).get("metadata") or {}, _KINDS)


def namespaces_of(found: Mapping[str, Any] | None) -> set[str]:
    return _listed((found or {}).get("metadata") or {}, _NAMESPACES)


def refuse_foreign(found: Mapping[str, Any] | None) -> None:
    """Raises PreconditionError for a parent that another tool keeps, or that is none."""
    if found is None:
        return
    metadata = found["metadata"]
    tool = str((metadata.get("annotations") or {}).get(_TOOLING, "")).partition("/")[0]
    if tool == _TOOL and _ID in (metadata.get("labels") or {}):
        return
    raise PreconditionError(
        f"the ConfigMap {metadata['name']} is not shipit's",
        f"{tool} keeps an ApplySet with it" if tool else "it is no parent of an ApplySet",
        "shipit keeps its list of objects in a ConfigMap of that name: rename the other one,"
        " or deploy to another namespace",
    )


def _listed(metadata: Mapping[str, Any], key: str) -> set[str]:
    text = str((metadata.get("annotations") or {}).get(key, ""))
    return {word for word in text.split(",") if word}


def version_kind(group_kind: str) -> tuple[str, str]:
    """(group, kind) of `Deployment.apps`."""
    kind, _, group = group_kind.partition(".")
    return group, kind


def prunable(one: Mapping[str, Any]) -> bool:
    return str(one["kind"]) not in KEPT


def namespaces(objects: Iterable[Mapping[str, Any]]) -> set[str]:
    return {str(one["metadata"].get("namespace", "")) for one in objects}


def kinds(objects: Iterable[Mapping[str, Any]]) -> set[str]:
    return {resources.group_kind(one) for one in objects}
