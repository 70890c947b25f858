"""Pods and ReplicaSets in the few fields that a rollout is judged by, and what pods say. Pure.

kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1. A list of 2,000 pods is 12 MB
of JSON, and a tenth of that here.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime

import msgspec

from shipit.model.digest import Digest
from shipit.targets.kubernetes import names

HASH = "pod-template-hash"
REVISION = "controller-revision-hash"
ARGO_HASH = "rollouts-pod-template-hash"
OF_JOB = "batch.kubernetes.io/job-name"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}$")


class _Fields(msgspec.Struct, frozen=True, rename="camel"):
    pass


class Owner(_Fields, frozen=True, rename="camel"):
    kind: str = ""
    name: str = ""
    uid: str = ""


class ObjectMeta(_Fields, frozen=True, rename="camel"):
    name: str = ""
    uid: str = ""
    labels: dict[str, str] = {}
    owner_references: tuple[Owner, ...] = ()
    creation_timestamp: datetime | None = None
    deletion_timestamp: str = ""


class Notes(msgspec.Struct, frozen=True):
    """The annotations that say whose it is: ours, kubectl's (kubernetes.io, "Well-Known Labels,
    Annotations and Taints") and Flagger's (flagger, pkg/canary/util.go, makeAnnotations)."""

    services: str = msgspec.field(default="", name=names.SERVICES)
    main: str = msgspec.field(default="", name="kubectl.kubernetes.io/default-container")
    flagger: str = msgspec.field(default="", name="flagger-id")


class Metadata(ObjectMeta, frozen=True, rename="camel"):
    annotations: Notes = Notes()


class Container(_Fields, frozen=True, rename="camel"):
    name: str
    image: str = ""


class PodSpec(_Fields, frozen=True, rename="camel"):
    containers: tuple[Container, ...] = ()
    node_name: str = ""


class Waiting(_Fields, frozen=True, rename="camel"):
    reason: str = ""
    message: str = ""


class Ended(_Fields, frozen=True, rename="camel"):
    exit_code: int = 0
    reason: str = ""
    message: str = ""
    signal: int = 0
    started_at: datetime | None = None


class Running(_Fields, frozen=True, rename="camel"):
    started_at: datetime | None = None


class State(_Fields, frozen=True, rename="camel"):
    waiting: Waiting | None = None
    running: Running | None = None
    terminated: Ended | None = None


class ContainerStatus(_Fields, frozen=True, rename="camel"):
    name: str
    ready: bool = False
    started: bool | None = None
    restart_count: int = 0
    image_id: str = msgspec.field(default="", name="imageID")
    state: State = State()
    last_state: State = State()


class Condition(_Fields, frozen=True, rename="camel"):
    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""


class PodStatus(_Fields, frozen=True, rename="camel"):
    phase: str = ""
    reason: str = ""
    message: str = ""
    conditions: tuple[Condition, ...] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()
    init_container_statuses: tuple[ContainerStatus, ...] = ()


class Pod(_Fields, frozen=True, rename="camel"):
    metadata: Metadata
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()

    @property
    def name(self) -> str:
        return self.metadata.name

    @property
    def is_going(self) -> bool:
        """It is being deleted, or has ended and was left behind (an eviction)."""
        return bool(self.metadata.deletion_timestamp) or self.status.phase in (
            "Failed",
            "Succeeded",
        )

    @property
    def is_ready(self) -> bool:
        return any(c.type == "Ready" and c.status == "True" for c in self.status.conditions)

    @property
    def statuses(self) -> tuple[ContainerStatus, ...]:
        """Of every container, those that come first included."""
        return (*self.status.init_container_statuses, *self.status.container_statuses)

    @property
    def head(self) -> str:
        """The service whose workload it is of; empty for what is not shipit's. The label may be the
        one by which Flagger tells its own pods apart."""
        said = self.metadata.labels.get(names.NAME, "")
        is_told_apart = self.is_promoted and not self.name.startswith(f"{said}{names.PRIMARY}-")
        return said.removesuffix(names.PRIMARY) if is_told_apart else said

    @property
    def is_promoted(self) -> bool:
        """It is of the workload that Flagger keeps beside the one that was deployed."""
        return bool(self.metadata.annotations.flagger)

    def is_apart(self, kind: str) -> bool:
        """Whether it is of what Flagger or Argo Rollouts keeps beside a workload of that kind."""
        return self.is_promoted or (kind != "Rollout" and ARGO_HASH in self.metadata.labels)

    @property
    def is_of_job(self) -> bool:
        return OF_JOB in self.metadata.labels

    @property
    def members(self) -> tuple[str, ...]:
        """The services whose containers are in it, the head first."""
        return names.members(self.metadata.annotations.services, self.head)

    def service_of(self, container: str) -> str:
        """What is no service's by its name (a mesh's proxy) is the head's."""
        return container if container in self.members else self.head

    def container_of(self, service: str) -> str:
        """The one named as the service; where none is, the pod's main one; "" for none."""
        found = [container.name for container in self.spec.containers]
        main = (self.metadata.annotations.main, *found) if service == self.head else ()
        return next((name for name in (service, *main) if name in found), "")

    def has_been(self, container: str) -> bool:
        """Whether it came first, and has ended well."""
        return any(
            s.name == container and s.state.terminated and not s.state.terminated.exit_code
            for s in self.status.init_container_statuses
        )

    def status_of(self, container: str) -> ContainerStatus | None:
        return next((s for s in self.status.container_statuses if s.name == container), None)

    def owned_by(self, uids: Iterable[str]) -> bool:
        return any(owner.uid in uids for owner in self.metadata.owner_references)


class ReplicaSetMetadata(ObjectMeta, frozen=True, rename="camel"):
    annotations: dict[str, str] = {}


class ReplicaSet(_Fields, frozen=True, rename="camel"):
    """Its revision is its Deployment's number of the pod template."""

    metadata: ReplicaSetMetadata

    @property
    def revision(self) -> str:
        return self.metadata.annotations.get("deployment.kubernetes.io/revision", "")


def digest_of(status: ContainerStatus | None) -> Digest | None:
    """What runs: `docker.io/library/nginx@sha256:…`, `docker-pullable://…`, or `sha256:…`."""
    found = _DIGEST.search(status.image_id) if status else None
    return Digest(found.group()) if found else None


def digests_of(pods: Iterable[Pod], container: str) -> set[Digest | None]:
    return {digest_of(pod.status_of(container)) for pod in pods}


def unproven(pod: Pod, identities: Mapping[str, frozenset[Digest]]) -> tuple[bool, str]:
    """Whether a ready pod runs something else, and in words what is missing for the proof.

    `identities` by container: the digests under which its image may be reported.
    """
    told = {status.name: status for status in pod.statuses}
    for container, asked in identities.items():
        found = digest_of(told.get(container))
        if found is None and pod.has_been(container):
            continue  # what came first and is over may be cleaned away, and its digest with it
        if found is None:
            return False, f"the kubelet does not name the digest of {pod.name} yet"
        if found not in asked:
            wanted = min(asked).short if asked else "nothing"
            return True, f"{pod.name} runs {found.short}, not {wanted} that was asked for"
    return False, ""
