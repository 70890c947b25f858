"""Which resource a kind is, and whether its objects have a namespace.

From the table; else from the CustomResourceDefinitions that are deployed beside; else the cluster's
own word, and without that as kubectl guesses.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from shipit.errors import ShipitError
from shipit.targets.kubernetes import rbac, resources
from shipit.targets.kubernetes.client import Cluster
from shipit.targets.kubernetes.resources import Resource

Json = dict[str, Any]
Kind = tuple[str, str]  # group, kind


class Kinds:
    """Of these objects, and of others. With no `cluster` nobody is asked."""

    def __init__(self, cluster: Cluster | None, objects: Iterable[Json]) -> None:
        several = list(objects)
        self.cluster = cluster
        self.defined = dict(_defined(several))
        self._versions = {rbac.group_kind(one): str(one["apiVersion"]) for one in several}
        self._answers: dict[Kind, Resource] = {}

    def resource(self, group: str, kind: str) -> Resource:
        key = (group, kind)
        found = resources.of_kind(group, kind) or self.defined.get(key) or self._answers.get(key)
        if found is None:
            found = self._answers[key] = self._asked(group, kind)
        return found

    def _asked(self, group: str, kind: str) -> Resource:
        try:
            if self.cluster:
                version = self._versions.get((group, kind)) or self.cluster.version_of(group)
                return self.cluster.resource(version, kind)
        except ShipitError:  # that a kind is not there is another look's to say
            pass
        return Resource(resources.plural(kind))


def _defined(objects: Iterable[Json]) -> Iterator[tuple[Kind, Resource]]:
    for one in objects:
        if one["kind"] == "CustomResourceDefinition":
            spec, names = one["spec"], one["spec"]["names"]
            resource = Resource(str(names["plural"]), spec.get("scope") != "Cluster")
            yield (str(spec["group"]), str(names["kind"])), resource
