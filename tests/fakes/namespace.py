"""One namespace of an API server in memory, over real HTTP: objects, watches, logs.

with Namespace() as namespace:
    namespace.put(pod("web-1"))                 # watchers are told
    namespace.write("web-1", "web", "hello")    # so are those who follow its log
    namespace.cluster()                         # a client of it

No field owners and no defaults: that is what the real control plane is for.
"""

import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from shipit.targets.kubernetes.client import Cluster
from shipit.targets.kubernetes.reach.access import Access

Json = dict[str, Any]
NAME = "shop"
_BEGAN = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)


class Namespace:
    """`requests` are "METHOD path?query" of what was asked, from the collection on, and
    "FOLLOWS pod: n" when a log that is followed was sent so far;
    `refusals` answer a request that contains their key; `created` is called with each new object.
    """

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Json]] = {}  # by collection (`pods`), by name
        self.requests: list[str] = []
        self.refusals: dict[str, tuple[int, str]] = {}
        self.answers: dict[str, Json] = {}  # to a POST of a review, by its collection
        self.pages: dict[str, Json] = {}  # to a GET of just this path
        self.created: Callable[[str, Json], None] = lambda *_: None
        self.changed = threading.Condition()
        self._log: dict[tuple[str, str], list[tuple[str, str]]] = {}
        self._ended: set[tuple[str, str]] = set()
        self._events: list[tuple[int, str, str, Json]] = []
        self._version = 1
        self._cut = 0
        self._lines = 0
        self._server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), type("Handler", (_Handler,), {"namespace": self})
        )

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()
        self._server.shutdown()
        self._server.server_close()

    def cluster(self) -> Cluster:
        address = f"http://127.0.0.1:{self._server.server_port}"
        return Cluster(Access(server=address, name="the cluster"), NAME)

    # What happens there

    def put(self, one: Json, collection: str = "pods") -> Json:
        with self.changed:
            self._version += 1
            name = one["metadata"]["name"]
            held = self.objects.setdefault(collection, {})
            metadata = {"uid": f"uid-{name}", "namespace": NAME, **one["metadata"]}
            whole = {**one, "metadata": {**metadata, "resourceVersion": str(self._version)}}
            kind = "MODIFIED" if name in held else "ADDED"
            held[name] = whole
            self._events.append((self._version, kind, collection, whole))
            self.changed.notify_all()
            return whole

    def remove(self, name: str, collection: str = "pods") -> None:
        with self.changed:
            self._version += 1
            gone = self.objects.get(collection, {}).pop(name)
            self._events.append((self._version, "DELETED", collection, gone))
            self.changed.notify_all()

    def write(self, pod: str, container: str, *lines: str) -> None:
        with self.changed:
            for line in lines:
                self._lines += 1
                at = _BEGAN + timedelta(milliseconds=self._lines)
                stamp = at.strftime("%Y-%m-%dT%H:%M:%S.%f") + "000Z"
                self._log.setdefault((pod, container), []).append((stamp, line))
            self.changed.notify_all()

    def end_log(self, pod: str, container: str) -> None:
        """Its container has ended."""
        with self.changed:
            self._ended.add((pod, container))
            self.changed.notify_all()

    def cut(self) -> None:
        """Every connection that goes on breaks."""
        with self.changed:
            self._cut += 1
            self.changed.notify_all()

    def wait(self, request: str, times: int = 1) -> None:
        """Until it was asked so often, by a part of it."""
        until = time.monotonic() + 10
        with self.changed:
            while sum(request in asked for asked in self.requests) < times:
                assert self.changed.wait(until - time.monotonic()), self.requests

    # What is answered

    def listed(self, collection: str, query: Mapping[str, str]) -> Json:
        with self.changed:
            held = self.objects.get(collection, {}).values()
            items = [one for one in held if _matches(one, query)]
            return {"metadata": {"resourceVersion": str(self._version)}, "items": items}

    def watched(self, collection: str, query: Mapping[str, str]) -> Iterator[Json]:
        since = int(query.get("resourceVersion", "0"))
        with self.changed:
            cut, told = self._cut, 0
            while cut == self._cut:
                for version, kind, where, one in self._events[told:]:
                    if version > since and where == collection and _matches(one, query):
                        yield {"type": kind, "object": one}
                told = len(self._events)
                self.changed.wait(10)

    def lines(self, pod: str, container: str, query: dict[str, str]) -> Iterator[str]:
        since = query.get("sinceTime", "")[:19]
        with self.changed:
            cut = self._cut
            held = self._log.setdefault((pod, container), [])
            told = max(len(held) - int(query.get("tailLines", len(held))), 0)
            while cut == self._cut:
                for stamp, line in held[told:]:
                    if stamp[:19] >= since:
                        yield f"{stamp} {line}\n"
                told = len(held)
                if query.get("follow") != "true" or (pod, container) in self._ended:
                    return
                self.requests.append(f"FOLLOWS {pod}: {told}")
                self.changed.notify_all()
                self.changed.wait(10)


