"""The Docker engine as a target: each verb as a runbook over the parts beside this file."""

import time
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

from shipit import process
from shipit.errors import PreconditionError, UnknownNameError, did_you_mean
from shipit.model.deployment import Desired, Finding, Observed, ObservedService, Plan, Rollout
from shipit.model.pipeline import DockerTarget
from shipit.model.progress import Outcome, Progress
from shipit.targets.docker import apply, check, lifecycle, ports
from shipit.targets.docker import plan as planning
from shipit.targets.docker.compose import BringUp, Compose
from shipit.targets.docker.containers import Container, Survey
from shipit.targets.docker.files import Files
from shipit.targets.docker.follow import Watch
from shipit.targets.docker.listing import row, since_seconds
from shipit.targets.docker.logs import interleaved, last_lines
from shipit.targets.docker.observe import by_service, fingerprint, observe, observed_service
from shipit.targets.docker.project import project_name, task_document
from shipit.targets.docker.tasks import Task
from shipit.targets.engine.address import Address, find
from shipit.targets.engine.client import Engine


class DockerEngine:
    """One environment on one Docker engine: the Compose project `<app>-<environment>`.

    Implements Target, Preflights, RunsTasks, RunsCommands, Logs, Exec, Lists, Scales and Removes.
    The engine is asked at the first use; every method raises PreconditionError when none answers.
    """

    def __init__(
        self, name: str, settings: DockerTarget, environment: str, app: str, root: str
    ) -> None:
        self.name = name
        self._settings = settings
        self._root = root
        self._project = project_name(app, environment)
        self._files = Files(root, environment, name)
        self._bring_up: BringUp | None = None
        self._before: frozenset[str] = frozenset()

    def check(self, desired: Desired | None) -> Iterator[Finding]:
        engine = check.reach(self._engine)
        yield engine
        yield from check.programs()
        if desired is None or engine.level == "error":
            return
        yield from check.application(desired)
        yield from check.registry(self.address, desired)
        yield from check.rehearsed(lambda: self._rehearse(desired))

    def observe(self) -> Observed:
        self._files.wait_for_orphan()
        return observe(self._survey, self._files.definitions())

    def plan(self, desired: Desired, observed: Observed) -> Plan:
        return planning.plan(self.name, desired, observed)

    def preflight(self, plan: Plan) -> None:
        if plan.changed and self.address.local:
            ports.refuse_bound(plan, self.observe())

    def apply(self, plan: Plan) -> Rollout:
        self._end_bring_up()
        there = self._survey.containers()
        if fingerprint(there) != plan.fingerprint:
            raise PreconditionError(
                f"{self._project} has changed since it was planned",
                "containers were made, removed, started or stopped in the meantime",
                "plan again",
            )
        self._before = frozenset(c.id for c in there)
        rollout = Rollout(plan, time.monotonic(), handle=self._project)
        if plan.changed:
            self.preflight(plan)
            self._bring_up = apply.bring_up(plan, self._engine, self._compose, self._files, there)
        return rollout

    def follow(self, rollout: Rollout) -> Iterator[Progress | Outcome]:
        yield from Watch(
            rollout,
            survey=self._survey.containers,
            clock=self._engine.now,
            tail=lambda container: last_lines(self._engine, container),
            bring_up=self._bring_up,
            before=self._before,
        ).follow()

    def run_task(self, desired: Desired, service: str, key: str) -> Iterator[Progress | Outcome]:
        task = Task(self._engine, self._survey, desired, service, key)
        yield from task.run(self._compose, self._files)

    def run(self, desired: Desired, service: str, command: Sequence[str], *, tty: bool) -> int:
        if service not in desired.images:
            raise _unknown(service, desired.images)
        file = self._files.write_task(task_document(desired, self._project, service), service)
        apply.pull(self._engine, self._compose, desired, file, (service,))
        terminal = () if tty else ("--no-TTY",)
        return self._compose.attached(
            file, "run", "--rm", "--no-deps", *terminal, service, *command
        )

    def exec(self, service: str, command: Sequence[str], *, tty: bool) -> int:
        running = [c for c in self._of((service,)) if c.state == "running"]
        if not running:
            raise PreconditionError(
                f"{service} does not run in {self._project}",
                next_step="`shipit ps` shows what does",
            )
        terminal = ("--interactive", "--tty") if tty else ("--interactive",)
        return process.attached(
            [*process.docker(), "exec", *terminal, running[0].id, *command],
            env=self.address.environment(),
        )

    def logs(
        self, services: Sequence[str], *, follow: bool, tail: int | None, since: str | None
    ) -> Iterator[tuple[str, str]]:
        start = since_seconds(since, self._engine.now()) if since else None
        containers = self._of(services)
        yield from interleaved(self._engine, containers, follow=follow, tail=tail, since=start)

    def containers(self) -> Sequence[dict[str, str]]:
        return [row(c) for c in self._survey.containers() if not c.one_off]

    def stop(self, services: Sequence[str]) -> Sequence[ObservedService]:
        lifecycle.stop(self._engine, self._of(services))
        return self._services(services)

    def start(self, services: Sequence[str]) -> Sequence[ObservedService]:
        lifecycle.start(self._engine, self._survey, self._of(services))
        return self._services(services)

    def remove(self, *, volumes: bool) -> Sequence[str]:
        self._end_bring_up()
        there = self._survey.containers()
        gone = tuple(lifecycle.remove_all(self._engine, self._project, there, volumes=volumes))
        self._files.remove()
        return gone

    @cached_property
    def address(self) -> Address:
        return find(self._settings.host, self._settings.context)

    @cached_property
    def _engine(self) -> Engine:
        return Engine(self.address)

    @cached_property
    def _survey(self) -> Survey:
        return Survey(self._engine, self._project)

    @cached_property
    def _compose(self) -> Compose:
        return Compose(self._project, self._root, self.address)

    def _rehearse(self, desired: Desired) -> None:
        self.preflight(self.plan(desired, self.observe()))

    def _end_bring_up(self) -> None:
        if self._bring_up:
            self._bring_up.stop()
            self._bring_up = None

    def _of(self, services: Sequence[str]) -> list[Container]:
        """The long-running containers of these services; of all of them when none is named."""
        found = by_service(self._survey.containers())
        for name in services:
            if name not in found:
                raise _unknown(name, found)
        return [c for name in services or found for c in found[name]]

    def _services(self, services: Sequence[str]) -> tuple[ObservedService, ...]:
        found = by_service(self._survey.containers())
        return tuple(
            observed_service(n, c) for n, c in found.items() if not services or n in services
        )


def _unknown(service: str, known: Iterable[str]) -> UnknownNameError:
    names = sorted(known)
    return UnknownNameError(
        f"there is no service {service}{did_you_mean(service, names)}",
        f"there are: {', '.join(names)}" if names else "nothing runs here yet",
    )
