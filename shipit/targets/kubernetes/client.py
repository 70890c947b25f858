"""One namespace of one cluster: objects of any kind as plain dicts, by the API server's REST API.

Server-side apply, lists in pages, watches and logs. Errors are shipit's own: see
`refusals.py`; how long a request is tried again: see `connection.py`.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from threading import Lock
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec

from shipit.errors import RemoteError
from shipit.targets.kubernetes import paging, resources
from shipit.targets.kubernetes.connection import Call, Connection, Stream, query_of
from shipit.targets.kubernetes.paging import Page
from shipit.targets.kubernetes.reach.access import Access
from shipit.targets.kubernetes.refusals import UnknownKindError, decoded
from shipit.targets.kubernetes.resources import Resource
from shipit.targets.kubernetes.watching import Change, Watch

Json = dict[str, Any]
T = TypeVar("T")

FIELD_MANAGER = "shipit"
_OBJECT = msgspec.json.Decoder(dict[str, Any])
_APPLY = "application/apply-patch+yaml"  # JSON is YAML
_MERGE = "application/merge-patch+json"
_LOG_SILENCE = 3600.0  # seconds in which a container may write nothing


class Cluster:
    """Threads may share it. `namespace` is where objects are that do not say."""

    def __init__(
        self,
        access: Access,
        namespace: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.access, self.namespace = access, namespace
        self.connection = Connection(access, clock=clock, pause=pause)
        self._resources: dict[tuple[str, str], Resource] = {}
        self._lock = Lock()

    def close(self) -> None:
        self.connection.close()

    def get(self, api_version: str, kind: str, name: str, *, namespace: str = "") -> Json | None:
        """None when there is none. Raises RemoteError, also when it may not be read."""
        try:
            path = self.path(api_version, kind, name, namespace=namespace)
            return self._ask(Call("GET", path))
        except RemoteError as error:
            if error.status == 404:
                return None
            raise

    def list(
        self,
        api_version: str,
        kind: str,
        *,
        selector: str = "",
        fields: str = "",
        namespace: str = "",
    ) -> list[Json]:
        """All objects of a kind that match a label and a field selector, each with its kind."""
        found = []
        for page in self.pages(
            api_version, kind, dict, selector=selector, fields=fields, namespace=namespace
        ):
            found += [{"apiVersion": api_version, "kind": kind, **one} for one in page.items]
        return found

    def pages(
        self,
        api_version: str,
        kind: str,
        of: type[T],
        *,
        selector: str = "",
        fields: str = "",
        namespace: str = "",
    ) -> Sequence[Page[T]]:
        """As `of`: a Struct of the fields that are needed keeps no others. All of one moment."""
        found = paging.pages(
            self.connection,
            self.path(api_version, kind, namespace=namespace),
            query_of({"labelSelector": selector, "fieldSelector": fields}),
            msgspec.json.Decoder(Page[of]),  # type: ignore[valid-type]
            lambda *_: None,
        )
        return [page for page, _ in found]

    def remove(self, one: Json) -> None:
        """This very object, and no other of its name; gone already is as good."""
        metadata = one["metadata"]
        self.delete(
            one["apiVersion"],
            one["kind"],
            metadata["name"],
            uid=str(metadata.get("uid", "")),
            namespace=str(metadata.get("namespace", "")),
        )

    def watch(
        self,
        api_version: str,
        kind: str,
        *,
        selector: str = "",
        fields: str = "",
        namespace: str = "",
    ) -> Iterator[tuple[str, Json]]:
        """(ADDED, MODIFIED or DELETED, object), what there is first, without an end.

        Connections that end are taken up again. Raises RemoteError when the server stays away.
        """
        watch = self.watcher(
            api_version, kind, dict, selector=selector, fields=fields, namespace=namespace
        )
        for change in watch.changes():
            if change.object is not None:
                yield change.type, {"apiVersion": api_version, "kind": kind, **change.object}

    def watcher(
        self,
        api_version: str,
        kind: str,
        of: type[T],
        *,
        selector: str = "",
        fields: str = "",
        namespace: str = "",
        since: str = "",
        known: Mapping[str, T] | None = None,
    ) -> Watch[T]:
        """A watch that can be closed; see `Watch` for `since` and `known`."""
        return Watch(
            self.connection,
            self.path(api_version, kind, namespace=namespace),
            of,
            query_of({"labelSelector": selector, "fieldSelector": fields}),
            since=since,
            known=known,
        )

    def apply(
        self,
        one: Json,
        *,
        dry_run: bool = False,
        force: bool = False,
        heard: Callable[[Sequence[str]], None] = lambda _: None,
    ) -> Json:
        """Server-side apply; what the object is (or would be) then. `heard` is told of warnings.

        Raises FieldConflictError for fields that somebody else owns, unless it is forced.
        """
        asked = {"fieldManager": FIELD_MANAGER, "dryRun": "All" if dry_run else ""}
        asked["force"] = "true" if force else ""
        path, body = self._path_of(one), _encoded(one)
        return self._ask(Call("PATCH", path, query_of(asked), body, _APPLY, heard=heard))

    def create(self, one: Json) -> Json:
        """Raises RemoteError with status 409 when it is there already."""
        home = self.path(
            one["apiVersion"], one["kind"], namespace=one["metadata"].get("namespace", "")
        )
        asked = query_of({"fieldManager": FIELD_MANAGER})
        return self._ask(Call("POST", home, asked, _encoded(one)))

    def patch(
        self, api_version: str, kind: str, name: str, body: Json, *, namespace: str = ""
    ) -> Json:
        """A merge patch. With a resourceVersion in it, refused (409) when that is not current."""
        path = self.path(api_version, kind, name, namespace=namespace)
        asked = query_of({"fieldManager": FIELD_MANAGER})
        return self._ask(Call("PATCH", path, asked, _encoded(body), _MERGE))

    def delete(
        self,
        api_version: str,
        kind: str,
        name: str,
        *,
        uid: str = "",
        namespace: str = "",
        propagation: str = "Background",
    ) -> bool:
        """False when it was gone already; with `uid`, that very object or none."""
        options: Json = {"propagationPolicy": propagation}
        if uid:
            options["preconditions"] = {"uid": uid}
        path = self.path(api_version, kind, name, namespace=namespace)
        try:
            self.connection.ask(Call("DELETE", path, body=_encoded(options)))
        except RemoteError as error:
            if error.status == 404 or (uid and error.status == 409):
                return False
            raise
        return True

    def logs(self, pod: str, query: Sequence[tuple[str, str]], *, follow: bool = False) -> Stream:
        """A container's log (`pods/log`'s query: container, tailLines, previous, timestamps, …)."""
        asked = [*query, *([("follow", "true")] if follow else [])]
        silence = _LOG_SILENCE if follow else Call("", "").silence
        path = f"{self.path('v1', 'Pod', pod)}/log"
        return self.connection.open(Call("GET", path, asked, silence=silence, patient=False))

    def raw(self, method: str, path: str, body: Json | None = None) -> Json:
        """Any other question: reviews, versions."""
        content = None if body is None else _encoded(body)
        return self._ask(Call(method, path, body=content))

    def path(self, api_version: str, kind: str, name: str = "", *, namespace: str = "") -> str:
        resource = self.resource(api_version, kind)
        return resources.path(api_version, resource, namespace or self.namespace, name)

    def resource(self, api_version: str, kind: str) -> Resource:
        """Raises UnknownKindError for a kind that the cluster does not have."""
        found = resources.known(api_version, kind)
        if found:
            return found
        with self._lock:
            found = self._resources.get((api_version, kind)) or self._discover(api_version, kind)
            self._resources[api_version, kind] = found
        return found

    def version_of(self, group: str) -> str:
        """The version in which the cluster speaks a group by preference."""
        known = resources.version_of(group)
        if known:
            return known
        answer = self.raw("GET", f"/apis/{quote(group, safe='')}")
        return str(answer["preferredVersion"]["groupVersion"])

    def _ask(self, call: Call) -> Json:
        return decoded(self.connection.ask(call), _OBJECT, call.title)

    def _discover(self, api_version: str, kind: str) -> Resource:
        try:
            answer = self.raw("GET", resources.root(api_version))
        except RemoteError as error:
            if error.status != 404:
                raise
            answer = {}
        found = resources.discovered(answer, kind)
        if found is None:
            raise UnknownKindError(
                f"the cluster has no kind {kind} in {api_version}",
                "its CustomResourceDefinition is not installed, or it is of another version",
                "install it, or write the version that `kubectl api-resources` shows",
            )
        return found

    def _path_of(self, one: Json) -> str:
        metadata = one["metadata"]
        return self.path(
            one["apiVersion"],
            one["kind"],
            metadata["name"],
            namespace=metadata.get("namespace", ""),
        )


def _encoded(body: Json) -> bytes:
    return msgspec.json.encode(body)


__all__ = ["FIELD_MANAGER", "Change", "Cluster", "Page", "Watch"]