def _matches(one: Json, query: Mapping[str, str]) -> bool:
    """Label selectors of equality and absence; of fields, the name."""
    name = query.get("fieldSelector", "").partition("metadata.name=")[2]
    if name and name != one["metadata"]["name"]:
        return False
    labels = one["metadata"].get("labels") or {}
    parts = [part for part in query.get("labelSelector", "").split(",") if part]
    pairs = [part.partition("=") for part in parts if not part.startswith("!")]
    return all(labels.get(key) == value for key, _, value in pairs) and not any(
        part[1:] in labels for part in parts if part.startswith("!")
    )


def merged(old: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    result = dict(old) if isinstance(old, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def pod(name: str, service: str = "web", **more: Any) -> Json:
    """One that runs and is ready, with one container that is named as its service."""
    container = more.pop("container", {})
    return {
        "metadata": {
            "name": name,
            "labels": {"shipit.dev/service": service, **more.pop("labels", {})},
        },
        "spec": {"containers": [{"name": service, "image": f"r/{service}@sha256:{'a' * 64}"}]},
        "status": {
            "phase": "Running",
            "containerStatuses": [
                {
                    "name": service,
                    "ready": True,
                    "started": True,
                    "restartCount": 0,
                    "imageID": f"r/{service}@sha256:{'a' * 64}",
                    "state": {"running": {"startedAt": "2026-11-24T10:00:00Z"}},
                    **container,
                }
            ],
            **more.pop("status", {}),
        },
    }


class _Handler(http.server.BaseHTTPRequestHandler):
    namespace: Namespace
    protocol_version = "HTTP/1.1"
    asked = ""

    def do_GET(self) -> None:
        collection, rest, query = self._asked()
        if self._refused():
            return
        if self.path in self.namespace.pages:
            self._answer(200, self.namespace.pages[self.path])
        elif rest[1:] == ["log"]:
            pieces = self.namespace.lines(rest[0], query["container"], query)
            self._stream(piece.encode() for piece in pieces)
        elif rest:
            self._answer_one(collection, rest[0])
        elif query.get("watch"):
            found = self.namespace.watched(collection, query)
            self._stream(json.dumps(event).encode() + b"\n" for event in found)
        else:
            self._answer(200, self.namespace.listed(collection, query))

    def do_POST(self) -> None:
        collection, _, _ = self._asked()
        body = self._body()
        if self._refused():
            return
        if collection in self.namespace.answers:
            self._answer(201, {**body, **self.namespace.answers[collection]})
        elif body["metadata"]["name"] in self.namespace.objects.get(collection, {}):
            self._answer(409, {"reason": "AlreadyExists", "message": "already exists"})
        else:
            made = self.namespace.put(body, collection)
            self.namespace.created(collection, made)
            self._answer(201, made)

    def do_PATCH(self) -> None:
        collection, rest, _ = self._asked()
        body = self._body()
        held = self.namespace.objects.get(collection, {}).get(rest[0])
        version = (body.get("metadata") or {}).pop("resourceVersion", None)
        if self._refused():
            return
        if held is None and not self.headers["Content-Type"].startswith("application/apply"):
            self._answer(404, {"message": "not found"})
        elif version and held and version != held["metadata"]["resourceVersion"]:
            self._answer(409, {"reason": "Conflict", "message": "it has been modified"})
        else:
            self._answer(200, self.namespace.put(merged(held or {}, body), collection))

    def do_DELETE(self) -> None:
        collection, rest, _ = self._asked()
        self._body()
        if self._refused():
            return
        if rest[0] in self.namespace.objects.get(collection, {}):
            self.namespace.remove(rest[0], collection)
            self._answer(200, {"status": "Success"})
        else:
            self._answer(404, {"message": "not found"})

    def _asked(self) -> tuple[str, list[str], dict[str, str]]:
        """The collection, what follows it, and the query."""
        address = urlsplit(self.path)
        parts = address.path.strip("/").split("/")
        parts = parts[3 if parts[0] == "apis" else 2 :]
        if parts[:1] == ["namespaces"] and len(parts) > 2:
            parts = parts[2:]
        with self.namespace.changed:
            query = f"?{address.query}" if address.query else ""
            self.asked = f"{self.command} {'/'.join(parts)}{query}"
            self.namespace.requests.append(self.asked)
            self.namespace.changed.notify_all()
        return parts[0] if parts else "", parts[1:], dict(parse_qsl(address.query))

    def _body(self) -> Json:
        body: Json = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        return body

    def _refused(self) -> bool:
        for key, (status, message) in self.namespace.refusals.items():
            if key in self.asked:
                self._answer(status, {"message": message, "code": status})
                return True
        return False

    def _answer_one(self, collection: str, name: str) -> None:
        found = self.namespace.objects.get(collection, {}).get(name)
        self._answer(200, found) if found else self._answer(404, {"message": "not found"})

    def _answer(self, status: int, value: Json) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, pieces: Iterator[bytes]) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.close_connection = True
        try:
            for piece in pieces:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            return

    def log_message(self, *args: Any) -> None:
        pass
