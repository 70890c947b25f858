"""A node without containers: its pods get the status that a kubelet would report, by script.

Everything goes through the API server: the node registers, watches the pods that the scheduler
gives it, writes their status, and lets go of those that are to be deleted. Its kubelet port
answers for logs (`tests.fakes.cluster.door`).
"""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Self

from tests.fakes.cluster import steps
from tests.fakes.cluster.api import Api, Json, RefusedError
from tests.fakes.cluster.door import Door
from tests.fakes.cluster.flags import LOOPBACK
from tests.fakes.cluster.logs import Logs
from tests.fakes.cluster.plane import Plane
from tests.fakes.cluster.pods import Container, Pod, now, policy
from tests.fakes.cluster.story import Story

_AGAIN = 0.2  # seconds until the API server is asked again
_PASSING = (403, 404, 409, 429, 500, 503)  # 403, 404: the namespace or the pod is going, or gone
_SHARDS = 4  # pods are worked on in parallel, each pod by one thread
_ROOM = {"cpu": "1000", "memory": "2000Gi", "pods": "10000", "ephemeral-storage": "1000Gi"}
_Rule = tuple[Callable[[Json, Json], bool], Story]


class FakeNode:
    """What a container does is the newest rule that fits it; without one, it runs and is ready."""

    def __init__(self, plane: Plane, name: str = "node-1", *, back_off: float = 2.0) -> None:
        """`back_off`: seconds until a container that crashed twice is started again."""
        self.name = name
        self.back_off = back_off
        self.api = Api(plane.server, plane.tls())
        self.logs = Logs()
        self.pulled: list[str] = []  # every image that was asked for, as the pod names it
        self._door = Door(plane, self.logs)
        self._rules: list[_Rule] = []
        self._shards = [_Shard(self) for _ in range(_SHARDS)]
        self._watcher = threading.Thread(target=self._watch, name=f"{name} watches")
        self._over = threading.Event()

    def __enter__(self) -> Self:
        self._door.start()
        self._register()
        for shard in self._shards:
            shard.thread.start()
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.api.delete(f"/api/v1/nodes/{self.name}")
        self.api.interrupt()
        self._watcher.join(30)
        for shard in self._shards:
            shard.inbox.put(None)
            shard.thread.join(30)
        self._door.stop()
        self.api.close()

    def when(
        self,
        does: Story,
        *,
        service: str = "",
        image: str = "",
        command: Sequence[str] = (),
        namespace: str = "",
        container: str = "",
    ) -> None:
        """From now on; the fields that are given have to fit. `command` is command and args."""

        def fits(pod: Json, one: Json) -> bool:
            meta = pod["metadata"]
            asked = {
                service: meta.get("labels", {}).get("app.kubernetes.io/name", ""),
                image: one["image"],
                namespace: meta["namespace"],
                container: one["name"],
            }
            words = (*one.get("command", ()), *one.get("args", ()))
            if command and words[-len(command) :] != tuple(command):
                return False
            return all(found == wanted for wanted, found in asked.items() if wanted)

        self._rules.insert(0, (fits, does))

    def forget(self) -> None:
        """All rules."""
        self._rules.clear()

    def story(self, pod: Json, container: Json) -> Story:
        return next((does for fits, does in self._rules if fits(pod, container)), Story())

    def pod(self, found: Json) -> Pod:
        """As the node takes it in."""
        spec = found["spec"]
        init, main = (
            [
                Container(one, self.story(found, one), **policy(spec, one))
                for one in spec.get(key, ())
            ]
            for key in ("initContainers", "containers")
        )
        for one in init:  # the pod's own `Always` does not start an init container again
            one.on_failure = one.on_failure or (one.always and "restartPolicy" not in one.spec)
            one.always = "restartPolicy" in one.spec
            if not one.always and one.story.exit_code is None:
                one.story = Story(exit_code=0, logs=one.story.logs)
        number = abs(hash(found["metadata"]["uid"])) % 60_000
        return Pod(found, init, main, f"10.244.{number // 250}.{number % 250 + 2}")

    def tell(self, pod: Pod, kind: str, reason: str, message: str) -> None:
        """An event about the pod, as the kubelet records it."""
        meta = pod.spec["metadata"]
        about = {"kind": "Pod", "apiVersion": "v1"} | {
            key: meta[key] for key in ("name", "namespace", "uid")
        }
        at = now()
        body = {
            "metadata": {"generateName": f"{meta['name']}."},
            "involvedObject": about,
            "type": kind,
            "reason": reason,
            "message": message,
            "source": {"component": "kubelet", "host": self.name},
            "firstTimestamp": at,
            "lastTimestamp": at,
            "count": 1,
        }
        self.api.post(f"/api/v1/namespaces/{meta['namespace']}/events", body)

    def _register(self) -> None:
        labels = {
            "kubernetes.io/hostname": self.name,
            "kubernetes.io/os": "linux",
            "kubernetes.io/arch": "amd64",
        }
        node = {
            "kind": "Node",
            "apiVersion": "v1",
            "metadata": {"name": self.name, "labels": labels},
        }
        self.api.post("/api/v1/nodes", node)
        status = {
            "capacity": _ROOM,
            "allocatable": _ROOM,
            "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}],
            "addresses": [
                {"type": "InternalIP", "address": LOOPBACK},
                {"type": "Hostname", "address": self.name},
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": self._door.port}},
            "nodeInfo": _INFO,
        }
        self.api.patch(f"/api/v1/nodes/{self.name}/status", {"status": status})

    def _watch(self) -> None:
        """Begins again with everything whenever the API server goes away or ends the watch."""
        mine = f"spec.nodeName={self.name}"
        while not self._over.is_set():
            try:
                for event in self.api.watch("/api/v1/pods", fieldSelector=mine):
                    self._hand_on(event)
            except (OSError, HTTPException, RefusedError, ValueError):
                self._over.wait(_AGAIN)

    def _hand_on(self, event: Json) -> None:
        pod = event["object"]
        if event["type"] in ("ADDED", "MODIFIED", "DELETED"):
            shard = self._shards[hash(pod["metadata"]["uid"]) % _SHARDS]
            shard.inbox.put((event["type"], pod))


@dataclass
class _Shard:
    """The pods of one thread. `due`: when a pod's next step is to be made (time.monotonic)."""

    node: FakeNode
    inbox: "queue.SimpleQueue[tuple[str, Json] | None]" = field(default_factory=queue.SimpleQueue)
    pods: dict[str, Pod] = field(default_factory=dict)
    due: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self._work, name=f"{self.node.name} works")

    def _work(self) -> None:
        while True:
            try:
                event = self.inbox.get(timeout=self._patience())
            except queue.Empty:
                self._step()
                continue
            if event is None:
                return
            self._heed(*event)
            self._step()

    def _patience(self) -> float | None:
        return max(0.0, min(self.due.values()) - time.monotonic()) if self.due else None

    def _heed(self, kind: str, found: Json) -> None:
        meta = found["metadata"]
        uid = str(meta["uid"])
        if kind == "DELETED":
            self._drop(uid)
        elif uid in self.pods:
            self.pods[uid].spec = found
            if meta.get("deletionTimestamp") and not self.pods[uid].released:
                self.due[uid] = time.monotonic()
        elif found.get("status", {}).get("phase") not in ("Succeeded", "Failed"):
            self.pods[uid] = self.node.pod(found)
            self.due[uid] = time.monotonic()

    def _drop(self, uid: str) -> None:
        self.due.pop(uid, None)
        pod = self.pods.pop(uid, None)
        if pod:
            self.node.logs.end(pod.path)

    def _step(self) -> None:
        for uid in [uid for uid, at in self.due.items() if at <= time.monotonic()]:
            del self.due[uid]
            try:
                after = steps.step(self.node, self.pods[uid])
            except RefusedError as refused:
                if refused.status not in _PASSING:
                    raise  # the fake wrote what no kubelet would: the test has to fail
                after = None if refused.status == 404 else _AGAIN
            except (OSError, HTTPException):
                after = _AGAIN
            if after is not None:
                self.due[uid] = time.monotonic() + after


_INFO = dict.fromkeys(("machineID", "systemUUID", "bootID", "kernelVersion", "osImage"), "test") | {
    "containerRuntimeVersion": "containerd://2.1.0",
    "kubeletVersion": "v1.36.3",
    "kubeProxyVersion": "",
    "operatingSystem": "linux",
    "architecture": "amd64",
}
