"""Nodes into the typed model, by the model's own types; every problem with its place and path.

msgspec checks the same constraints but does not say under which key of a dictionary, so the walk
is ours and msgspec only builds the values at its end.
"""

import re
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import msgspec
from msgspec import inspect

from shipit.config.document import MAX_NODES, Entry, Mapping, Node, Scalar, Sequence, plain, size
from shipit.errors import ConfigurationError, did_you_mean

T = TypeVar("T")
_MOST_SHOWN = 10


def decode(node: Node, kind: type[T], file: str) -> T:
    """Raises one ConfigurationError: the first problem, and the others as its `why`."""
    walk = _Walk(file)
    value = walk.read(node, inspect.type_info(kind), "")
    refuse(walk.problems)
    return msgspec.convert(value, kind)


def refuse(problems: list[ConfigurationError]) -> None:
    """Raise when there are any: the first in the file, the others as its `why`."""
    if not problems:
        return
    first, *others = sorted(problems, key=lambda p: (p.line, p.column))
    lines = [problem.what for problem in others[:_MOST_SHOWN]]
    if len(others) > _MOST_SHOWN:
        lines.append(f"and {len(others) - _MOST_SHOWN} more")
    first.why = "\n".join([*([first.why] if first.why else []), *lines])
    raise first


def free(key: str) -> bool:
    """Keys that start with x- are the user's own, as in the Compose Specification."""
    return key.startswith("x-")


def without_free(node: Mapping) -> dict[str, Entry]:
    return {key: entry for key, entry in node.entries.items() if not free(key)}


def _inner(kind: inspect.Type, node: Node | None = None) -> tuple[inspect.Type, str]:
    """The type under its annotations and `| None`, and the form that its pattern wants. Of several
    types (`text | list`) the one that `node` is, else the first."""
    form = ""
    while True:
        if isinstance(kind, inspect.Metadata):
            form = (kind.extra or {}).get("form", form)
            kind = kind.type
        elif isinstance(kind, inspect.UnionType):
            several = [t for t in kind.types if not isinstance(t, inspect.NoneType)]
            wanted = _WRITTEN_AS.get(type(node))
            kind = next((t for t in several if type(t) is wanted), several[0])
        else:
            return kind, form


_WRITTEN_AS: dict[type, type] = {
    Mapping: inspect.DictType,
    Sequence: inspect.VarTupleType,
    Scalar: inspect.StrType,
}


def _is_optional(kind: inspect.Type) -> bool:
    while isinstance(kind, inspect.Metadata):
        kind = kind.type
    return isinstance(kind, inspect.UnionType) and any(
        isinstance(t, inspect.NoneType) for t in kind.types
    )


def _fits(pattern: str, text: str) -> bool:
    """As JSON Schema reads patterns, where `$` is the end and not a line's."""
    return re.search(re.sub(r"\$$", r"\\Z", pattern), text) is not None


def found(node: Node) -> str:
    """What a person would call it."""
    if isinstance(node, Mapping):
        return "a mapping"
    if isinstance(node, Sequence):
        return "a list"
    if node.value is None:
        return "nothing"
    if isinstance(node.value, str):
        return f"the text {node.text[:40]!r}"
    return node.text


def joined(path: str, key: str | int) -> str:
    if isinstance(key, int):
        return f"{path}[{key}]"
    return f"{path}.{key[:80]}" if path else key[:80]


class _Wanted(NamedTuple):
    """A type of the model (one of msgspec.inspect's) and the form that its pattern wants."""

    type: Any
    form: str


