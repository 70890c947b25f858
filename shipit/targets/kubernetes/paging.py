"""A whole list, read in pages.

kubernetes.io, "Kubernetes API Concepts", Retrieving large results sets in chunks: all pages are of
one moment, whose version each of them names; a `continue` that is too old is answered with 410, and
then a client starts from the beginning, or leaves the limit out.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec

from shipit.errors import RemoteError
from shipit.targets.kubernetes.connection import Call, Connection, Query
from shipit.targets.kubernetes.refusals import GONE, decoded

T = TypeVar("T")
PAGE = 500  # objects of one answer, as kubectl asks


class ListMeta(msgspec.Struct, frozen=True):
    resource_version: str = msgspec.field(default="", name="resourceVersion")
    more: str = msgspec.field(default="", name="continue")


class Page(msgspec.Struct, Generic[T], frozen=True):
    """A list, or a part of one."""

    metadata: ListMeta = ListMeta()
    items: list[T] = []


P = TypeVar("P")


def pages(
    connection: Connection,
    path: str,
    query: Query,
    decoder: "msgspec.json.Decoder[Page[T]]",
    beside: Callable[[bytes, str], P],
) -> list[tuple[Page[T], P]]:
    """Every page, and what `beside(body, title)` makes of it. Begun again, and then in one piece,
    when it grew too old between two pages: what went away meanwhile is not in it. Raises what
    `Connection.ask` does."""
    found: list[tuple[Page[T], P]] = []
    limit, more = [("limit", str(PAGE))], ""
    while True:
        going_on = [("continue", more)] if more else []
        call = Call("GET", path, [*query, *limit, *going_on])
        try:
            body = connection.ask(call)
        except RemoteError as error:
            if error.status != GONE or not more:
                raise
            found, limit, more = [], [], ""
            continue
        page = decoded(body, decoder, call.title)
        found.append((page, beside(body, call.title)))
        more = page.metadata.more
        if not more:
            return found
