"""A pod's status as the kubelet reports it, and where its containers are in their stories."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.fakes.cluster.api import Json
from tests.fakes.cluster.story import Story

_PROBES = ("readinessProbe", "startupProbe")


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Container:
    """One container of a pod: where it is in its story. `spec` is the pod's own word for it."""

    spec: Json
    story: Story
    always: bool  # started again whatever it ended with
    on_failure: bool
    state: Json = field(default_factory=lambda: {"waiting": {"reason": "ContainerCreating"}})
    last: Json = field(default_factory=dict)
    restarts: int = 0
    runs: bool = False
    ready: bool = False
    ended: int | None = None  # for good, with this code
    until: float = 0.0  # time.monotonic() before which nothing happens to it
    told: bool = False  # its trouble has been recorded as an event
    began: str = ""

    @property
    def name(self) -> str:
        return str(self.spec["name"])

    @property
    def probed(self) -> bool:
        return any(probe in self.spec for probe in _PROBES)

    def wait(self, reason: str, message: str) -> None:
        self.state = {"waiting": {"reason": reason, "message": message}}

    def run(self) -> None:
        self.runs = True
        self.began = now()
        self.state = {"running": {"startedAt": self.began}}

    def end(self, code: int) -> None:
        """What becomes of it then is the node's to say: started again, or over."""
        reason = "OOMKilled" if self.story.oom else "Error" if code else "Completed"
        told = {"exitCode": code, "reason": reason, "startedAt": self.began, "finishedAt": now()}
        self.runs = self.ready = False
        self.last = self.state = {"terminated": told | {"containerID": self._id()}}
        if not (self.always or (self.on_failure and code)):
            self.ended = code

    def status(self) -> Json:
        image = str(self.spec["image"])
        started = self.runs or self.ended is not None or self.restarts > 0
        made: Json = {
            "name": self.name,
            "image": image,
            "imageID": self._image_id(image) if started else "",
            "ready": self.ready,
            "started": self.runs,
            "restartCount": self.restarts,
            "state": self.state,
            "lastState": self.last if self.last != self.state else {},
        }
        return made | ({"containerID": self._id()} if started else {})

    def _id(self) -> str:
        return f"containerd://{abs(hash(self.name)):064x}"[:77]

    def _image_id(self, image: str) -> str:
        """containerd names an image by the repository and digest that it was pulled by."""
        repository, _, digest = image.partition("@")
        return f"{repository}@{self.story.digest or digest or 'sha256:' + '0' * 64}"


@dataclass
class Pod:
    """A pod on the node: its init containers, then its containers."""

    spec: Json  # the whole object, as it was last read
    init: list[Container]
    main: list[Container]
    ip: str
    written: bool = False  # the API server has its status
    released: bool = False  # its containers are over, and it may be deleted
    began: str = field(default_factory=now)
    _since: dict[str, tuple[bool, str]] = field(default_factory=dict)

    @property
    def path(self) -> str:
        meta = self.spec["metadata"]
        return f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}"

    @property
    def ready(self) -> bool:
        return self.initialized and all(one.ready for one in self.main)

    @property
    def initialized(self) -> bool:
        return all(one.ended == 0 or (one.always and one.ready) for one in self.init)

    def phase(self) -> str:
        """Pod Lifecycle, "Pod phase": how its containers ended, once all have."""
        ended = [one.ended for one in self.main if one.ended is not None]
        if any(one.ended for one in self.init):
            return "Failed"
        if len(ended) == len(self.main):
            return "Failed" if any(ended) else "Succeeded"
        alive = any(one.runs or one.restarts or one.ended is not None for one in self.main)
        return "Running" if alive else "Pending"

    def status(self) -> Json:
        phase = self.phase()
        not_ready = "PodCompleted" if phase == "Succeeded" else "ContainersNotReady"
        conditions = [
            self._condition("PodReadyToStartContainers", True),
            self._condition("Initialized", self.initialized, "ContainersNotInitialized"),
            self._condition("ContainersReady", self.ready, not_ready),
            self._condition("Ready", self.ready, not_ready),
        ]
        return {
            "phase": phase,
            "conditions": conditions,
            "startTime": self.began,
            "hostIP": "127.0.0.1",
            "hostIPs": [{"ip": "127.0.0.1"}],
            "podIP": self.ip,
            "podIPs": [{"ip": self.ip}],
            "observedGeneration": self.spec["metadata"].get("generation", 1),
            "initContainerStatuses": [one.status() for one in self.init],
            "containerStatuses": [one.status() for one in self.main],
        }

    def _condition(self, kind: str, holds: bool, reason: str = "") -> Json:
        """Its time is that of the last change, which is what minReadySeconds counts from."""
        held, since = self._since.get(kind, (not holds, ""))
        if held != holds:
            since = now()
            self._since[kind] = holds, since
        return {
            "type": kind,
            "status": "True" if holds else "False",
            "lastTransitionTime": since,
            "reason": None if holds else reason,
        }


def policy(spec: Json, container: Json) -> dict[str, Any]:
    """Whether a container is started again: its own policy (a sidecar's), or else the pod's."""
    word = container.get("restartPolicy") or spec.get("restartPolicy", "Always")
    return {"always": word == "Always", "on_failure": word == "OnFailure"}
