"""What `check` looks at a cluster with, and how what it may not see is said."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from shipit.errors import PreconditionError, RemoteError, ShipitError
from shipit.model.deployment import Desired, Finding
from shipit.targets.kubernetes import refusals
from shipit.targets.kubernetes.client import Cluster
from shipit.targets.kubernetes.grants import There

Json = dict[str, Any]


class Look(msgspec.Struct, frozen=True):
    """`objects` are what would be applied, None while there is no release, and `tasks` the Jobs
    beside them; `selector` finds what is there already, `there` is what its ApplySet names; `kind`
    is the target's: kubernetes, gke or eks."""

    cluster: Cluster
    kind: str
    selector: str
    desired: Desired | None
    objects: Sequence[Json] | None
    tasks: Sequence[Json] = ()
    there: There = There()

    def of_kind(self, *kinds: str) -> list[Json]:
        return [one for one in self.objects or () if one["kind"] in kinds]


def guarded(
    subject: str, look_at: Callable[[Look], Iterator[Finding]], look: Look
) -> Iterator[Finding]:
    """Each by itself: what may not be looked at is a warning, and never fine."""
    try:
        yield from look_at(look)
    except RemoteError as error:
        if refusals.is_forbidden(error):
            what = f"not verified: {refusals.in_words(error)}"
            yield Finding("warning", subject, what)
        else:
            yield wrong(subject, error)
    except PreconditionError as error:
        yield wrong(subject, error)


def wrong(subject: str, error: ShipitError) -> Finding:
    what = f"{error.what}: {error.why}" if error.why else error.what
    return Finding("error", subject, what, error.next_step)
