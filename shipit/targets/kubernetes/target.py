"""A Kubernetes cluster as a target: each verb as a runbook over the parts beside this file."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import msgspec

from shipit.errors import PreconditionError, RemoteError
from shipit.model import application
from shipit.model.deployment import Action, Desired, Observed, Plan, Rollout
from shipit.model.digest import Digest
from shipit.model.permission import Permission
from shipit.model.pipeline import EksTarget, GkeTarget, KubernetesTarget
from shipit.model.progress import Failed, Mark, Outcome, Progress, Stage, Succeeded
from shipit.targets.kubernetes import apply as applying
from shipit.targets.kubernetes import (
    definitions,
    names,
    progressive,
    rehearse,
    replaced,
    resources,
    scheduled,
)
from shipit.targets.kubernetes import observe as observing
from shipit.targets.kubernetes import plan as planning
from shipit.targets.kubernetes.client import Cluster
from shipit.targets.kubernetes.follow import Follow
from shipit.targets.kubernetes.handle import Gone, Handle
from shipit.targets.kubernetes.plan import Move
from shipit.targets.kubernetes.reach import permissions as reaching
from shipit.targets.kubernetes.reach import reach
from shipit.targets.kubernetes.render import Rendered, Setting, render
from shipit.targets.kubernetes.scene import Scene, Start
from shipit.targets.kubernetes.standing import Want, marked
from shipit.targets.kubernetes.survey import Seen, Survey
from shipit.targets.kubernetes.verbs import Verbs

Json = dict[str, Any]
_UP = 2.0  # seconds that a container which nobody probes must have been up
_SHARED = frozenset({"ConfigMap", "PersistentVolumeClaim", "Service", "ServiceAccount"})
_FRESH = 15.0  # seconds in which what was observed need not be read again


class KubernetesCluster(Verbs):
    """One environment in one namespace of one cluster.

    Implements Target, Preflights and NeedsPermissions, and what Verbs has.
    The cluster is asked at the first use; every method raises PreconditionError when that cannot
    be.
    """

    def __init__(
        self,
        name: str,
        settings: KubernetesTarget | GkeTarget | EksTarget,
        environment: str,
        app: str,
        root: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name = name
        self._settings, self._app, self._environment = settings, app, environment
        self._root = root
        self._clock, self._pause = clock, pause
        self._seen: Seen | None = None
        self._seen_at = float("-inf")

    @property
    def kind(self) -> str:
        kinds = {GkeTarget: "gke", EksTarget: "eks"}
        return kinds.get(type(self._settings), "kubernetes")

    @property
    def cluster(self) -> Cluster:
        return self._cluster

    @property
    def survey(self) -> Survey:
        return self._survey

    @property
    def setting(self) -> Setting:
        return self._setting

    def permissions(
        self,
        desired: Desired | None,  # noqa: ARG002 - nothing that a release holds is AWS's
        account: str,
        *,
        clearing: bool = False,  # noqa: ARG002 - and nothing is left over there
    ) -> Sequence[Permission]:
        if not isinstance(self._settings, EksTarget):
            return ()
        return (reaching.needed(self._settings, account),)

    def observe(self) -> Observed:
        return observing.observed(self._read())

    def plan(self, desired: Desired, observed: Observed) -> Plan:
        return planning.plan(self.name, desired, observed, self._setting, self._survey.set_id)

    def preflight(self, plan: Plan) -> Plan:
        """The plan with the API server's own diff. Raises PreconditionError for its refusals."""
        seen = self._recent()
        rendered = render(plan.desired, self._setting)
        moves, notes = rehearse.rehearse(self._survey, self._decided(rendered, seen))
        observed = observing.observed(seen)
        changes = tuple(planning.changes(plan.desired, rendered, moves, observed))
        return msgspec.structs.replace(plan, changes=changes, notes=(*plan.notes, *notes))

    def apply(self, plan: Plan) -> Rollout:
        seen = self._unmoved(plan)
        rendered = render(plan.desired, self._setting)
        everything = self._decided(rendered, seen)
        moves = self._planned(plan, everything)
        done = applying.Applied()
        if plan.changed:
            done = applying.apply(self._survey, seen, moves, everything.values())
        live = {**seen.objects, **done.made}
        self._seen = msgspec.structs.replace(seen, objects=live)
        named = {change.service for change in plan.changes}  # it may be of some services alone
        handle = Handle(
            marks={
                name: marked(live[key], _written_at(done.made.get(key)), seen.objects.get(key))
                for name, one in rendered.workloads.items()
                if name in named and (key := self._key(one)) in live
            },
            refused=_by_service(moves, done.refused),
            notes=tuple(dict.fromkeys(done.notes)),
            late=tuple(Gone.of(m.live) for m in applying.late(moves.values()) if m.live),
            leaving={
                name: Gone.of(m.live)
                for name, m in replaced.leaving(moves.values()).items()
                if m.live
            },
        )
        return Rollout(plan, self._clock(), handle=handle.written())

    def follow(self, rollout: Rollout) -> Iterator[Progress | Outcome]:
        handle = Handle.read(rollout.handle)
        desired = rollout.plan.desired
        moved = progressive.look(self._cluster, list(self._wants(desired, handle)))
        for note in (*handle.notes, *moved.notes):
            yield Progress(Stage.FOLLOW, Mark.INFO, "", note, desired.environment, self.name)
        wants, kinds = moved.wants, {want.mark.kind for want in moved.wants} | moved.kinds
        scene = Scene(self._cluster, self._survey.selector, kinds, self._start(kinds))
        for step in Follow(rollout, scene, wants, handle.refused, clock=self._clock).follow():
            if isinstance(step, Succeeded):
                yield from self._completed(rollout.plan, step, handle)
            else:
                yield step

    def _completed(
        self, plan: Plan, success: Succeeded, handle: Handle
    ) -> Iterator[Progress | Outcome]:
        """With what runs at its times; then what only the old pods needed goes."""
        desired, proven = plan.desired, dict(success.proven)
        if desired.scheduled:
            found = self._cluster.list(*scheduled.KIND, selector=self._survey.selector)
            timed, wrong = scheduled.proof(desired, found)
            if wrong:
                yield Failed(wrong)
                return
            for name, digest in timed.items():
                words = f"is scheduled with {digest.short}"
                yield Progress(Stage.FOLLOW, Mark.DONE, name, words, desired.environment, self.name)
            proven |= timed
        if handle.leaving:
            left = replaced.retire(self._cluster, self._survey.selector, handle.leaving)
            if troubles := tuple(left):
                yield Failed(troubles)
                return
        for note in self._tidy(handle):
            yield Progress(Stage.FOLLOW, Mark.INFO, "", note, desired.environment, self.name)
        yield Succeeded(proven)

    def _tidy(self, handle: Handle) -> Iterator[str]:
        """What only pods of the old template could still ask for. What cannot be taken away now is
        no failure: the release is proven, and the next deployment finds it again."""
        for gone in handle.late:
            try:
                self._cluster.delete(
                    gone.api_version, gone.kind, gone.name, uid=gone.uid, namespace=gone.namespace
                )
            except RemoteError as error:
                yield f"{gone.kind}/{gone.name} stays until the next deployment: {error.why}"

    def _wants(self, desired: Desired, handle: Handle) -> Iterator[Want]:
        rendered = render(desired, self._setting)
        heads = {name: name for name in rendered.workloads} | rendered.beside
        for service, head in heads.items():
            if head not in handle.marks:
                continue
            image = desired.images.get(service)
            spec = rendered.workloads[head]["spec"]
            yield Want(
                service=service,
                head=head,
                mark=handle.marks[head],
                identities=_identities(desired, spec),
                digest=image.digest if image else None,
                exercised=spec.get("replicas", 1) != 0,
                settle=_settle(spec) if handle.marks[head].at else 0.0,
                leaving=handle.leaving[head].kind if head in handle.leaving else "",
            )

    def _start(self, kinds: set[str]) -> Start:
        """What was read for the plan, if that was just now: then it is not listed again."""
        if self._seen is None or not self._is_fresh():
            return Start()
        objects = tuple(o for o in self._seen.objects.values() if o["kind"] in kinds)
        versions = {
            kind.partition(".")[0]: version for kind, version in self._seen.versions.items()
        }
        return Start(objects, self._seen.pods, versions)

    def _read(self) -> Seen:
        try:
            self._seen = self._survey.read()
        except RemoteError as error:
            raise PreconditionError(error.what, error.why, error.next_step) from error
        self._seen_at = self._clock()
        return self._seen

    def _recent(self) -> Seen:
        if self._seen is None or not self._is_fresh():
            return self._read()
        return self._seen

    def _is_fresh(self) -> bool:
        return self._clock() - self._seen_at < _FRESH

    def _unmoved(self, plan: Plan) -> Seen:
        """What is there now. Raises PreconditionError when that is not what was planned for."""
        if self._seen is None or not self._is_fresh():
            seen = self._read()
        else:
            seen = self._refreshed(self._seen) if plan.changed else self._seen
        if observing.fingerprint(seen.objects.values()) != plan.fingerprint:
            raise PreconditionError(
                f"{self._instance} has changed in {self._cluster.namespace} since it was planned",
                "workloads were made, changed or removed in the meantime",
                "plan again",
            )
        return seen

    def _refreshed(self, seen: Seen) -> Seen:
        """The workloads again; they are what a plan relies on."""
        old = {key: one for key, one in seen.objects.items() if one["kind"] in observing.WORKLOADS}
        kinds = {resources.group_kind(one) for one in old.values()} or {"Deployment.apps"}
        try:
            found, versions = self._survey.workloads(kinds)
        except RemoteError as error:
            raise PreconditionError(error.what, error.why, error.next_step) from error
        kept = {key: one for key, one in seen.objects.items() if key not in old}
        self._seen = msgspec.structs.replace(
            seen, objects={**kept, **found}, versions={**seen.versions, **versions}
        )
        return self._seen

    def _decided(self, rendered: Rendered, seen: Seen) -> dict[str, Move]:
        return planning.decide(
            rendered,
            seen.objects,
            self._survey.set_id,
            self._cluster.namespace,
            definitions.discovered(self._cluster, rendered.objects),
        )

    def _planned(self, plan: Plan, moves: dict[str, Move]) -> dict[str, Move]:
        """Only what the plan says: a service that it keeps is left alone. What services share comes
        with the first of them, also where a plan is of some of them alone."""
        acting = {c.service for c in plan.changes if c.action not in (Action.KEEP, Action.RUN)}
        defined = application.services(plan.desired.project)
        return {
            key: move
            for key, move in moves.items()
            if move.service in acting or (move.service not in defined and _is_shared(move))
        }

    def _key(self, one: Json) -> str:
        return resources.key(planning.placed(one, self._cluster.namespace))

    @cached_property
    def _instance(self) -> str:
        return str(names.instance(self._app, self._environment))

    @cached_property
    def _cluster(self) -> Cluster:
        access = reach(self._settings, root=self._root, environment=self._environment)
        namespace = self._settings.namespace or access.namespace or "default"
        return Cluster(access, namespace, clock=self._clock, pause=self._pause)

    @cached_property
    def _survey(self) -> Survey:
        return Survey(self._cluster, self._instance, self._settings.force_conflicts)

    @cached_property
    def _setting(self) -> Setting:
        return Setting(namespace=self._cluster.namespace)


