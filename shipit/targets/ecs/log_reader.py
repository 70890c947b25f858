"""Containers' logs in CloudWatch Logs, as they are written."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

import msgspec

from shipit.errors import RemoteError
from shipit.targets.ecs import log_driver
from shipit.targets.ecs.cloud import Cloud, code_of
from shipit.targets.ecs.names import last_part

Json = dict[str, Any]
POLL = 1.0  # seconds between two looks at a log that is followed


class Source(msgspec.Struct, frozen=True):
    """`name` is what people see: service/task."""

    name: str
    group: str
    stream: str


def sources(task: Json, definition: Json) -> list[Source]:
    """The logs of a task's containers; one that writes elsewhere has none here."""
    task_id = last_part(task["taskArn"])
    found = []
    for container in definition.get("containerDefinitions") or ():
        name = str(container["name"])
        where = log_driver.stream(container.get("logConfiguration"), name, task_id)
        if where:
            found.append(Source(f"{name}/{task_id[:8]}", *where))
    return found


class Reader:
    """One log from a place on: each `read` gives what is new."""

    def __init__(self, cloud: Cloud, source: Source, since: datetime | None = None) -> None:
        self.source = source
        self._cloud, self._since = cloud, since
        self._token = ""

    def read(self) -> list[str]:
        """Empty while there is no such log yet. Raises RemoteError."""
        lines: list[str] = []
        while True:
            before = self._token
            answer = self._page()
            lines += [str(e["message"]).rstrip("\n") for e in answer.get("events") or ()]
            self._token = str(answer.get("nextForwardToken") or before)
            # At the end CloudWatch gives the token that it was asked with.
            if self._token == before or not answer.get("events"):
                return lines

    def last(self, count: int) -> list[str]:
        """The last lines; `read` goes on after them."""
        lines = self.read()
        return lines[-count:] if count else []

    def _page(self) -> Json:
        asked: Json = {
            "logGroupName": self.source.group,
            "logStreamName": self.source.stream,
            "startFromHead": True,
            **({"nextToken": self._token} if self._token else {}),
            **({"startTime": int(self._since.timestamp() * 1000)} if self._since else {}),
        }
        try:
            return self._cloud.call("logs", "get_log_events", **asked)
        except RemoteError as error:
            if code_of(error) == "ResourceNotFoundException":
                return {}
            raise


def lines(
    readers: Sequence[Reader],
    *,
    follow: bool,
    tail: int | None,
    pause: Callable[[float], None],
) -> Iterator[tuple[str, str]]:
    """(container, line) of several logs."""
    for reader in readers:
        found = reader.read() if tail is None else reader.last(tail)
        yield from ((reader.source.name, line) for line in found)
    while follow and readers:
        pause(POLL)
        for reader in readers:
            yield from ((reader.source.name, line) for line in reader.read())