class _Walk:
    """The values read so far and the problems met on the way."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[ConfigurationError] = []
        self.nodes = 0

    def problem(self, node: Node | Entry, path: str, what: str) -> None:
        self.problems.append(
            ConfigurationError(what, file=self.file, line=node.line, column=node.column, path=path)
        )

    def count(self, nodes: int, node: Node, path: str) -> None:
        """What aliases repeat is counted each time: an alias bomb ends here."""
        self.nodes += nodes
        if self.nodes > MAX_NODES:
            self.problem(node, path, f"more than {MAX_NODES:,} values once aliases are read")
            raise self.problems[-1]

    def read(self, node: Node, kind: inspect.Type, path: str) -> Any:
        inner, form = _inner(kind, node)
        anything = isinstance(inner, inspect.AnyType)
        self.count(size(node) if anything else 1, node, path)
        empty = isinstance(node, Scalar) and node.value is None
        if empty and _is_optional(kind):
            # `docker:` with nothing under it means "with its defaults", as in compose files.
            return {} if isinstance(inner, inspect.StructType) else None
        reader = _READERS.get(type(inner))
        return reader(self, node, _Wanted(inner, form), path) if reader else plain(node)

    def mapping_of_fields(self, node: Node, kind: _Wanted, path: str) -> Any:
        if not isinstance(node, Mapping):
            return self.problem(node, path, f"expected a mapping, found {found(node)}")
        fields = {field.encode_name: field for field in kind.type.fields}
        value = {}
        for key, entry in without_free(node).items():
            if key in fields:
                value[key] = self.read(entry.value, fields[key].type, joined(path, key))
            else:
                unknown = f"unknown key{did_you_mean(key, [*fields])}"
                self.problem(entry, joined(path, key), unknown)
        for name, field in fields.items():
            if field.required and name not in node.entries:
                self.problem(node, joined(path, name), "missing; it has to be here")
        return value

    def mapping_of_names(self, node: Node, kind: _Wanted, path: str) -> Any:
        if not isinstance(node, Mapping):
            return self.problem(node, path, f"expected a mapping, found {found(node)}")
        key_type, form = _inner(kind.type.key_type)
        pattern = getattr(key_type, "pattern", None)
        entries = without_free(node)
        for key, entry in entries.items():
            if pattern and not _fits(pattern, key):
                self.problem(entry, joined(path, key), f"expected {form}, found {key[:80]!r}")
        if len(entries) < (kind.type.min_length or 0):
            self.problem(node, path, "empty; there has to be at least one")
        return {
            key: self.read(entry.value, kind.type.value_type, joined(path, key))
            for key, entry in entries.items()
        }

    def sequence(self, node: Node, kind: _Wanted, path: str) -> Any:
        if not isinstance(node, Sequence):
            return self.problem(node, path, f"expected a list, found {found(node)}")
        if len(node.items) < (kind.type.min_length or 0):
            self.problem(node, path, "empty; there has to be at least one")
        return [
            self.read(item, kind.type.item_type, joined(path, n))
            for n, item in enumerate(node.items)
        ]

    def text(self, node: Node, kind: _Wanted, path: str) -> Any:
        """Unquoted numbers and booleans are the text that was written: `version: 1.10`."""
        if not isinstance(node, Scalar) or node.value is None:
            return self.problem(node, path, f"expected text, found {found(node)}")
        if kind.type.pattern and not _fits(kind.type.pattern, node.text):
            self.problem(node, path, f"expected {kind.form}, found {found(node)}")
        return node.text

    def whole_number(self, node: Node, kind: _Wanted, path: str) -> Any:
        value = node.value if isinstance(node, Scalar) else None
        if not isinstance(value, int) or isinstance(value, bool):
            return self.problem(node, path, f"expected a whole number, found {found(node)}")
        if kind.type.ge is not None and value < kind.type.ge:
            self.problem(node, path, f"expected at least {kind.type.ge}, found {value}")
        if kind.type.le is not None and value > kind.type.le:
            self.problem(node, path, f"expected at most {kind.type.le}, found {value}")
        return value

    def boolean(self, node: Node, _: _Wanted, path: str) -> Any:
        if not isinstance(node, Scalar) or not isinstance(node.value, bool):
            return self.problem(node, path, f"expected true or false, found {found(node)}")
        return node.value


_READERS: dict[type, Callable[[_Walk, Node, _Wanted, str], Any]] = {
    inspect.StructType: _Walk.mapping_of_fields,
    inspect.DictType: _Walk.mapping_of_names,
    inspect.VarTupleType: _Walk.sequence,
    inspect.StrType: _Walk.text,
    inspect.IntType: _Walk.whole_number,
    inspect.BoolType: _Walk.boolean,
}
