"""What the containers of the fake node have written."""

import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

_Key = tuple[str, str]  # the pod's path, the container


class Logs:
    """Runs of a container are kept one after another; the last is what `logs` asks for."""

    def __init__(self) -> None:
        self._lines: dict[_Key, list[list[str]]] = {}
        self._open: set[_Key] = set()
        self._changed = threading.Condition()

    def begin(self, pod: str, container: str, lines: Sequence[str]) -> None:
        with self._changed:
            self._lines.setdefault((pod, container), []).append([])
            self._open.add((pod, container))
        for line in lines:
            self.write(pod, container, line)

    def write(self, pod: str, container: str, line: str) -> None:
        at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        with self._changed:
            self._lines[pod, container][-1].append(f"{at} {line}")
            self._changed.notify_all()

    def end(self, pod: str, container: str = "") -> None:
        """No more is written by this run: of one container, or of all of the pod's."""
        with self._changed:
            self._open = {
                key for key in self._open if key[0] != pod or (container and key[1] != container)
            }
            self._changed.notify_all()

    def count(self, pod: str, container: str, *, previous: bool = False) -> int:
        """Lines until now. Raises KeyError for a run that there is not."""
        with self._changed:
            return len(self._run(pod, container, previous=previous))

    def read(
        self, pod: str, container: str, *, previous: bool = False, follow: bool = False
    ) -> Iterator[str]:
        """Lines with their time in front. Raises KeyError for a run that there is not."""
        with self._changed:
            lines = self._run(pod, container, previous=previous)
        at = 0
        while True:
            with self._changed:
                while follow and at == len(lines) and self._is_open(pod, container, lines):
                    self._changed.wait(1.0)
                new = lines[at:]
            yield from new
            at += len(new)
            if not new or not follow:
                return

    def _run(self, pod: str, container: str, *, previous: bool) -> list[str]:
        found = self._lines[pod, container]
        if previous and len(found) < 2:
            raise KeyError(container)
        return found[-2 if previous else -1]

    def _is_open(self, pod: str, container: str, lines: list[str]) -> bool:
        return (pod, container) in self._open and self._lines[pod, container][-1] is lines
