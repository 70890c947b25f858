"""What `docker buildx build` says while it works, as steps: from `--progress=rawjson` where this
buildx has it, else from `--progress=plain`.

Source: moby/buildkit client/graph.go (SolveStatus) and util/progress/progressui/printer.go.
"""

import base64
import json
import re
from collections import deque
from collections.abc import Iterator
from typing import Any, Protocol

import msgspec

# BuildKit's own housekeeping, which is shown to nobody unless it fails.
_INTERNAL = re.compile(r"\[(\S+ )?internal\]|\[auth\]")


class Step(msgspec.Struct, frozen=True):
    """A step that began (or was found in the cache), or a line that it wrote, or how it failed."""

    name: str
    cached: bool = False
    line: str = ""
    error: str = ""

    @property
    def internal(self) -> bool:
        return bool(_INTERNAL.match(self.name))


class Dialect(Protocol):
    """`flag` is the value of --progress; `read` takes a line and gives the steps that it tells."""

    flag: str

    def read(self, line: str) -> Iterator[Step]: ...


class RawJson:
    """Objects, indented over several lines (buildx 0.13) or one a line (later ones)."""

    flag = "rawjson"

    def __init__(self) -> None:
        self._open: list[str] = []
        self._names: dict[str, str] = {}
        self._begun: set[str] = set()

    def read(self, line: str) -> Iterator[Step]:
        if not self._open and not line.startswith("{"):
            yield Step("", line=line)
            return
        self._open.append(line)
        if line.endswith("}") and (line == "}" or len(self._open) == 1):
            text = "\n".join(self._open)
            self._open.clear()
            yield from self._status(json.loads(text))

    def _status(self, status: dict[str, Any]) -> Iterator[Step]:
        for vertex in status.get("vertexes") or ():
            yield from self._vertex(vertex)
        for log in status.get("logs") or ():
            name = self._names.get(log["vertex"], "")
            for line in base64.b64decode(log["data"]).decode(errors="replace").splitlines():
                yield Step(name, line=line)
        for warning in status.get("warnings") or ():
            short = base64.b64decode(warning.get("short") or "").decode(errors="replace")
            yield Step(self._names.get(warning["vertex"], ""), line=f"warning: {short}")

    def _vertex(self, vertex: dict[str, Any]) -> Iterator[Step]:
        key, name = vertex["digest"], vertex["name"]
        self._names[key] = name
        if vertex.get("started") and key not in self._begun:
            self._begun.add(key)
            yield Step(name, cached=bool(vertex.get("cached")))
        if vertex.get("error"):
            yield Step(name, error=vertex["error"])


_NUMBERED = re.compile(r"#(\d+) (.*)")
_TIMED = re.compile(r"\d+\.\d+ (.*)")
_PLUMBING = re.compile(r"DONE \d|CACHED$|CANCELED$|\.\.\.$")


class Plain:
    """`#4 [base 1/3] COPY ...`, then `#4 CACHED`, `#4 0.145 a line`, `#4 ERROR: why`."""

    flag = "plain"

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._repeating = False

    def read(self, line: str) -> Iterator[Step]:
        found = _NUMBERED.match(line)
        if not found:
            yield from self._unnumbered(line)
            return
        key, said = found.groups()
        if key == "0" or (_PLUMBING.match(said) and said != "CACHED"):
            return
        yield self._step(key, said)

    def _unnumbered(self, line: str) -> Iterator[Step]:
        """What buildx says itself, without the failing step's lines, which it repeats in a box."""
        if line == "------":
            self._repeating = not self._repeating
        elif line.strip() and not self._repeating:
            yield Step("", line=line)

    def _step(self, key: str, said: str) -> Step:
        name = self._names.setdefault(key, said)
        if said == name:
            return Step(name)
        if said.startswith("ERROR: "):
            return Step(name, error=said.removeprefix("ERROR: "))
        if said == "CACHED":
            return Step(name, cached=True)
        timed = _TIMED.match(said)
        return Step(name, line=timed.group(1) if timed else said)


class Transcript:
    """What is needed when a build fails: the step, its error, and the last lines of its output."""

    def __init__(self, lines: int = 20) -> None:
        self._wanted = lines
        # Stages build side by side, so that the failing step's lines are among others'.
        self._lines: deque[tuple[str, str]] = deque(maxlen=lines * 20)
        self.step = ""
        self.error = ""

    def add(self, step: Step) -> None:
        if step.line.startswith("ERROR: ") and not step.name:
            self.error = self.error or step.line.removeprefix("ERROR: ")
        elif step.line:
            self._lines.append((step.name, step.line))
        if step.error and not self.error and "context canceled" not in step.error:
            self.step, self.error = step.name, step.error

    @property
    def tail(self) -> str:
        """The failing step's own lines; where it wrote none, all that was said."""
        own = [line for name, line in self._lines if name == self.step and self.step]
        return "\n".join((own or [line for _, line in self._lines])[-self._wanted :])
