"""GitHub's expressions, as far as our workflows use them.

Source: GitHub Docs, "Evaluate expressions in workflows and actions": loose equality, in which null
is the empty string and letters' case does not count; `&&` and `||` give back an operand.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

_TOKEN = re.compile(r"('(?:[^']|'')*'|[A-Za-z_][\w.-]*|&&|\|\||==|!=|[!(),])\s*")
_INSERTED = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
_STATUS = re.compile(r"\b(?:always|cancelled|success|failure)\(")


def insert(text: Any, known: Mapping[str, Any]) -> Any:
    """A value of the file with its expressions worked out: alone, one keeps its type."""
    if not isinstance(text, str):
        return text
    whole = _INSERTED.fullmatch(text.strip())
    if whole:
        return evaluate(whole[1], known)
    return _INSERTED.sub(lambda found: _text(evaluate(found[1], known)), text)


def holds(condition: Any, known: Mapping[str, Any], *, well: bool) -> bool:
    """An `if:`. Without a status function it asks, too, that all has gone well so far."""
    text = str(condition).strip()
    inner = _INSERTED.fullmatch(text)
    text = inner[1] if inner else text
    told = {**known, "well": well}
    return (well or bool(_STATUS.search(text))) and bool(evaluate(text, told))


def evaluate(text: str, known: Mapping[str, Any]) -> Any:
    reader = _Reader(list(_tokens(text.strip())), known)
    value = reader.either()
    assert not reader.tokens, f"not understood: {text}"
    return value


def _tokens(text: str) -> Iterator[str]:
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        assert found, f"not understood: {text}"
        yield found[1]
        at = found.end()


class _Reader:
    """By recursive descent, in the order of precedence: ||, &&, ==, !, and what stands alone."""

    def __init__(self, tokens: list[str], known: Mapping[str, Any]) -> None:
        self.tokens, self.known = tokens, known

    def either(self) -> Any:
        value = self.both()
        while self._take("||"):
            other = self.both()
            value = value or other
        return value

    def both(self) -> Any:
        value = self._compared()
        while self._take("&&"):
            other = self._compared()
            value = value and other
        return value

    def _compared(self) -> Any:
        value = self._denied()
        if self._take("=="):
            return _loose(value) == _loose(self._denied())
        if self._take("!="):
            return _loose(value) != _loose(self._denied())
        return value

    def _denied(self) -> Any:
        return not self._denied() if self._take("!") else self._alone()

    def _alone(self) -> Any:
        token = self.tokens.pop(0)
        if token == "(":
            value = self.either()
            assert self._take(")")
            return value
        if token.startswith("'"):
            return token[1:-1].replace("''", "'")
        return self._called(token) if self._take("(") else _looked_up(token, self.known)

    def _called(self, name: str) -> Any:
        arguments = []
        while not self._take(")"):
            arguments.append(self.either())
            self._take(",")
        if name in _FUNCTIONS:
            return _FUNCTIONS[name](*arguments)
        status = {"always": True, "cancelled": False, "success": self.known.get("well")}
        return {**status, "failure": not self.known.get("well")}[name]

    def _take(self, token: str) -> bool:
        if self.tokens[:1] != [token]:
            return False
        self.tokens.pop(0)
        return True


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "format": lambda text, *words: re.sub(
        r"\{(\d+)\}", lambda found: _text(words[int(found[1])]), text
    ),
    "fromJSON": json.loads,
    "startsWith": lambda text, start: _text(text).lower().startswith(_text(start).lower()),
}


def _looked_up(path: str, known: Mapping[str, Any]) -> Any:
    """What is not there is null."""
    value: Any = known
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _loose(value: Any) -> Any:
    return _text(value).lower() if value is None or isinstance(value, str) else value


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)
