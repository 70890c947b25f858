"""Compose's labels and annotations on what is made. Pure.

A label that Kubernetes can have as one is one, and can be selected by. Docker's labels may be
longer, and any text: those are annotations. The same key is not both.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from shipit.errors import ConfigurationError
from shipit.targets.kubernetes.render.text import plain

Json = dict[str, Any]
# apimachinery, util/validation, IsQualifiedName and IsValidLabelValue.
_KEY = re.compile(
    r"(?:(?=[^/]{1,253}/)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*/)?"
    r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
)
_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?")


def metadata(path: str, definition: Mapping[str, Any], own: Mapping[str, str]) -> Json:
    """Of a pod: `own` labels, and those of the service."""
    made, notes = split(f"{path}.labels", definition.get("labels") or {}, own)
    annotations = definition.get("annotations") or {}
    if isinstance(annotations, list):
        annotations = dict(str(entry).partition("=")[::2] for entry in annotations)
    for key, value in annotations.items():
        _refuse(f"{path}.annotations", key, own)
        notes[key] = plain(value)
    return {"labels": {**made, **own}, **({"annotations": notes} if notes else {})}


def marked(path: str, said: Mapping[str, Any], one: Json) -> Json:
    """An object with `deploy.labels`, or those of a volume."""
    own = one["metadata"]
    made, notes = split(path, said, own["labels"])
    return {
        **one,
        "metadata": {
            **own,
            "labels": {**made, **own["labels"]},
            "annotations": {**notes, **own["annotations"]},
        },
    }


def split(
    path: str, said: Mapping[str, Any], own: Mapping[str, str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Labels and annotations. Raises ConfigurationError for a key that neither can have."""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    for key, value in _pairs(said):
        _refuse(path, key, own)
        (labels if _VALUE.fullmatch(value) else annotations)[key] = value
    return labels, annotations


def _pairs(said: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in said.items():
        yield str(key), "" if value is None else plain(value)


def _refuse(path: str, key: str, own: Mapping[str, str]) -> None:
    if not _KEY.fullmatch(key):
        raise ConfigurationError(
            "no label or annotation of Kubernetes has such a name",
            path=f"{path}.{key}",
            why="that is 63 letters, digits, dots, dashes and underscores, after a domain and /",
        )
    if key in own or key.startswith("shipit.dev/"):
        raise ConfigurationError(
            "it is how shipit knows its objects", path=f"{path}.{key}", next_step="remove it here"
        )
