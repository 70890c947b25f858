"""A release keeps Compose's escape of `$` as `$$`; ECS takes text as it is."""

from typing import Any


def unescaped(value: Any) -> str:
    return str(value).replace("$$", "$")


def words(value: Any) -> list[str]:
    """A command in its list form."""
    return [unescaped(word) for word in ([value] if isinstance(value, str) else value or ())]
