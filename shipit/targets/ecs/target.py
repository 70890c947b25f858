"""ECS as a target: each verb as a runbook over the parts beside this file."""

import secrets
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime
from functools import cached_property

import msgspec

from shipit.errors import PreconditionError, RemoteError, UnknownNameError, did_you_mean
from shipit.model.deployment import (
    Desired,
    Finding,
    Leftover,
    Observed,
    ObservedService,
    Plan,
    Rollout,
)
from shipit.model.duration import moment
from shipit.model.permission import Permission, partition_of
from shipit.model.pipeline import EcsTarget
from shipit.model.progress import Failed, Mark, Outcome, Progress, Stage, Succeeded
from shipit.targets.ecs import apply as applying
from shipit.targets.ecs import (
    check,
    leftovers,
    lifecycle,
    listing,
    names,
    network,
    permissions,
    preflight,
    schedule_check,
    schedules,
    scheduling,
    session,
    settings,
)
from shipit.targets.ecs import observe as observing
from shipit.targets.ecs import plan as planning
from shipit.targets.ecs.cloud import Cloud
from shipit.targets.ecs.follow import Watch, Watched, bake_of
from shipit.targets.ecs.handle import Handle
from shipit.targets.ecs.leftovers import remove as removing
from shipit.targets.ecs.log_reader import Reader, lines, sources
from shipit.targets.ecs.look import Look
from shipit.targets.ecs.render import Network, Setting, render, tasks
from shipit.targets.ecs.scheduling import Written
from shipit.targets.ecs.survey import Live, Survey
from shipit.targets.ecs.tasks import Place, Run
from shipit.targets.ecs.timetable import Entry, Timetable, rows

_FRESH = 15.0  # seconds in which what was observed still proves what did not change


