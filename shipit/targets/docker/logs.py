"""What containers wrote. The engine frames it (Engine API, "Attach to a container", Stream format),
unless the container has a terminal."""

import queue
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from shipit.errors import ShipitError
from shipit.targets.docker.containers import Container
from shipit.targets.engine.client import Engine

_HEADER = 8  # bytes: stream, three zeros, the payload's length
_LAST = 20
_LONGEST = 1000  # characters of a line that is kept with a failure: the ledger keeps it for ever


def last_lines(engine: Engine, container: Container, count: int = _LAST) -> tuple[str, ...]:
    """The end of what it wrote, in all its lives; empty when the engine cannot tell."""
    try:
        said = tuple(lines(engine, container, tail=count))[-count:]
    except (ShipitError, OSError):
        return ()
    return tuple(s if len(s) <= _LONGEST else f"{s[: _LONGEST - 1]}…" for s in said)


def lines(
    engine: Engine,
    container: Container,
    *,
    follow: bool = False,
    tail: int | None = None,
    since: float | None = None,
    silence: float | None = 30.0,
) -> Iterator[str]:
    """As they are written. `since` is in seconds of the engine's clock."""
    query: dict[str, Any] = {"stdout": 1, "stderr": 1, "follow": int(follow)}
    query["tail"] = "all" if tail is None else tail
    if since is not None:
        query["since"] = f"{since:.3f}"
    chunks = engine.stream(f"/containers/{container.id}/logs", silence=silence, **query)
    rest = b""
    for payload in chunks if container.tty else _payloads(chunks):
        *whole, rest = (rest + payload).split(b"\n")
        yield from (_text(line) for line in whole)
    if rest:
        yield _text(rest)


def interleaved(
    engine: Engine,
    containers: Sequence[Container],
    *,
    follow: bool,
    tail: int | None,
    since: float | None,
) -> Iterator[tuple[str, str]]:
    """(container's name, line) of several containers, in the order in which they arrive."""
    arrived: queue.SimpleQueue[tuple[str, str] | None] = queue.SimpleQueue()

    def read(container: Container) -> None:
        one = Engine(engine.address)
        try:
            for line in lines(one, container, follow=follow, tail=tail, since=since, silence=None):
                arrived.put((container.name, line))
        except (ShipitError, OSError) as error:
            arrived.put((container.name, f"(its log ended: {error})"))
        finally:
            one.close()
            arrived.put(None)

    for container in containers:
        threading.Thread(target=read, args=(container,), daemon=True).start()
    open_logs = len(containers)
    while open_logs:
        item = arrived.get()
        open_logs -= item is None
        if item is not None:
            yield item


def _payloads(chunks: Iterable[bytes]) -> Iterator[bytes]:
    held = b""
    for chunk in chunks:
        held += chunk
        while len(held) >= _HEADER:
            end = _HEADER + int.from_bytes(held[4:_HEADER], "big")
            if len(held) < end:
                break
            yield held[_HEADER:end]
            held = held[end:]


def _text(line: bytes) -> str:
    return line.rstrip(b"\r").decode(errors="replace")
