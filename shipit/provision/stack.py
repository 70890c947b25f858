"""One stack of a Pulumi project: previewed, brought up, refreshed, destroyed.

Each is a generator of Progress whose return value is what came of it. Pulumi's own words come
along in errors; its values never do, since a property may be a secret.
"""

import json
import queue
import shlex
import threading
from collections.abc import Callable, Generator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec

from shipit.errors import PreconditionError, RemoteError
from shipit.model.progress import Mark, Progress, Stage
from shipit.model.stack import Provisioned, StackChange, StackPlan
from shipit.provision import program
from shipit.provision.home import Home
from shipit.provision.words import ending, failed

if TYPE_CHECKING:
    from pulumi.automation import EngineEvent, PulumiCommand
    from pulumi.automation import Stack as PulumiStack

Steps = Generator[Progress, None, None]
_GRACE = 600.0  # seconds that Pulumi has to write down what it was doing when it is interrupted
_ACTIONS = {
    "create": "create",
    "update": "update",
    "delete": "delete",
    "replace": "replace",
    "read": "read",
    "import": "import",
    "refresh": "refresh",
}
_PAST = {
    "create": "made",
    "update": "updated",
    "delete": "deleted",
    "replace": "replaced",
    "refresh": "read again",
}


class Pending(msgspec.Struct, frozen=True):
    """An operation that Pulumi began and never saw the end of."""

    action: str  # creating, updating, deleting
    type: str
    name: str


