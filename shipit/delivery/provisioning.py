"""An environment's stack, from the preview to the record of its outputs.

Application deployments stay out of it: they read the outputs from the ledger, and need no Pulumi.
"""

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import msgspec

from shipit.delivery.project import Project
from shipit.errors import PreconditionError, UsageError
from shipit.ledger.store import open_store
from shipit.model import codec
from shipit.model.events import Event, StackDestroyed, StackProvisioned
from shipit.model.pipeline import Environment
from shipit.model.progress import Mark, Progress, Stage
from shipit.model.stack import Provisioned, StackPlan
from shipit.provision import home, program, words

if TYPE_CHECKING:
    from shipit.provision.stack import Stack

STACKS, INFRA = "stacks", "infra"
_ACCOUNT = "account"  # infra/ has one stack: there is one of it in an account


class Provisioning(msgspec.Struct, frozen=True):
    """A stack and whose it is. `environment` is empty for the account's own."""

    project: Project
    environment: str
    stack: "Stack"

    def begin(self, *, refresh: bool) -> Generator[Progress, None, None]:
        """Looks for what an earlier run left behind, before anything is asked of a cloud.

        Raises LeasedError for a lock, PreconditionError for operations in the middle.
        """
        self.stack.require()
        self._unlocked()
        if not self.stack.exists():
            return
        if refresh:
            counts = yield from self.stack.refresh()
            said = ", ".join(f"{number} {what}" for what, number in counts.items())
            yield self._said(f"read again: {said or 'as it is on record'}")
        elif pending := self.stack.pending():
            raise PreconditionError(
                f"stack {self.stack.name} was interrupted in the middle of "
                + ", ".join(f"{p.action} {p.type} {p.name}" for p in pending),
                "nobody saw how that ended: the cloud may have the resource, and the state not",
                "look for it in the cloud, delete what is there of it, then run"
                f" `{self._verb} --refresh`, which reads the rest again",
            )

    def preview(self) -> Generator[Progress, None, StackPlan]:
        return (yield from self.stack.preview())

    def up(self) -> Generator[Progress, None, Provisioned]:
        self._unlocked()
        done = yield from self.stack.up()
        self._record(
            StackProvisioned(
                stack=done.stack,
                environment=self.environment,
                project=done.project,
                outputs=done.outputs,
            )
        )
        return done

    def leave(self) -> Generator[Progress, None, StackPlan]:
        """What `destroy` would delete. Raises PreconditionError for what is protected."""
        self._unlocked()
        if not self.stack.exists():
            raise PreconditionError(
                f"there is no stack {self.stack.name}", next_step="there is nothing to destroy"
            )
        if kept := self.stack.protected():
            raise PreconditionError(
                f"stack {self.stack.name} is protected: {', '.join(kept)}",
                "what is protected is not deleted by a command",
                "set `protect: false` in its settings in shipit.yaml, `shipit provision`, then"
                " destroy it",
            )
        return (yield from self.stack.preview(destroy=True))

    def destroy(self) -> Generator[Progress, None, Provisioned]:
        done = yield from self.stack.destroy()
        self._record(
            StackDestroyed(stack=done.stack, environment=self.environment, project=done.project)
        )
        return done

    @property
    def _verb(self) -> str:
        chosen = f"--env {self.environment}" if self.environment else "--infra"
        return f"shipit provision {chosen}"

    def _record(self, event: Event) -> None:
        self.project.ledger.commit(lambda _: [event])

    def _said(self, text: str) -> Progress:
        return Progress(Stage.PROVISION, Mark.INFO, "", text, self.environment)

    def _unlocked(self) -> None:
        """Where Pulumi's state is in a store that shipit reads too; a service says it itself."""
        place = _home(self.project, self.environment).store
        if not place:
            return
        store = open_store(place, self.project.root)
        for name in store.list(self.stack.locks):
            found = store.get(f"{self.stack.locks}/{name}")
            lock: dict[str, Any] = codec.decode(found, dict[str, Any]) if found else {}
            owner = "{username}@{hostname} pid {pid}, since {timestamp}".format_map(
                {k: lock.get(k, "?") for k in ("username", "hostname", "pid", "timestamp")}
            )
            folder = self.stack.folder.name
            where = f"stack {self.stack.name} of {folder}/"
            raise words.locked(where, owner, self.stack.name, folder)


def of_environment(project: Project, environment: str) -> Provisioning:
    """Its stack goes by the name that the target's `stack:` has, else by the environment's."""
    from shipit.provision.stack import Stack

    found = project.environment(environment)
    folder = program.project(project.root, STACKS)
    name = _name(found)
    return Provisioning(
        project, environment, Stack(folder, name, _home(project, environment), environment)
    )


def of_account(project: Project) -> Provisioning:
    """What an account has once: registries, the ledger's bucket, keys, trust."""
    from shipit.provision.stack import Stack

    folder = program.project(project.root, INFRA)
    return Provisioning(project, "", Stack(folder, _ACCOUNT, _home(project, ""), ""))


def _name(environment: Environment) -> str:
    names = {getattr(t.settings, "stack", "") for t in environment.targets.values()} - {""}
    if len(names) > 1:
        raise UsageError(
            f"{environment.name} has targets of several stacks: {', '.join(sorted(names))}",
            "an environment has one stack of its own",
            "name the same one in each, or take the others' settings by hand",
        )
    return names.pop() if names else environment.name


def _home(project: Project, environment: str) -> home.Home:
    settings = project.environment(environment).stack if environment else {}
    return home.home(project.pipeline.ledger, project.root, str(settings.get("secrets", "")))
