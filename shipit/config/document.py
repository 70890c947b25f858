"""YAML text into nodes that know where they stand: what every error about a file is built on.

Composed from PyYAML's events, so that no object is ever constructed from a tag and no nesting can
exhaust the stack. Plain scalars are resolved by YAML 1.2's core schema (section 10.3.2): `no`,
`on`, `1:30` and `2024-01-01` are text. Kubernetes' manifests alone are read as kubectl reads them.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from shipit.errors import ConfigurationError

MAX_DEPTH = 64
MAX_NODES = 100_000  # aliases counted as often as they are used: what stops an alias bomb

_NULL = re.compile(r"~|null|Null|NULL|")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]{1,18}|0o[0-7]{1,20}|0x[0-9a-fA-F]{1,15}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]{1,3})?")
# YAML 1.2 section 5.1, c-printable.
_UNPRINTABLE = re.compile(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LINE_BREAK = re.compile(r"\r\n|[\n\r\x85\u2028\u2029]")  # as libyaml counts lines
_STRING_TAGS = (None, "!", "tag:yaml.org,2002:str")


class Scalar(msgspec.Struct, frozen=True):
    """`text` as written; `value` is what the core schema makes of it."""

    line: int
    column: int
    text: str
    value: Any

    @property
    def height(self) -> int:
        return 1


class Sequence(msgspec.Struct, frozen=True):
    line: int
    column: int
    items: tuple["Node", ...]
    height: int  # levels, this one included, with aliases written out

    @property
    def children(self) -> Iterable["Node"]:
        return self.items


class Entry(msgspec.Struct, frozen=True):
    """A key, where it stands, and its value."""

    line: int
    column: int
    value: "Node"


class Mapping(msgspec.Struct, frozen=True):
    line: int
    column: int
    entries: dict[str, Entry]
    height: int

    @property
    def children(self) -> Iterable["Node"]:
        return (entry.value for entry in self.entries.values())


Node = Scalar | Sequence | Mapping


def parse(text: str, file: str) -> Node | None:
    """The one document in `text`, None when there is none. Raises ConfigurationError."""
    _refuse_unprintable(text, file)
    found = list(_Composer(text, file, _resolve).documents(1))
    return found[0] if found else None


def parse_manifests(text: str, file: str) -> Iterator[Node]:
    """Every document in `text` that is not empty, as kubectl reads it. Raises ConfigurationError.

    sigs.k8s.io/yaml is YAML 1.1 in its scalars: `yes` and `on` are true, `0644` is octal.
    """
    _refuse_unprintable(text, file)
    for node in _Composer(text, file, _resolve_as_kubectl).documents():
        if not isinstance(node, Scalar) or node.value is not None:
            yield node


def plain(node: Node) -> Any:
    """Dicts, lists, strings, numbers, booleans and None."""
    if isinstance(node, Scalar):
        return node.value
    if isinstance(node, Sequence):
        return [plain(item) for item in node.items]
    return {key: plain(entry.value) for key, entry in node.entries.items()}


def size(node: Node) -> int:
    """How many nodes there are with every alias written out; stops counting at the limit."""
    count, waiting = 0, [node]
    while waiting and count <= MAX_NODES:
        found = waiting.pop()
        count += 1
        if not isinstance(found, Scalar):
            waiting.extend(found.children)
    return count


def _refuse_unprintable(text: str, file: str) -> None:
    found = _UNPRINTABLE.search(text, 1 if text.startswith("\ufeff") else 0)
    if found:
        line = text.count("\n", 0, found.start()) + 1
        column = found.start() - text.rfind("\n", 0, found.start())
        raise ConfigurationError(
            f"not YAML: it holds the character U+{ord(found.group()):04X}, which is not text",
            file=file,
            line=line,
            column=column,
        )


def _resolve(text: str) -> Any:
    """Section 10.3.2, table of tag resolution; numbers that JSON cannot hold stay text."""
    if _NULL.fullmatch(text):
        return None
    if _BOOL.fullmatch(text):
        return text.lower() == "true"
    if _INT.fullmatch(text):
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    if _FLOAT.fullmatch(text):
        number = float(text)
        return text if number in (float("inf"), float("-inf")) else number
    return text


# go.yaml.in/yaml/v2, resolve.go, which sigs.k8s.io/yaml reads with.
_YES, _NO = ("y", "yes", "on", "true"), ("n", "no", "off", "false")
_OCTAL = re.compile(r"[-+]?0[0-7]{1,20}")
_BINARY = re.compile(r"[-+]?0b[01]{1,63}")


def _resolve_as_kubectl(text: str) -> Any:
    if text.lower() in (*_YES, *_NO) and text in (text.lower(), text.upper(), text.capitalize()):
        return text.lower() in _YES
    bare = text.replace("_", "") if text[:1] in "+-0123456789" else text
    if _OCTAL.fullmatch(bare):
        return int(bare, 8)
    if _BINARY.fullmatch(bare):
        return int(bare, 2)
    found = _resolve(bare)
    if isinstance(found, float) and found.is_integer():
        return int(found)
    return text if isinstance(found, str) else found


def _height(children: Iterable[Node]) -> int:
    return 1 + max((child.height for child in children), default=0)


class _Composer:
    """One pass over the events. `nodes` counts what has been read and what merges have copied;
    an anchor is None while its value is being read."""

    def __init__(self, text: str, file: str, resolve: Callable[[str], Any]) -> None:
        self.file = file
        self.resolve = resolve
        self.text = text
        self.nodes = 0
        self.anchors: dict[str, Node | None] = {}
        self.events = self._parsed(text)

    def _parsed(self, text: str) -> Iterator[Any]:
        """PyYAML's events, its errors turned into ours."""
        import yaml

        try:
            yield from yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        except yaml.MarkedYAMLError as error:
            raise self._invalid(error) from None
        except (yaml.YAMLError, ValueError, OverflowError) as error:
            raise ConfigurationError(f"not YAML: {error}", file=self.file) from None

    def _invalid(self, error: Any) -> ConfigurationError:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        lines = _LINE_BREAK.split(self.text)
        written = lines[line - 1] if 0 < line <= len(lines) else ""
        tab = "\t" in written[: len(written) - len(written.lstrip())]
        return ConfigurationError(
            f"not YAML: {error.problem or error.context}"
            + (f" ({error.context})" if error.problem and error.context else ""),
            file=self.file,
            line=line,
            column=column,
            next_step="indent with spaces: YAML does not allow tabs there" if tab else "",
        )

    def _wrong(self, what: str, event: Any) -> ConfigurationError:
        mark = event.start_mark
        return ConfigurationError(what, file=self.file, line=mark.line + 1, column=mark.column + 1)

    def documents(self, most: int = 0) -> Iterator[Node]:
        """One after the other; every limit holds for each. More than `most` are an error."""
        import yaml

        count = 0
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent):
                count += 1
                if most and count > most:
                    raise self._wrong("a second document starts here; one is the most", event)
                self.nodes, self.anchors = 0, {}
                yield self._node(next(self.events), 1)

    def _node(self, event: Any, depth: int) -> Node:
        import yaml

        self._count(1, event)
        self._refuse_depth(depth, event)
        if isinstance(event, yaml.AliasEvent):
            return self._aliased(event, depth)
        if event.anchor:
            self.anchors[event.anchor] = None
        node: Node
        if isinstance(event, yaml.ScalarEvent):
            node = self._scalar(event)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self._sequence(event, depth)
        else:
            node = self._mapping(event, depth)
        if event.anchor:
            self.anchors[event.anchor] = node
        return node

    def _count(self, nodes: int, event: Any) -> None:
        self.nodes += nodes
        if self.nodes > MAX_NODES:
            raise self._wrong(f"more than {MAX_NODES:,} values, counted with what is merged", event)

    def _refuse_depth(self, depth: int, event: Any) -> None:
        if depth > MAX_DEPTH:
            raise self._wrong(f"nested more than {MAX_DEPTH} levels deep", event)

    def _aliased(self, event: Any, depth: int) -> Node:
        if event.anchor not in self.anchors:
            raise self._wrong(f"*{event.anchor} refers to no anchor above it", event)
        node = self.anchors[event.anchor]
        if node is None:
            raise self._wrong(f"*{event.anchor} stands within the value that it refers to", event)
        self._refuse_depth(depth + node.height - 1, event)
        return node

    def _scalar(self, event: Any) -> Scalar:
        self._refuse_tag(event, _STRING_TAGS)
        found = _UNPRINTABLE.search(event.value)
        if found:
            raise self._wrong(f"the character U+{ord(found.group()):04X} is not text", event)
        plain_style = event.tag is None and event.implicit[0]
        mark = event.start_mark
        value = self.resolve(event.value) if plain_style else event.value
        return Scalar(mark.line + 1, mark.column + 1, event.value, value)

    def _refuse_tag(self, event: Any, allowed: tuple[str | None, ...]) -> None:
        if event.tag not in allowed:
            raise self._wrong(f"the tag {event.tag} is not used here", event)

    def _sequence(self, event: Any, depth: int) -> Sequence:
        import yaml

        self._refuse_tag(event, (None, "!", "tag:yaml.org,2002:seq"))
        items = []
        for inner in self.events:
            if isinstance(inner, yaml.SequenceEndEvent):
                break
            items.append(self._node(inner, depth + 1))
        mark = event.start_mark
        return Sequence(mark.line + 1, mark.column + 1, tuple(items), _height(items))

    def _mapping(self, event: Any, depth: int) -> Mapping:
        import yaml

        self._refuse_tag(event, (None, "!", "tag:yaml.org,2002:map"))
        entries: dict[str, Entry] = {}
        merged: dict[str, Entry] = {}
        for key in self.events:
            if isinstance(key, yaml.MappingEndEvent):
                break
            name, merge = self._key(key, depth)
            line, column = key.start_mark.line + 1, key.start_mark.column + 1
            value = self._node(next(self.events), depth + 1)
            if merge:
                self._merge(value, merged, key)
                continue
            if name in entries:
                raise self._wrong(
                    f"the key {name} is here again; the first is on line {entries[name].line}",
                    key,
                )
            entries[name] = Entry(line, column, value)
        entries = {**merged, **entries}
        mark = event.start_mark
        height = _height(entry.value for entry in entries.values())
        return Mapping(mark.line + 1, mark.column + 1, entries, height)

    def _key(self, event: Any, depth: int) -> tuple[str, bool]:
        """The key's text, and whether it is the merge key `<<` (YAML 1.1's merge type)."""
        node = self._node(event, depth + 1)
        if not isinstance(node, Scalar) or not isinstance(node.value, str):
            said = node.text if isinstance(node, Scalar) and node.text else "this key"
            raise self._wrong(f"a key is text, and {said} is not; put it in quotes", event)
        return node.value, node.value == "<<" and getattr(event, "implicit", (False,))[0]

    def _merge(self, value: Node, merged: dict[str, Entry], event: Any) -> None:
        """Of several merged mappings the earlier one wins."""
        sources = value.items if isinstance(value, Sequence) else (value,)
        for source in sources:
            if not isinstance(source, Mapping):
                raise self._wrong("<< merges mappings, and this is none", event)
            self._count(len(source.entries), event)
            for key, entry in source.entries.items():
                merged.setdefault(key, entry)
