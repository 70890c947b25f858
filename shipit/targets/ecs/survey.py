"""What ECS says runs now. Reads only; describes are asked for in batches, the rest at once."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import msgspec

from shipit.errors import PreconditionError, RemoteError
from shipit.targets.ecs import names
from shipit.targets.ecs.cloud import Cloud, code_of, is_refused

Json = dict[str, Any]
T = TypeVar("T")
R = TypeVar("R")

_SERVICES, _TASKS, _LISTED = 10, 100, 100  # the most that one request may name, or answer
_AT_ONCE = 8  # requests: an account has a rate of its own


class Live(msgspec.Struct, frozen=True):
    """A service that is there. `scaled`: "yes" when an autoscaler owns its count, "no",
    "unknown" when this identity may not ask, "unasked" when nothing hinted at one."""

    name: str
    group: str
    service: Json
    tags: dict[str, str]
    ours: bool
    definition: Json = {}
    definition_tags: dict[str, str] = {}
    tasks: tuple[Json, ...] = ()
    scaled: str = "unasked"

    @property
    def primary(self) -> Json:
        return primary(self.service) or {}


def primary(service: Json) -> Json | None:
    """The deployment that ECS works towards."""
    return next((d for d in service.get("deployments") or () if d["status"] == "PRIMARY"), None)


class Survey:
    """The services of one environment in one cluster."""

    def __init__(self, cloud: Cloud, cluster: str, prefix: str, app: str, environment: str) -> None:
        self.cloud, self.cluster, self.prefix = cloud, cluster, prefix
        self._app, self._environment = app, environment
        self._definitions: dict[str, tuple[Json, dict[str, str]]] = {}

    def listed(self) -> list[str]:
        """The names of services that begin as this environment's do. Raises PreconditionError."""
        try:
            arns = self.cloud.pages(
                "ecs", "list_services", "serviceArns", cluster=self.cluster, maxResults=_LISTED
            )
        except RemoteError as error:
            if code_of(error) == "ClusterNotFoundException":
                raise PreconditionError(
                    f"there is no ECS cluster {self.cluster} in {self.cloud.region}",
                    error.why,
                    "make it, or name another one as target.ecs.cluster",
                ) from None
            raise
        found = (names.last_part(arn) for arn in arns)
        return sorted(name for name in found if name.startswith(f"{self.prefix}-"))

    def described(self, wanted: Iterable[str]) -> dict[str, Live]:
        """By service name; what is not there, or not there any more, is left out."""
        parts = list(_parts(sorted(wanted), _SERVICES))
        found = [s for answer in at_once(self._describe, parts) for s in answer]
        lives = (self._live(s) for s in found if s.get("status") != "INACTIVE")
        return {live.name: live for live in lives if live is not None}

    def _describe(self, wanted: Sequence[str]) -> list[Json]:
        answer = self.cloud.call(
            "ecs",
            "describe_services",
            cluster=self.cluster,
            services=list(wanted),
            include=["TAGS"],
        )
        return list(answer.get("services") or ())

    def _live(self, service: Json) -> Live | None:
        """None for a service that another application or environment has tagged."""
        tags = names.untagged(service.get("tags"))
        owner = (tags.get(names.APP), tags.get(names.ENVIRONMENT))
        ours = owner == (self._app, self._environment)
        if not ours and owner != (None, None):
            return None
        name = str(service["serviceName"])
        group = tags.get(names.SERVICE) or name.removeprefix(f"{self.prefix}-")
        return Live(name, group, service, tags, ours)

    def whole(self, lives: Iterable[Live]) -> list[Live]:
        """With definitions, running tasks and, where something hints at one, the autoscaler."""
        several = list(lives)
        read = at_once(self._read, several)
        tasks = {t["taskArn"]: t for t in self.task_details([a for _, arns in read for a in arns])}
        filled = [
            msgspec.structs.replace(
                live,
                definition=body,
                definition_tags=tags,
                tasks=tuple(tasks[arn] for arn in arns if arn in tasks),
            )
            for live, ((body, tags), arns) in zip(several, read, strict=True)
        ]
        scaled = self._scaled([live for live in filled if _counted_by_another(live)])
        return [
            msgspec.structs.replace(live, scaled=scaled.get(live.name, live.scaled))
            for live in filled
        ]

    def _read(self, live: Live) -> tuple[tuple[Json, dict[str, str]], list[str]]:
        """Its revision, and its tasks' ARNs: they are described with those of the others."""
        return self.definition(str(live.service["taskDefinition"])), self._task_arns(live.name)

    def definition(self, arn: str) -> tuple[Json, dict[str, str]]:
        """A revision and its tags; revisions never change, so each is asked for once."""
        if arn not in self._definitions:
            answer = self.cloud.call(
                "ecs", "describe_task_definition", taskDefinition=arn, include=["TAGS"]
            )
            self._definitions[arn] = (answer["taskDefinition"], names.untagged(answer.get("tags")))
        return self._definitions[arn]

    def tasks(self, service: str, status: str = "RUNNING") -> list[Json]:
        """The tasks of a service that are to run (or have STOPPED, kept for an hour)."""
        return self.task_details(self._task_arns(service, status))

    def _task_arns(self, service: str, status: str = "RUNNING") -> list[str]:
        return self.cloud.pages(
            "ecs",
            "list_tasks",
            "taskArns",
            cluster=self.cluster,
            serviceName=service,
            desiredStatus=status,
        )

    def task_details(self, arns: Sequence[str]) -> list[Json]:
        found = at_once(self._describe_tasks, list(_parts(list(arns), _TASKS)))
        return [task for answer in found for task in answer]

    def _describe_tasks(self, arns: Sequence[str]) -> list[Json]:
        answer = self.cloud.call(
            "ecs", "describe_tasks", cluster=self.cluster, tasks=list(arns), include=["TAGS"]
        )
        return list(answer.get("tasks") or ())

    def _scaled(self, lives: Sequence[Live]) -> dict[str, str]:
        if not lives:
            return {}
        ids = {f"service/{self.cluster_name}/{live.name}": live.name for live in lives}
        try:
            targets = [
                target
                for part in _parts(list(ids), 50)
                for target in self.cloud.call(
                    "application-autoscaling",
                    "describe_scalable_targets",
                    ServiceNamespace="ecs",
                    ResourceIds=list(part),
                    ScalableDimension="ecs:service:DesiredCount",
                ).get("ScalableTargets", ())
            ]
        except RemoteError as error:
            if not is_refused(error):
                raise
            return {live.name: "unknown" for live in lives}
        owned = {ids.get(str(target["ResourceId"]), "") for target in targets}
        return {live.name: "yes" if live.name in owned else "no" for live in lives}

    def is_scaled(self, live: Live) -> str:
        """Asked for one service, whatever hints at it."""
        return self._scaled([live]).get(live.name, "unknown")

    @property
    def cluster_name(self) -> str:
        return names.last_part(self.cluster)


def _counted_by_another(live: Live) -> bool:
    """Whether the count is another one than shipit asked for last."""
    counted = str(live.service.get("desiredCount", 0))
    stopped = names.STOPPED in live.tags
    return not stopped and live.tags.get(names.REPLICAS) != counted


def at_once(do: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """In order. One alone needs no thread."""
    if len(items) < 2:
        return [do(item) for item in items]
    with ThreadPoolExecutor(min(_AT_ONCE, len(items))) as pool:
        return list(pool.map(do, items))


def _parts(items: Sequence[T], size: int) -> Iterable[Sequence[T]]:
    return (items[n : n + size] for n in range(0, len(items), size))
