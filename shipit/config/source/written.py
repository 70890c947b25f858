"""An object of somebody's own, and the place that it is from."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from shipit.config.document import Mapping, Node, Scalar, Sequence, plain
from shipit.errors import ConfigurationError

Json = dict[str, Any]
Steps = Iterable[str | int]

_MOST_BYTES = 16 << 20  # a chart with its custom resource definitions has one or two


class Written(msgspec.Struct, frozen=True):
    """`file` is what a person calls it: a file from shipit.yaml's folder, or the program that
    rendered it. `node` knows the lines; None where they are no person's. An ECS definition has its
    `part` (task_definition or service) and the `name` that it was given in shipit.yaml."""

    body: Json
    file: str
    node: Node | None = None
    part: str = ""
    name: str = ""

    def wrong(
        self, what: str, steps: Steps = (), why: str = "", next_step: str = ""
    ) -> ConfigurationError:
        """At the deepest part of `steps` that is there; the whole of it is the error's path."""
        several = tuple(steps)
        line, column = place(self.node, several) if self.node else (0, 0)
        return ConfigurationError(
            what,
            file=self.file,
            line=line,
            column=column,
            path=in_words(several),
            why=why,
            next_step=next_step,
        )


def place(node: Node, steps: Steps) -> tuple[int, int]:
    """Line and column of what is there of these steps: of its key, where it has one."""
    line, column = node.line, node.column
    for step in steps:
        if isinstance(node, Mapping) and step in node.entries:
            entry = node.entries[str(step)]
            line, column, node = entry.line, entry.column, entry.value
        elif isinstance(node, Sequence) and isinstance(step, int) and step < len(node.items):
            node = node.items[step]
            line, column = node.line, node.column
        else:
            break
    return line, column


def in_words(steps: Steps) -> str:
    """`spec.containers[0].image`."""
    path = ""
    for step in steps:
        path += f"[{step}]" if isinstance(step, int) else f".{step}"
    return path.removeprefix(".")


def mapping(node: Node | None, file: str) -> Json:
    """The mapping that `node` has to be. Raises ConfigurationError."""
    if isinstance(node, Mapping):
        found: Json = plain(node)
        return found
    line, column = (node.line, node.column) if node else (1, 1)
    what = "a list" if isinstance(node, Sequence) else "text"
    what = "nothing" if node is None or (isinstance(node, Scalar) and not node.text) else what
    raise ConfigurationError(
        f"expected a mapping, found {what}", file=file, line=line, column=column
    )


def text(root: Path, name: str, at: str) -> str:
    """The file's text. `at` is where shipit.yaml names it. Raises ConfigurationError."""
    try:
        content = (root / name).read_bytes()
    except FileNotFoundError:
        raise missing(name, at) from None
    except OSError as error:
        raise ConfigurationError(f"cannot be read: {error.strerror}", file=name) from None
    if len(content) > _MOST_BYTES:
        raise ConfigurationError("larger than 16 MiB, which is the most", file=name)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigurationError("not UTF-8 text", file=name, line=line) from None


def missing(name: str, at: str, what: str = "file") -> ConfigurationError:
    return ConfigurationError(
        f"there is no {what} {name}",
        file="shipit.yaml",
        path=at,
        next_step="paths start in shipit.yaml's folder",
    )
