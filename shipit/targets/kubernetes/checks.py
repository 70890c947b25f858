"""What is asked of a cluster before anything changes: what is in the way, and what it takes."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from functools import cached_property, partial
from typing import Any

import msgspec

from shipit.errors import ConfigurationError, RemoteError, ShipitError
from shipit.model.deployment import Desired, Finding, Observed, Plan
from shipit.targets.kubernetes import check, grants, permissions, progressive, users
from shipit.targets.kubernetes.client import Cluster
from shipit.targets.kubernetes.connection import Call
from shipit.targets.kubernetes.grants import There
from shipit.targets.kubernetes.kinds import Kinds
from shipit.targets.kubernetes.look import Look, guarded, wrong
from shipit.targets.kubernetes.render import Setting, job, render
from shipit.targets.kubernetes.survey import Survey
from shipit.targets.kubernetes.templates import templates
from shipit.targets.kubernetes.users import Users

Json = dict[str, Any]


class Checks(ABC):
    """Implements NeedsRole, GoesBack and JudgesUsers, and Target's `check`."""

    @property
    @abstractmethod
    def kind(self) -> str:
        """kubernetes, gke or eks."""

    @property
    @abstractmethod
    def cluster(self) -> Cluster: ...

    @property
    @abstractmethod
    def survey(self) -> Survey: ...

    @property
    @abstractmethod
    def setting(self) -> Setting: ...

    @abstractmethod
    def observe(self) -> Observed: ...

    @abstractmethod
    def plan(self, desired: Desired, observed: Observed) -> Plan: ...

    @abstractmethod
    def preflight(self, plan: Plan) -> Plan: ...

    def check(self, desired: Desired | None) -> Iterator[Finding]:
        """What would stop a deployment here, the API server's own dry run in the end."""
        reached = check.reach(self.cluster)
        yield reached
        if reached.level == "error":
            return
        has_failed = False
        for finding in check.everything(self._look(desired)):
            has_failed = has_failed or finding.level == "error"
            yield finding
        if desired and not has_failed:
            yield self._deployable(desired)

    def check_return(
        self, desired: Desired | None, earlier: Sequence[Desired]
    ) -> Iterator[Finding]:
        objects: dict[str, Sequence[Json]] = {}
        for one in earlier:
            try:
                objects[one.release_id] = render(one, self.setting).objects
            except ConfigurationError as error:
                what = f"going back to {one.release_id} is not possible any more: {error.what}"
                yield Finding("warning", "rollback", what, error.next_step)
        look_back = partial(permissions.going_back, earlier=objects)
        yield from guarded("permissions", look_back, self._look(desired))

    def check_users(self, desired: Desired, read: Users) -> Iterator[Finding]:
        objects, tasks = self._rendered(desired)
        found = list(users.findings(templates((*objects, *tasks)), desired, read))
        if not found or not self._gives_users():
            yield from found

    def role(
        self, releases: Sequence[Desired], subject: tuple[str, str] | None
    ) -> tuple[list[Json], list[str]]:
        objects, notes = self._of_all(releases)
        asked: Cluster | None = self.cluster
        try:
            there = self._there
        except ShipitError as error:
            notes.append(f"what is in the cluster already is not known: {error.why or error.what}")
            there, asked = There(), None
        kinds, home = Kinds(asked, objects), self.cluster.namespace
        wanted = grants.needed(objects if releases else None, there, home, kinds.resource)
        made = grants.objects(wanted, home, self.survey.instance, subject)
        return list(made), [*notes, *grants.beyond(objects)]

    def _of_all(self, releases: Sequence[Desired]) -> tuple[list[Json], list[str]]:
        """Their objects, and which of the older ones cannot be rendered any more."""
        objects: list[Json] = []
        notes: list[str] = []
        for number, one in enumerate(releases):
            try:
                objects += render(one, self.setting).objects
            except ConfigurationError as error:
                if not number:
                    raise
                notes.append(f"{one.release_id} cannot be deployed any more: {error.what}")
        return objects, notes

    def _deployable(self, desired: Desired) -> Finding:
        try:
            self.preflight(self.plan(desired, self.observe()))
        except ShipitError as error:
            return wrong("plan", error)
        return Finding("ok", "plan", "it can be deployed here")

    def _look(self, desired: Desired | None) -> Look:
        objects, tasks = self._rendered(desired) if desired else (None, ())
        try:
            there = self._there
        except ShipitError:  # the look at permissions tells what may not be read
            there = There()
        selector = self.survey.selector
        return Look(self.cluster, self.kind, selector, desired, objects, tasks, there)

    def _rendered(self, desired: Desired) -> tuple[Sequence[Json], Sequence[Json]]:
        """The objects, and the Jobs of the one-off tasks."""
        one_offs = (*desired.before, *desired.after)
        tasks = [job(desired, name, self.setting, key="") for name in one_offs]
        return render(desired, self.setting).objects, tasks

    @cached_property
    def _there(self) -> There:
        path = self.cluster.path("v1", "ConfigMap", self.survey.instance)
        return There.of(self._asked_once(path), progressive.rules(self.cluster))

    def _gives_users(self) -> bool:
        """OpenShift gives a pod that names none a uid of its namespace's own (docs.openshift.com,
        "Managing security context constraints")."""
        try:
            found = self._asked_once("/apis/security.openshift.io") or {}
        except ShipitError:  # that nobody answers is another look's to say
            return False
        return found.get("kind") == "APIGroup"

    def _asked_once(self, path: str) -> Json | None:
        """None for what is not there. No patience: where nobody answers, it only is not known."""
        try:
            body = self.cluster.connection.ask(Call("GET", path, patient=False))
        except RemoteError as error:
            if error.status != 404:
                raise
            return None
        found: Json = msgspec.json.decode(body)
        return found
