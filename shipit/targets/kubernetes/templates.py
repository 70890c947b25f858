"""The pod templates of objects: Kubernetes's own, and those that keep theirs in the same place."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from shipit.targets.kubernetes import resources

Json = dict[str, Any]
_PLACES = (("spec", "template", "spec"), ("spec", "jobTemplate", "spec", "template", "spec"))


class Template(NamedTuple):
    """`title` is the object's, `namespace` "" where it does not say; `spec` a PodSpec (core/v1)."""

    title: str
    namespace: str
    spec: Json

    @property
    def containers(self) -> list[Json]:
        """Those with an image, those that come first included."""
        found = (*(self.spec.get("initContainers") or ()), *(self.spec.get("containers") or ()))
        return [one for one in found if one.get("image")]


def templates(objects: Iterable[Json]) -> Iterator[Template]:
    for one in objects:
        places = (("spec",),) if one["kind"] == "Pod" else _PLACES
        for place in places:
            spec = _at(one, place)
            if spec.get("containers"):
                space = str(one["metadata"].get("namespace") or "")
                yield Template(resources.title(one), space, spec)


def _at(one: Json, steps: Iterable[str]) -> Json:
    found: Any = one
    for step in steps:
        found = found.get(step) if isinstance(found, Mapping) else None
    return found if isinstance(found, dict) else {}
