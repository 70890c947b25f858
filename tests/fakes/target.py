"""A target in memory, scripted: for tests of what is built on targets."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from shipit.errors import PreconditionError
from shipit.model import application
from shipit.model.deployment import (
    Action,
    Change,
    Desired,
    Finding,
    Health,
    Observed,
    ObservedService,
    Plan,
    Rollout,
)
from shipit.model.digest import Digest
from shipit.model.progress import Failed, Mark, Outcome, Progress, Reason, Stage, Succeeded


def silent(_method: str) -> None:
    """The hook that does nothing."""


class FakeTarget:
    """Runs what it is told, at once.

    `running` is what runs, by service: changed by `apply` and `remove`, and free for a test to set.
    `failures` are the reasons that `follow` gives for a release (by its digest) or for every one
    (by ""); `outcomes`, by the same keys, are ends that it gives as they stand. A service's entry
    in `broken_tasks` are the reasons for which its task fails.
    `errors` are raised by a method, by its name, the next time it is called. `hook` is called at
    the start of each method with its name, and after the work with "<name>.end", so that a test
    can kill the process there. `calls` is the log, in order: (method, what).
    """

    def __init__(self, name: str = "default", hook: Callable[[str], None] = silent) -> None:
        self.name = name
        self.hook = hook
        self.running: dict[str, ObservedService] = {}
        self.failures: dict[str, tuple[Reason, ...]] = {}
        self.outcomes: dict[str, Outcome] = {}
        self.broken_tasks: dict[str, tuple[Reason, ...]] = {}
        self.errors: dict[str, Exception] = {}
        self.findings: list[Finding] = []
        self.tasks: dict[str, str] = {}
        self.calls: list[tuple[str, str]] = []
        self.warnings: tuple[str, ...] = ()

    def _called(self, method: str, what: str = "") -> None:
        self.calls.append((method, what))
        self.hook(method)
        if method in self.errors:
            raise self.errors.pop(method)

    def check(self, desired: Desired | None) -> Iterator[Finding]:
        self._called("check", desired.release_id if desired else "")
        yield from self.findings

    def observe(self) -> Observed:
        self._called("observe")
        return Observed(dict(self.running), self._fingerprint(), warnings=self.warnings)

    def plan(self, desired: Desired, observed: Observed) -> Plan:
        self._called("plan", desired.release_id)
        changes = [_change(desired, name, observed) for name in desired.services]
        gone = [n for n in observed.services if n not in desired.services]
        changes += [Change(n, Action.REMOVE, "the release does not have it") for n in gone]
        return Plan(self.name, desired, tuple(changes), observed.fingerprint)

    def preflight(self, plan: Plan) -> None:
        self._called("preflight", plan.desired.release_id)

    def apply(self, plan: Plan) -> Rollout:
        self._called("apply", plan.desired.release_id)
        if plan.fingerprint != self._fingerprint():
            raise PreconditionError("it has changed since it was planned")
        self.running = {name: _as_asked(plan.desired, name) for name in plan.desired.services}
        self.hook("apply.end")
        return Rollout(plan, time.monotonic(), handle=plan.desired.release_id)

    def follow(self, rollout: Rollout) -> Iterator[Progress | Outcome]:
        desired = rollout.plan.desired
        self._called("follow", desired.release_id)
        reasons = self.failures.get(str(desired.release)) or self.failures.get("")
        for name in desired.services:
            mark = Mark.FAILED if reasons and name in {r.subject for r in reasons} else Mark.DONE
            yield Progress(Stage.FOLLOW, mark, name, target=self.name)
        self.hook("follow.end")
        defined = application.services(desired.project)
        asked = [n for n in desired.services if application.replicas(defined.get(n, {}))]
        proven = {name: desired.images[name].digest for name in asked}
        end = Failed(reasons) if reasons else Succeeded(proven)
        yield self.outcomes.get(str(desired.release)) or self.outcomes.get("") or end

    def run_task(self, desired: Desired, service: str, key: str) -> Iterator[Progress | Outcome]:
        self._called("run_task", f"{service} {key}")
        ran = self.tasks.setdefault(f"{service} {key}", desired.release_id) == desired.release_id
        yield Progress(Stage.BEFORE, Mark.RUNNING, service, "ran" if ran else "had run")
        self.hook("run_task.end")
        reasons = self.broken_tasks.get(service)
        yield Failed(reasons) if reasons else Succeeded({service: desired.images[service].digest})

    def run(self, desired: Desired, service: str, command: Sequence[str], *, tty: bool) -> int:
        self._called("run", f"{service} {' '.join(command)}")
        return 0

    def exec(self, service: str, command: Sequence[str], *, tty: bool) -> int:
        self._called("exec", f"{service} {' '.join(command)}")
        return 0

    def logs(
        self, services: Sequence[str], *, follow: bool, tail: int | None, since: str | None
    ) -> Iterator[tuple[str, str]]:
        self._called("logs", " ".join(services))
        for name in services or self.running:
            yield f"{name}-1", f"{name} says hello"

    def containers(self) -> Sequence[dict[str, str]]:
        self._called("containers")
        return [_row(service) for service in self.running.values()]

    def stop(self, services: Sequence[str]) -> Sequence[ObservedService]:
        self._called("stop", " ".join(services))
        return self._turn(services, running=0, health=Health.STOPPED)

    def start(self, services: Sequence[str]) -> Sequence[ObservedService]:
        self._called("start", " ".join(services))
        return self._turn(services, running=1, health=Health.HEALTHY)

    def remove(self, *, volumes: bool) -> Sequence[str]:
        self._called("remove", "volumes" if volumes else "")
        gone = [f"{name}-1" for name in self.running]
        self.running = {}
        return gone

    def _fingerprint(self) -> str:
        facts = sorted((n, s.spec, bool(s.running)) for n, s in self.running.items())
        return repr(facts)

    def _turn(
        self, services: Sequence[str], *, running: int, health: Health
    ) -> Sequence[ObservedService]:
        for name in services or tuple(self.running):
            was = self.running[name]
            self.running[name] = ObservedService(
                name, was.desired, running, health, was.images, was.spec
            )
        return tuple(self.running[name] for name in services or self.running)


def _as_asked(desired: Desired, name: str) -> ObservedService:
    return ObservedService(
        name,
        desired=1,
        running=1,
        health=Health.HEALTHY,
        images=(desired.images[name].digest,),
        spec=_spec(desired, name),
        release_id=desired.release_id,
    )


def _spec(desired: Desired, name: str) -> str:
    definition: dict[str, Any] = desired.project.get("services", {}).get(name, {})
    kept = {key: value for key, value in definition.items() if key != "image"}
    return Digest.of(repr((sorted(kept.items()), desired.images[name].digest)).encode()).short


def _change(desired: Desired, name: str, observed: Observed) -> Change:
    was = observed.services.get(name)
    image = str(desired.images[name].digest)
    if was is None:
        return Change(name, Action.CREATE, "not there yet", image)
    if was.spec != _spec(desired, name):
        return Change(name, Action.UPDATE, "its image or configuration changes", image)
    if was.running < was.desired:
        return Change(name, Action.UPDATE, "not running", image)
    return Change(name, Action.KEEP, "unchanged", image)


def _row(service: ObservedService) -> dict[str, str]:
    return {
        "name": f"{service.name}-1",
        "service": service.name,
        "image": "",
        "digest": str(service.images[0]) if service.images else "",
        "state": "running" if service.running else "exited",
        "health": str(service.health),
        "ports": ", ".join(service.ports),
        "since": "",
    }