class EcsCluster:
    """One environment in one ECS cluster.

    Implements Target, Preflights, RunsTasks, RunsCommands, Logs, Exec, Lists, Scales, Removes,
    NeedsPermissions and LeavesOver.
    AWS is asked at the first use; every method raises PreconditionError when that cannot be.
    """

    def __init__(
        self,
        name: str,
        settings: EcsTarget,
        environment: str,
        app: str,
        root: str,  # noqa: ARG002 - every kind of target is made alike
        *,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name = name
        self._settings, self._app, self._environment = settings, app, environment
        self._clock, self._pause = clock, pause
        self._cloud = Cloud(settings.region, settings.profile, clock=clock, pause=pause)
        self._seen: tuple[Live, ...] = ()
        self._entries: dict[str, Entry] = {}
        self._seen_at = float("-inf")

    def check(self, desired: Desired | None) -> Iterator[Finding]:
        settings.refuse(self._settings, self._environment)
        reached = check.reach(self._cloud, self._survey.cluster)
        yield reached
        if reached.level == "error":
            return
        there = network.find(self._cloud, self._settings)
        setting = self._setting(there)
        wanted = render(desired, setting) if desired else {}
        yield from check.everything(
            Look(self._cloud, self._survey.cluster, setting, desired, wanted)
        )
        yield from schedule_check.look(self._cloud, self._settings.scheduler_role)
        if desired:
            self.plan(desired, self.observe())
            yield Finding("ok", "plan", "it can be deployed here")

    def permissions(
        self, desired: Desired | None, account: str, *, clearing: bool = False
    ) -> Sequence[Permission]:
        settings.refuse(self._settings, self._environment)
        target = self._settings
        setting = self._setting(Network(target.subnets, target.security_groups))
        wanted = {**render(desired, setting), **tasks(desired, setting)} if desired else {}
        roles = {target.execution_role, target.task_role}
        for one in wanted.values():
            roles |= {one.task_definition.get(k, "") for k in ("executionRoleArn", "taskRoleArn")}
        place = permissions.Place(
            app=self._app,
            environment=self._environment,
            account=account or permissions.account_of(roles) or self._account(),
            region=setting.region,
            cluster=self._survey.cluster,
            prefix=setting.prefix,
            log_group=setting.log_group,
            partition=partition_of(setting.region),
        )
        more = permissions.clearing(place, wanted) if clearing else ()
        return (*permissions.needed(place, wanted, roles, target.scheduler_role), *more)

    def observe(self) -> Observed:
        settings.refuse(self._settings, self._environment)
        try:
            there = network.find(self._cloud, self._settings)
            found = self._survey.described(self._survey.listed())
            self._seen = tuple(self._survey.whole(found.values()))
            self._entries = self._scheduled()
        except RemoteError as error:
            raise PreconditionError(error.what, error.why, error.next_step) from error
        self._seen_at = self._clock()
        return observing.observed(self._seen, there, tuple(self._entries.values()))

    def plan(self, desired: Desired, observed: Observed) -> Plan:
        return planning.plan(self.name, desired, observed, self._setting_of(observed))

    def preflight(self, plan: Plan) -> None:
        if plan.changed:
            preflight.refuse_alarms(self._cloud, plan.desired)

    def apply(self, plan: Plan) -> Rollout:
        there = network.find(self._cloud, self._settings)
        if not plan.changed:
            if not self._fresh():
                self.observe()
            handle = Handle.of(self._seen, self._entries.values())
            return Rollout(plan, self._clock(), handle=handle.written())
        lives, entries = self._refreshed(plan), self._scheduled()
        if observing.fingerprint(lives, there, tuple(entries.values())) != plan.fingerprint:
            raise PreconditionError(
                f"{self._prefix} has changed since it was planned",
                "services were made, updated or removed in the meantime",
                "plan again",
            )
        observed = observing.observed(lives, there, tuple(entries.values()))
        setting = self._setting(there)
        wanted = render(plan.desired, setting)
        named = {c.service for c in plan.changes}  # a plan may be of some services alone
        times = self._schedules(plan.desired, setting, observed, entries, named)
        revisions = scheduling.prepare(times, setting.log_group)
        moves = planning.decide(plan.desired, wanted, observed)
        done = applying.apply(
            applying.Work(
                survey=self._survey,
                desired=plan.desired,
                wanted=wanted,
                moves={g: m for g, m in moves.items() if g in named},
                lives={live.group: live for live in lives},
                removed=tuple(g for g in planning.gone(wanted, observed) if g in named),
            )
        )
        written = scheduling.carry_out(times, revisions) if not done.refused else Written({}, {})
        handle = Handle.of(lives).after(done, written)
        return Rollout(plan, self._clock(), handle=handle.written())

    def follow(self, rollout: Rollout) -> Iterator[Progress | Outcome]:
        environment = rollout.plan.desired.environment
        for note in Handle.read(rollout.handle).notes:
            yield Progress(Stage.FOLLOW, Mark.INFO, "", note, environment, self.name)
        for step in Watch(
            rollout,
            self._survey,
            self._watched(rollout),
            clock=self._clock,
            pause=self._pause,
            fresh=self._seen if not rollout.plan.changed and self._fresh() else (),
        ).follow():
            if isinstance(step, Succeeded):
                yield from self._prove_schedules(rollout, step)
            else:
                yield step

    def run_task(self, desired: Desired, service: str, key: str) -> Iterator[Progress | Outcome]:
        yield from Run(self._place(), desired, service, key).run()

    def run(self, desired: Desired, service: str, command: Sequence[str], *, tty: bool) -> int:  # noqa: ARG002 - ECS attaches no terminal to a task that it runs
        run = Run(self._place(), desired, service, secrets.token_hex(8), command)
        for step in run.run():
            if isinstance(step, Progress):
                sys.stdout.writelines(f"{line}\n" for line in step.logs)
                sys.stdout.flush()
            elif isinstance(step, Failed) and run.exit_code == 1:
                sys.stderr.writelines(f"{reason}\n" for reason in step.reasons)
        return run.exit_code

    def logs(
        self, services: Sequence[str], *, follow: bool, tail: int | None, since: str | None
    ) -> Iterator[tuple[str, str]]:
        start = moment(since, datetime.now(UTC)) if since else None
        readers = [
            Reader(self._cloud, source, start)
            for live in (*self._whole(services), *self._runs(services, "RUNNING", "STOPPED"))
            for task in live.tasks
            for source in sources(task, live.definition)
            if not services or source.name.partition("/")[0] in services
        ]
        if not readers:
            raise PreconditionError(
                f"nothing of {self._prefix} writes to CloudWatch Logs",
                "its containers have another log driver, or none runs",
                "`shipit ps` shows what runs",
            )
        yield from lines(readers, follow=follow, tail=tail, pause=self._pause)

    def exec(self, service: str, command: Sequence[str], *, tty: bool) -> int:  # noqa: ARG002 - ECS Exec is a terminal
        lives = self._whole([service]) or self._runs([service], "RUNNING")
        return session.execute(self._survey, lives[0], service, command)

    def containers(self) -> Sequence[dict[str, str]]:
        lives = (*self._whole(()), *self._runs((), "RUNNING"))
        running = [row for live in lives for row in listing.rows(live)]
        return [*running, *rows(tuple(self._entries.values()))]

    def stop(self, services: Sequence[str]) -> Sequence[ObservedService]:
        stopped = lifecycle.stop(self._survey, self._whole(services))
        self._switch(services, enabled=False)
        self._settle(stopped, lambda live: not live.service.get("runningCount"))
        return self._observed(services)

    def start(self, services: Sequence[str]) -> Sequence[ObservedService]:
        started = lifecycle.start(self._survey, self._whole(services))
        self._switch(services, enabled=True)
        self._settle(
            started, lambda live: live.service["runningCount"] >= live.service["desiredCount"]
        )
        return self._observed(services)

    def remove(self, *, volumes: bool) -> Sequence[str]:  # noqa: ARG002 - file systems are not a target's
        lives = list(self._survey.described(self._survey.listed()).values())
        removed = lifecycle.remove(self._survey, lives, clock=self._clock, pause=self._pause)
        timed = self._timetable.remove() if self._settings.scheduler_role else []
        return [*timed, *removed]

    def leftovers(self, releases: Collection[str], keep: int) -> Sequence[Leftover]:
        return leftovers.find(self._survey, self._owner, releases, keep)

    def clear(self, leftovers: Sequence[Leftover]) -> Iterator[str]:
        yield from removing(self._cloud, leftovers)

    def _settle(self, names: Sequence[str], settled: Callable[[Live], bool]) -> None:
        lifecycle.settle(self._survey, names, settled, clock=self._clock, pause=self._pause)

    def _observed(self, services: Sequence[str]) -> tuple[ObservedService, ...]:
        found = self.observe().services
        return tuple(s for name, s in found.items() if not services or name in services)

    def _whole(self, services: Sequence[str]) -> list[Live]:
        """The ECS services in which these run; all when none is named. What runs at its times is in
        none. Raises UnknownNameError."""
        self.observe()
        found = {
            str(container["name"]): live
            for live in self._seen
            if live.service.get("status") == "ACTIVE"
            for container in live.definition.get("containerDefinitions") or ()
        }
        for name in services:
            known = {*found, *self._entries}
            if name not in known:
                raise UnknownNameError(
                    f"there is no service {name}{did_you_mean(name, known)}",
                    f"there are: {', '.join(sorted(known))}" if known else "nothing runs here yet",
                )
        chosen = {
            live.name: live for name, live in found.items() if not services or name in services
        }
        return list(chosen.values())

    def _scheduled(self) -> dict[str, Entry]:
        return self._timetable.read() if self._settings.scheduler_role else {}

    def _schedules(
        self,
        desired: Desired,
        setting: Setting,
        observed: Observed,
        entries: dict[str, Entry],
        named: Collection[str],
    ) -> scheduling.Work:
        wanted = schedules.wanted(desired, setting)
        turns = {n: t for n, t in schedules.decide(wanted, observed).items() if n in named}
        return scheduling.Work(self._timetable, desired, wanted, turns, entries)

    def _prove_schedules(
        self, rollout: Rollout, services: Succeeded
    ) -> Iterator[Progress | Outcome]:
        desired, written = rollout.plan.desired, Handle.read(rollout.handle).schedules
        proof = scheduling.Proof(
            self._timetable, desired, written, clock=self._clock, pause=self._pause
        )
        yield from proof.run()
        if proof.troubles:
            yield Failed(tuple(proof.troubles))
        else:
            yield Succeeded({**services.proven, **proof.proven})

    def _switch(self, services: Sequence[str], *, enabled: bool) -> None:
        for entry in self._chosen(services):
            if entry.enabled is not enabled:
                self._timetable.switch(entry, enabled=enabled)

    def _runs(self, services: Sequence[str], *statuses: str) -> list[Live]:
        """The tasks of what runs at its times."""
        return [self._timetable.runs(entry, *statuses) for entry in self._chosen(services)]

    def _chosen(self, services: Sequence[str]) -> list[Entry]:
        return [e for name, e in self._entries.items() if not services or name in services]

    def _account(self) -> str:
        try:
            return str(self._cloud.call("sts", "get_caller_identity")["Account"])
        except RemoteError as error:
            raise PreconditionError(
                "which AWS account?", error.what, "name it with --account"
            ) from error

    def _place(self) -> Place:
        there = network.find(self._cloud, self._settings)
        return Place(self._survey, self._setting(there), self._clock, self._pause)

    def _fresh(self) -> bool:
        return self._clock() - self._seen_at < _FRESH

    def _watched(self, rollout: Rollout) -> list[Watched]:
        handle = Handle.read(rollout.handle)
        desired = rollout.plan.desired
        there = network.find(self._cloud, self._settings)
        return [
            Watched(
                want=want,
                deployment=handle.deployments.get(group, ""),
                asked_at=handle.times.get(group),
                refused=handle.refused.get(group, ""),
                identities={n: desired.images[n].identities() for n in want.group.members},
                digests={n: desired.images[n].digest for n in want.group.members},
                bake=bake_of(desired.project["services"][group].get("deploy") or {}),
            )
            for group, want in render(desired, self._setting(there)).items()
        ]

    def _refreshed(self, plan: Plan) -> list[Live]:
        """The services again, and what was read with them before where they are still the same."""
        named = {f"{self._prefix}-{c.service}".replace(".", "-") for c in plan.changes}
        before = {live.name: live for live in self._seen}
        found = self._survey.described(named | before.keys())
        if found.keys() - before.keys() or any(
            live.service["taskDefinition"] != before[name].service["taskDefinition"]
            for name, live in found.items()
        ):
            return self._survey.whole(found.values())
        return [
            msgspec.structs.replace(
                live,
                definition=before[name].definition,
                definition_tags=before[name].definition_tags,
                tasks=before[name].tasks,
                scaled=before[name].scaled,
            )
            for name, live in found.items()
        ]

    @cached_property
    def _prefix(self) -> str:
        return self._settings.prefix or f"{self._app}-{self._environment}"

    @cached_property
    def _survey(self) -> Survey:
        cluster = self._settings.cluster or "default"
        return Survey(self._cloud, cluster, self._prefix, self._app, self._environment)

    @cached_property
    def _owner(self) -> dict[str, str]:
        return {names.APP: self._app, names.ENVIRONMENT: self._environment}

    @cached_property
    def _timetable(self) -> Timetable:
        return Timetable(self._survey, self._owner)

    def _setting_of(self, observed: Observed) -> Setting:
        return self._setting(observing.network_of(observed))

    def _setting(self, there: Network) -> Setting:
        return Setting(
            target=self._settings,
            prefix=self._prefix,
            log_group=self._settings.log_group or f"/ecs/{self._app}-{self._environment}",
            region=self._settings.region or self._cloud.region,
            network=there,
        )