class Stack:
    """`name` of the project in `folder`. Made at its first use."""

    def __init__(self, folder: Path, name: str, home: Home, environment: str) -> None:
        self.folder, self.name = folder, name
        self.project = program.name_of(folder)
        self.home, self._environment = home, environment
        self._interrupts = program.Interrupts()
        self._command: PulumiCommand | None = None
        self._opened: PulumiStack | None = None
        self._warnings: set[str] = set()

    @property
    def locks(self) -> str:
        """Where in the home's store its locks are, a file each (Pulumi's DIY backends)."""
        return f".pulumi/locks/organization/{self.project}/{self.name}"

    @property
    def is_kept_here(self) -> bool:
        """Whether its state is in the home's folder on this machine; asked without Pulumi."""
        if self.home.folder is None:
            return False
        kept = self.home.folder / ".pulumi" / "stacks" / self.project
        return any((kept / f"{self.name}.json{end}").is_file() for end in ("", ".gz"))

    def by_hand(self, *words: str) -> str:
        """What does it without shipit, for a shell, in whatever folder that is."""
        command = ["pulumi", *words, "--cwd", str(self.folder), "--stack", self.name]
        return self.home.setting + shlex.join(command)

    @property
    def cancel(self) -> str:
        """The command that takes its lock away."""
        return self.by_hand("cancel", "--yes")

    @property
    def refreshing(self) -> str:
        """The command that reads every resource again, and does nothing else."""
        return self.by_hand("refresh", "--yes", "--clear-pending-creates")

    def require(self) -> "PulumiCommand":
        """Raises PreconditionError when there is nothing to run it with."""
        self._command = self._command or program.find(self._interrupts)
        return self._command

    def exists(self) -> bool:
        from pulumi.automation import StackNotFoundError

        try:
            self._open(create=False)
        except StackNotFoundError:
            return False
        return True

    def pending(self) -> tuple[Pending, ...]:
        """What an interrupted run left in the middle."""
        return _pending(self._state())

    def protected(self) -> tuple[str, ...]:
        """The resources that may not be deleted, by type and name."""
        return tuple(
            " ".join(_words(r["urn"]))
            for r in self._state().get("resources") or ()
            if r.get("protect")
        )

    def known(self) -> frozenset[tuple[str, str]]:
        """By type and name what it has made, each with its id in the cloud, and what it is in the
        middle of."""
        state = self._state()
        found = ((*_words(r["urn"]), r.get("id")) for r in state.get("resources") or ())
        made = {(f"{kind} {name}", made) for kind, name, made in found if made and _is_made(kind)}
        return frozenset(made | {(f"{p.type} {p.name}", p.action) for p in _pending(state)})

    def exported(self) -> str:
        """Its state, with the secrets in it as Pulumi encrypted them."""
        return self._pulumi("stack", "export")

    def take(self, exported: Path) -> None:
        """Made if it is not there, it gets a state that was exported. What was in the middle of an
        operation is forgotten by that."""
        self._open(create=True)
        self._pulumi("stack", "import", "--file", str(exported))

    def forget(self) -> None:
        """Its state is not kept here any more: nothing of what it made is touched. Its settings
        stay, and with them what its secrets are encrypted with."""
        self._pulumi("stack", "rm", "--yes", "--force", "--preserve-config")
        self._opened = None

    def preview(
        self, *, destroy: bool = False, refresh: bool = False
    ) -> Generator[Progress, None, StackPlan]:
        """What `up` (or `destroy`) would do; with `refresh`, after every resource was read again.
        Nothing is written down."""
        stack = self._open(create=not destroy)
        yield Progress(Stage.PROVISION, Mark.RUNNING, "", "previewing", self._environment)
        changes: dict[str, StackChange] = {}
        same = 0
        act = stack.preview_destroy if destroy else partial(stack.preview, refresh=refresh)
        for event in self._events(act, "previewing"):
            if warning := self._warning(event):
                yield warning
            before = event.resource_pre_event
            if before is None:
                continue
            change = _change(before.metadata)
            if change and change.action != "refresh":
                changes[before.metadata.urn] = change
            elif change is None and not before.metadata.type.startswith("pulumi:"):
                same += 1
        return StackPlan(self.project, self.name, tuple(changes.values()), same)

    def up(self) -> Generator[Progress, None, Provisioned]:
        stack = self._open(create=True)
        counts = yield from self._followed(stack.up)
        return Provisioned(self.project, self.name, counts, self.outputs())

    def refresh(self) -> Generator[Progress, None, dict[str, int]]:
        """Reads every resource again, and forgets creations whose end nobody saw."""
        stack = self._open(create=True)
        act = partial(stack.refresh, clear_pending_creates=True)
        return (yield from self._followed(act))

    def destroy(self) -> Generator[Progress, None, Provisioned]:
        stack = self._open(create=False)
        counts = yield from self._followed(stack.destroy)
        return Provisioned(self.project, self.name, counts)

    def outputs(self) -> dict[str, Any]:
        """Those that are no secret."""
        found = self._asked(self._open(create=False).outputs)
        return {name: output.value for name, output in found.items() if not output.secret}

    def _open(self, *, create: bool) -> "PulumiStack":
        if self._opened:
            return self._opened
        self.require()
        from pulumi.automation import (
            CommandError,
            LocalWorkspaceOptions,
            StackNotFoundError,
            create_or_select_stack,
            select_stack,
        )

        options = LocalWorkspaceOptions(
            env_vars=self.home.environment,
            secrets_provider=self.home.secrets or None,
            pulumi_command=self._command,
        )
        if self.home.folder:
            self.home.folder.mkdir(parents=True, exist_ok=True)
        make = create_or_select_stack if create else select_stack
        try:
            self._opened = make(self.name, work_dir=str(self.folder), opts=options)
        except StackNotFoundError:
            raise
        except CommandError as error:
            self._translate(error, "open")
        return self._opened

    def _state(self) -> dict[str, Any]:
        state: dict[str, Any] = json.loads(self.exported()).get("deployment") or {}
        return state

    def _pulumi(self, *words: str) -> str:
        """What it prints."""
        self._open(create=False)
        run = partial(self.require().run, [*words, "--stack", self.name], str(self.folder))
        said: str = self._asked(lambda: run(self.home.environment)).stdout
        return said

    def _asked(self, ask: Callable[[], Any]) -> Any:
        from pulumi.automation import CommandError

        try:
            return ask()
        except CommandError as error:
            self._translate(error, "read")

    def _followed(self, act: Callable[..., Any]) -> Generator[Progress, None, dict[str, int]]:
        counts: dict[str, int] = {}
        for event in self._events(act, "run"):
            if step := self._step(event) or self._warning(event):
                yield step
            if event.summary_event:
                found = event.summary_event.resource_changes
                counts = {str(op): number for op, number in found.items() if str(op) != "same"}
        return counts

    def _step(self, event: "EngineEvent") -> Progress | None:
        for found, mark in (
            (event.resource_pre_event, Mark.RUNNING),
            (event.res_outputs_event, Mark.DONE),
            (event.res_op_failed_event, Mark.FAILED),
        ):
            change = _change(found.metadata) if found else None
            if change:
                word = _PAST.get(change.action, change.action)
                said = f"{change.action} failed" if mark is Mark.FAILED else word
                said = f"{change.action}" if mark is Mark.RUNNING else said
                subject = f"{change.type} {change.name}"
                return Progress(Stage.PROVISION, mark, subject, said, self._environment)
        return None

    def _warning(self, event: "EngineEvent") -> Progress | None:
        """What a program or a provider warns of, once: an update says what its preview said."""
        told = event.diagnostic_event
        if told is None or told.severity != "warning":
            return None
        said = " ".join(told.message.split())
        if not said or said in self._warnings:
            return None
        self._warnings.add(said)
        subject = " ".join(_words(told.urn)) if told.urn else ""
        return Progress(Stage.PROVISION, Mark.INFO, subject, f"warning: {said}", self._environment)

    def _events(self, act: Callable[..., Any], doing: str) -> Generator["EngineEvent", None, None]:
        """The engine's events while `act` runs; then what it raised, in our words.

        However this ends, Pulumi has ended too: interrupted once, it writes down what it did.
        """
        told: queue.Queue[Any] = queue.Queue()
        heard: list[str] = []

        def work() -> None:
            try:
                act(on_event=told.put, color="never", suppress_progress=True)
                told.put(None)
            except BaseException as error:  # noqa: BLE001 - it is raised again, where it is heard
                told.put(error)

        worker = threading.Thread(target=work, daemon=True)
        worker.start()
        try:
            while not isinstance(event := told.get(), BaseException | None):
                if event.diagnostic_event and event.diagnostic_event.severity == "error":
                    heard.append(event.diagnostic_event.message)
                yield event
        finally:
            if worker.is_alive():
                self._interrupts.interrupt()
                worker.join(_GRACE)
                self._interrupts.kill()
        if event is not None:
            self._translate(event, doing, heard)

    def _translate(self, error: BaseException, doing: str, heard: Sequence[str] = ()) -> NoReturn:
        from pulumi.automation import CommandError

        if not isinstance(error, CommandError):
            raise error
        where = f"stack {self.name} of {self.folder.name}/"
        if problem := ending(str(error), where, self.cancel):
            raise problem from None
        said = failed(heard, str(error))
        kind = PreconditionError if doing in ("open", "previewing") else RemoteError
        raise kind(
            f"{where} could not be {_DONE[doing]}",
            said,
            "mend it and run this again: what was made is on record, and is not made twice",
        ) from None


