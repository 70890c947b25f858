"""A stack, from the preview to the record of its outputs.

Application deployments stay out of it: they read the outputs from the ledger, and need no Pulumi.
"""

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from shipit.delivery.project import Project
from shipit.errors import PreconditionError
from shipit.ledger.store import open_store
from shipit.model import codec
from shipit.model.events import Event, StackDestroyed, StackProvisioned
from shipit.model.progress import Mark, Progress, Stage
from shipit.model.stack import Provisioned, StackPlan
from shipit.provision import words

if TYPE_CHECKING:
    from shipit.provision.stack import Pending, Stack

_SHOWN = 5  # resources that a message names


class Provisioning(msgspec.Struct):
    """A stack and whose it is. `environment` is empty for the account's own."""

    project: Project
    environment: str
    stack: "Stack"

    def begin(
        self, *, refresh: bool = False, leaving: bool = False
    ) -> Generator[Progress, None, None]:
        """Looks for what an earlier run left behind, before anything is asked of a cloud, and
        changes nothing. `leaving`: the stack is to go.

        Raises LeasedError for a lock, PreconditionError for operations in the middle that no
        refresh is going to forget.
        """
        self.stack.require()
        self._unlocked(self.stack)
        pending = self.stack.pending() if self.stack.exists() else ()
        if not pending:
            return
        what = f"stack {self.stack.name} was interrupted in the middle of " + ", ".join(
            f"{p.action} {p.type} {p.name}" for p in pending
        )
        if not refresh:
            raise self._in_the_middle(what, pending, leaving=leaving)
        yield self._said(f"{what}: a refresh forgets it")

    def _in_the_middle(
        self, what: str, pending: "tuple[Pending, ...]", *, leaving: bool
    ) -> PreconditionError:
        """What was being created is on record nowhere, and a refresh does not find it."""
        creating = any(p.action == "creating" for p in pending)
        command = self.stack.refreshing if leaving else f"{self._verb} --refresh"
        made = "look for what it was creating in the cloud, delete what is there of it, then "
        reads = "which reads the rest again" if creating else "which reads it again"
        return PreconditionError(
            what,
            "nobody saw how that ended: the cloud may have"
            f" {'the resource' if creating else 'the change'}, and the state not",
            f"{made if creating else ''}run `{command}`, {reads}"
            f"{', and this once more' if leaving else ''}",
        )

    def preview(self, *, refresh: bool = False) -> Generator[Progress, None, StackPlan]:
        """What `up` would do; nothing is changed, and no state written."""
        return (yield from self.stack.preview(refresh=refresh))

    def up(self, *, refresh: bool = False) -> Generator[Progress, None, Provisioned]:
        """`refresh`: first every resource is read again from its cloud."""
        self._unlocked(self.stack)
        if refresh:
            yield from self._refreshed()
        done = yield from self.stack.up()
        return self._recorded(done)

    def _refreshed(self) -> Generator[Progress, None, None]:
        if not self.stack.exists():
            return
        counts = yield from self.stack.refresh()
        said = ", ".join(f"{number} {what}" for what, number in counts.items())
        yield self._said(f"read again: {said or 'as it is on record'}")

    def _recorded(self, done: Provisioned) -> Provisioned:
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
        self._unlocked(self.stack)
        if not self.stack.exists():
            raise PreconditionError(
                f"there is no stack {self.stack.name}", next_step="there is nothing to destroy"
            )
        if kept := self.stack.protected():
            raise PreconditionError(
                f"stack {self.stack.name} is protected: {_some(kept)}",
                "what is protected is not deleted by a command",
                f"set `protect: false` in its settings in shipit.yaml, `{self._verb}`, then"
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

    def _unlocked(self, stack: "Stack") -> None:
        """Where Pulumi's state is in a store that shipit reads too; a service says it itself."""
        if not stack.home.store:
            return
        store = open_store(stack.home.store, self.project.root)
        for name in store.list(stack.locks):
            found = store.get(f"{stack.locks}/{name}")
            lock: dict[str, Any] = codec.decode(found, dict[str, Any]) if found else {}
            owner = "{username}@{hostname} pid {pid}, since {timestamp}".format_map(
                {k: lock.get(k, "?") for k in ("username", "hostname", "pid", "timestamp")}
            )
            where = f"stack {stack.name} of {stack.folder.name}/"
            raise words.locked(where, owner, stack.cancel)


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}"
