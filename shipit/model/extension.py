"""Compose's `x-` keys of ours, decoded strictly: what is wrong is said with its path."""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from shipit.errors import ConfigurationError

T = TypeVar("T")


def read(path: str, key: str, definition: Mapping[str, Any], kind: type[T]) -> T | None:
    """`definition[key]` as `kind`; None where it is not there. Raises ConfigurationError."""
    if definition.get(key) is None:
        return None
    try:
        return msgspec.convert(definition[key], kind)
    except msgspec.ValidationError as error:
        what, _, place = str(error).partition(" - at `$")
        raise ConfigurationError(what, path=f"{path}.{key}{place.rstrip('`')}") from None
