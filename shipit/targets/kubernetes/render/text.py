"""Compose's text as Kubernetes takes it. Pure.

A release keeps Compose's escape of `$` as `$$`. Kubernetes expands `$(NAME)` in a container's
command, arguments and variables, where `$$` stands for `$` (core/v1, Container, "command").
"""

from typing import Any


def plain(value: Any) -> str:
    """Where Kubernetes expands nothing."""
    return str(value).replace("$$", "$")


def unexpanded(value: Any) -> str:
    """Where Kubernetes would expand: it comes out as Compose would have it."""
    text = plain(value)
    return text.replace("$", "$$") if "$(" in text or "$$" in text else text


def words(value: Any) -> list[str]:
    """A command in its list form."""
    return [unexpanded(word) for word in ([value] if isinstance(value, str) else value or ())]


def filled(**fields: Any) -> dict[str, Any]:
    """Those that say something: no None, no empty text, list or mapping, no False."""
    return {
        key: value
        for key, value in fields.items()
        if value is not None and value is not False and value not in ("", [], {}, ())
    }
