"""Bring an environment's schedules about, and prove them by reading them back."""

from collections.abc import Callable, Iterator, Mapping

import msgspec

from shipit.errors import PreconditionError, RemoteError
from shipit.model.deployment import Action, Desired
from shipit.model.digest import Digest
from shipit.model.progress import Mark, Progress, Reason, Stage
from shipit.targets.ecs import apply as applying
from shipit.targets.ecs.names import last_part, service_name
from shipit.targets.ecs.schedules import Timed, Turn
from shipit.targets.ecs.timetable import Entry, Timetable

_POLL = 2.0  # seconds
_VISIBLE = 60.0  # seconds within which a schedule that was written is read back as it was written


class Work(msgspec.Struct, frozen=True):
    """`entries` are the schedules that are there, by service."""

    timetable: Timetable
    desired: Desired
    wanted: Mapping[str, Timed]
    turns: Mapping[str, Turn]
    entries: Mapping[str, Entry]


class Written(msgspec.Struct, frozen=True):
    """The revision that each schedule was given, by service, and what AWS refused, in words."""

    revisions: dict[str, str]
    refused: dict[str, str]


def prepare(work: Work, log_group: str) -> dict[str, str]:
    """The group and the new revisions, by service: nothing runs differently by it.

    Raises PreconditionError.
    """
    created = [n for n, turn in work.turns.items() if turn.action is Action.CREATE]
    cloud = work.timetable.survey.cloud
    try:
        if created:
            work.timetable.prepare()
            applying.make_log_group(cloud, log_group)
    except RemoteError as error:
        if error.temporary:
            raise
        raise PreconditionError(error.what, error.why, error.next_step) from error
    return {
        name: applying.register(cloud, work.desired, work.wanted[name].task.task_definition, name)
        for name, turn in work.turns.items()
        if turn.revised
    }


def carry_out(work: Work, revisions: Mapping[str, str]) -> Written:
    """After the services: what runs at its times comes with them."""
    kept = {name: entry.revision for name, entry in work.entries.items() if name in work.wanted}
    given = {**kept, **revisions}
    refused: dict[str, str] = {}
    for name, turn in work.turns.items():
        try:
            _turn(work, name, turn, given.get(name, ""))
        except RemoteError as error:
            if error.temporary:
                raise
            refused[name] = f"{error.what}: {error.why}"
    return Written(given, refused)


def _turn(work: Work, name: str, turn: Turn, revision: str) -> None:
    match turn.action:
        case Action.CREATE:
            one = work.wanted[name]
            work.timetable.create(one.name, one.with_revision(revision))
        case Action.UPDATE:
            body = work.wanted[name].with_revision(revision)
            work.timetable.update(work.entries[name], body)
        case Action.REMOVE:
            work.timetable.delete(work.entries[name].name)
        case _:
            pass


class Proof:
    """`run` gives progress; then `proven` and `troubles` are filled."""

    def __init__(
        self,
        timetable: Timetable,
        desired: Desired,
        written: Written,
        *,
        clock: Callable[[], float],
        pause: Callable[[float], None],
    ) -> None:
        self._timetable, self._desired, self._written = timetable, desired, written
        self._clock, self._pause = clock, pause
        self.proven: dict[str, Digest] = {}
        self.troubles: list[Reason] = []

    def run(self) -> Iterator[Progress]:
        until = self._clock() + _VISIBLE
        for service in self._desired.scheduled:
            name = service_name(self._timetable.survey.prefix, service)
            entry = self._timetable.entry(name)
            trouble = self._written.refused.get(service) or self._trouble(service, entry)
            while trouble and service not in self._written.refused and self._clock() < until:
                self._pause(_POLL)
                entry = self._timetable.entry(name)
                trouble = self._trouble(service, entry)
            yield self._judged(service, entry, trouble)

    def _judged(self, service: str, entry: Entry | None, trouble: str) -> Progress:
        environment = self._desired.environment
        if trouble or not entry:
            self.troubles.append(Reason(service, trouble))
            return Progress(Stage.FOLLOW, Mark.FAILED, service, trouble, environment)
        self.proven[service] = self._desired.images[service].digest
        said = f"{entry.times} runs {last_part(entry.revision)}"
        return Progress(Stage.FOLLOW, Mark.DONE, service, said, environment)

    def _trouble(self, service: str, entry: Entry | None) -> str:
        """What is wrong with it, as it is read back."""
        if entry is None:
            return "its schedule is not there"
        wanted = self._written.revisions.get(service, "")
        if entry.revision != wanted:
            return f"its schedule runs {last_part(entry.revision)}, not {last_part(wanted)}"
        image = self._desired.images[service]
        if not entry.digests or entry.digests[0] not in image.identities():
            found = entry.digests[0].short if entry.digests else "nothing that is known"
            return f"its schedule runs {found}, not {image.digest.short}"
        return "" if entry.enabled else "its schedule is stopped"