def _is_shared(move: Move) -> bool:
    """What pods cannot start without, and nothing that runs is changed by."""
    return move.action is Action.CREATE and (move.wanted or {})["kind"] in _SHARED


def _by_service(moves: Mapping[str, Move], refused: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, words in refused.items():
        name = moves[key].service
        found[name] = f"{found[name]}; {words}" if name in found else words
    return found


def _settle(spec: Json) -> float:
    """None where Kubernetes itself waits: for `minReadySeconds`, or for probes."""
    containers = ((spec.get("template") or {}).get("spec") or {}).get("containers") or ()
    looked = ("readinessProbe", "startupProbe")
    if spec.get("minReadySeconds") or all(any(p in c for p in looked) for c in containers):
        return 0.0
    return _UP


def _identities(desired: Desired, spec: Json) -> dict[str, frozenset[Digest]]:
    """By container, for those that run an image of the release."""
    known = {image.digest: image.identities() for image in desired.images.values()}
    pod = (spec.get("template") or {}).get("spec") or {}
    found = {}
    for container in (*(pod.get("initContainers") or ()), *(pod.get("containers") or ())):
        digest = str(container.get("image", "")).rpartition("@")[2]
        identities = next((ids for d, ids in known.items() if str(d) == digest), None)
        if identities:
            found[str(container["name"])] = identities
    return found


def _written_at(made: Json | None) -> str:
    """The server's time of our change; empty for what was not changed."""
    entries = (made or {}).get("metadata", {}).get("managedFields") or ()
    return max(
        (str(e.get("time") or "") for e in entries if e.get("manager") == "shipit"), default=""
    )
