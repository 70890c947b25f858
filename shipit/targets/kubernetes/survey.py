"""What is in the cluster of an environment: its objects, its pods, and the versions of the lists.

A list for each kind that the ApplySet's parent names, side by side. What may not be read raises;
it never counts as not there (FIELD.md, failure mode 16).
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec

from shipit.errors import RemoteError
from shipit.targets.kubernetes import applyset, names, resources
from shipit.targets.kubernetes.client import Cluster
from shipit.targets.kubernetes.pods import Pod
from shipit.targets.kubernetes.refusals import UnknownKindError

Json = dict[str, Any]
WORKLOADS = ("Deployment.apps", "StatefulSet.apps", "DaemonSet.apps")
_AT_ONCE = 8  # requests


class Seen(msgspec.Struct, frozen=True):
    """`objects` with our label by `resources.key`, pods by uid; `versions` of lists, by kind."""

    parent: Json | None
    objects: dict[str, Json]
    pods: dict[str, Pod]
    versions: dict[str, str]


class Survey(msgspec.Struct, frozen=True):
    """`instance` is the environment's label, and the name of the ApplySet's parent; `force`: what
    other field managers own is taken over."""

    cluster: Cluster
    instance: str
    force: bool = False

    @property
    def selector(self) -> str:
        return f"{names.INSTANCE}={self.instance}"

    @property
    def set_id(self) -> str:
        return applyset.identity(self.instance, self.cluster.namespace)

    def read(self) -> Seen:
        """Raises RemoteError, also when something may not be read."""
        parent = self.parent()
        kinds = sorted(applyset.kinds_of(parent) or WORKLOADS)
        spaces = applyset.namespaces_of(parent)
        objects: dict[str, Json] = {}
        versions: dict[str, str] = {}
        pods: dict[str, Pod] = {}
        tasks: list[Callable[[], None]] = [
            lambda kind=kind: self._members(kind, spaces, objects, versions)  # type: ignore[misc]
            for kind in kinds
        ]
        in_parallel([*tasks, lambda: self._pods(pods, versions)])
        return Seen(parent, objects, pods, versions)

    def parent(self) -> Json | None:
        """None where nothing was deployed. Raises PreconditionError for one that is not ours."""
        found = self.cluster.get("v1", "ConfigMap", self.instance)
        applyset.refuse_foreign(found)
        return found

    def workloads(self, kinds: Iterable[str]) -> tuple[dict[str, Json], dict[str, str]]:
        """Those of the kinds again, by key, and their lists' versions."""
        found: dict[str, Json] = {}
        versions: dict[str, str] = {}
        in_parallel(
            [
                lambda kind=kind: self._members(kind, (), found, versions)  # type: ignore[misc]
                for kind in sorted(set(kinds))
            ]
        )
        return found, versions

    def _members(
        self,
        group_kind: str,
        spaces: Iterable[str],
        objects: dict[str, Json],
        versions: dict[str, str],
    ) -> None:
        group, kind = applyset.version_kind(group_kind)
        try:
            version = self.cluster.version_of(group)
            home = self.cluster.namespace
            for space in (home, *sorted(spaces)):
                for page in self.cluster.pages(
                    version, kind, dict, selector=self.selector, namespace=space
                ):
                    for one in page.items:
                        whole = {"apiVersion": version, "kind": kind, **one}
                        objects[resources.key(whole)] = whole
                    if space == home:
                        versions[group_kind] = page.metadata.resource_version
        except UnknownKindError:
            return  # the kind itself is gone, and with it its objects
        except RemoteError as error:
            if error.status != 404:  # its whole group is
                raise

    def _pods(self, found: dict[str, Pod], versions: dict[str, str]) -> None:
        for page in self.cluster.pages("v1", "Pod", Pod, selector=self.selector):
            found |= {pod.metadata.uid: pod for pod in page.items}
            versions["Pod"] = page.metadata.resource_version


def in_parallel(tasks: Sequence[Callable[[], Any]]) -> list[Any]:
    """The answers, in order. The first error is raised, once all have ended."""
    if len(tasks) == 1:
        return [tasks[0]()]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        futures = [pool.submit(task) for task in tasks]
    return [future.result() for future in futures]
