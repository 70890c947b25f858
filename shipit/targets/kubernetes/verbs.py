"""What a cluster can do beside deploying: each verb as a runbook over the parts beside this."""

import secrets
from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from shipit.errors import PreconditionError, UnknownNameError, UsageError, did_you_mean
from shipit.model.deployment import Desired, Observed, ObservedService
from shipit.model.duration import moment
from shipit.model.progress import Outcome, Progress
from shipit.targets.kubernetes import (
    commands,
    execute,
    lifecycle,
    listing,
    names,
    observe,
)
from shipit.targets.kubernetes.checks import Checks
from shipit.targets.kubernetes.logs import Following, Wanted, lines
from shipit.targets.kubernetes.pods import ARGO_HASH, OF_JOB, Pod
from shipit.targets.kubernetes.render import job, needs
from shipit.targets.kubernetes.survey import Seen
from shipit.targets.kubernetes.tasks import Run, prepare

Json = dict[str, Any]


class Verbs(Checks):
    """Implements RunsTasks, RunsCommands, Logs, Exec, Lists, Scales and Removes, and what Checks
    has."""

    @abstractmethod
    def _recent(self) -> Seen:
        """What there is, or was a few seconds ago."""

    def run_task(self, desired: Desired, service: str, key: str) -> Iterator[Progress | Outcome]:
        made = job(desired, service, self.setting, key=key)
        prepare(self.survey, needs(desired, service, self.setting))
        yield from Run(self.cluster, desired, service, made).run()

    def run(self, desired: Desired, service: str, command: Sequence[str], *, tty: bool) -> int:
        key = secrets.token_hex(4)
        made = job(desired, service, self.setting, key=key, command=command)
        return commands.run(self.cluster, desired, service, made, tty=tty)

    def logs(
        self, services: Sequence[str], *, follow: bool, tail: int | None, since: str | None
    ) -> Iterator[tuple[str, str]]:
        """Of the long-running ones; a schedule that is named has those of its runs."""
        wanted = Wanted(tail, moment(since, datetime.now(UTC)) if since else None)
        selector, named = self._selector(self._heads(services)), frozenset(services)
        if follow:
            yield from Following(self.cluster, selector, wanted, named)
        else:
            yield from lines(self.cluster, selector, wanted, named)

    def exec(self, service: str, command: Sequence[str], *, tty: bool) -> int:
        selector = f"{self._selector(self._heads([service]))},!{OF_JOB}"
        return execute.execute(self.cluster, selector, service, command, tty=tty)

    def containers(self) -> Sequence[dict[str, str]]:
        return listing.containers(self.cluster, self._selector(()))

    def stop(self, services: Sequence[str]) -> Sequence[ObservedService]:
        found = self._workloads(services)
        lifecycle.stop(self.cluster, found)
        self._settle(found, lambda pods: not pods)
        return self._observed(services)

    def start(self, services: Sequence[str]) -> Sequence[ObservedService]:
        found = self._workloads(services)
        started = lifecycle.start(self.cluster, found)
        count = sum(int((one.get("spec") or {}).get("replicas") or 0) for one in started)
        self._settle(started, lambda pods: lifecycle.up(pods) >= count)
        return self._observed(services)

    def remove(self, *, volumes: bool) -> Sequence[str]:
        return list(lifecycle.remove(self.survey, volumes=volumes))

    def _workloads(self, services: Sequence[str]) -> list[Json]:
        """Raises UnknownNameError for a service that is not there, and PreconditionError for one
        that has no pods of its own."""
        seen = self._recent()
        kinds = lifecycle.kinds(seen.parent)
        found = lifecycle.workloads(self.cluster, self.survey.selector, services, kinds)
        there = {lifecycle.service_of(one) for one in found}
        heads = observe.heads(seen.objects.values())
        for name in services:
            if name not in there:
                raise _no_pods_of_its_own(name, heads.get(name, name), self.observe())
        return found

    def _heads(self, services: Sequence[str]) -> list[str]:
        """In whose pods they are; what is no workload's (a schedule, a task) goes by its name."""
        heads = observe.heads(self._recent().objects.values()) if services else {}
        return list(dict.fromkeys(heads.get(name, name) for name in services))

    def _observed(self, services: Sequence[str]) -> tuple[ObservedService, ...]:
        """Those that came along in the pods of another included."""
        found = self.observe().services
        heads = observe.heads(self._recent().objects.values())
        return tuple(
            s for name, s in found.items() if not services or heads.get(name, name) in services
        )

    def _selector(self, services: Sequence[str]) -> str:
        if not services:
            return f"{self.survey.selector},!{OF_JOB}"
        own = [label for name in services for label in (name, f"{name}{names.PRIMARY}")]
        return f"{self.survey.selector},{names.NAME} in ({','.join(own)})"

    def _settle(self, found: Sequence[Json], settled: Callable[[Collection[Pod]], bool]) -> None:
        """A schedule has no pods of its own to wait for."""
        services = sorted({lifecycle.service_of(o) for o in found if o["kind"] != "CronJob"})
        if services:
            # What a platform team's Rollout runs does not come and go with the Deployment.
            argos = any(one["kind"] == "Rollout" for one in found)
            selector = f"{self._selector(services)},!{OF_JOB}{'' if argos else f',!{ARGO_HASH}'}"
            lifecycle.settle(self.cluster, selector, settled)


def _no_pods_of_its_own(name: str, head: str, observed: Observed) -> UsageError:
    if head != name:
        return PreconditionError(
            f"{name} is a container in the pods of {head}: they stop and start together",
            next_step=f"name {head}",
        )
    known = sorted(observed.services)
    return UnknownNameError(
        f"there is no service {name}{did_you_mean(name, known)}",
        f"there are: {', '.join(known)}" if known else "nothing runs here yet",
    )