_DONE = {"open": "opened", "previewing": "previewed", "read": "read", "run": "brought up to date"}


def _change(metadata: Any) -> StackChange | None:
    """None for what stays, and for the stack itself."""
    action = _ACTIONS.get(str(getattr(metadata.op, "value", metadata.op)))
    if action is None or metadata.type.startswith("pulumi:"):
        return None
    state = metadata.old or metadata.new
    keys = tuple(metadata.diffs or ()) if action in ("update", "replace") else ()
    type_, name = _words(metadata.urn)
    return StackChange(action, type_, name, keys, bool(state and state.protect))


def _words(urn: str) -> tuple[str, str]:
    """`aws:ec2/vpc:Vpc` is written aws:ec2:Vpc, as Pulumi shows it."""
    kind, name = urn.split("::", 3)[2:]
    package, module, type_ = [*kind.rpartition("$")[2].split(":"), "", ""][:3]
    return f"{package}:{module.partition('/')[0]}:{type_}", name


def _pending(state: dict[str, Any]) -> tuple[Pending, ...]:
    return tuple(
        Pending(o["type"], *_words(o["resource"]["urn"]))
        for o in state.get("pending_operations") or ()
    )


def _is_made(kind: str) -> bool:
    """Providers have ids too, but only Pulumi's own."""
    return not kind.startswith("pulumi:")
