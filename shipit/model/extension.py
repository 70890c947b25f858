"""Compose's `x-` keys of ours, decoded strictly: what is wrong is said with its path."""

import re
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from shipit.errors import ConfigurationError, did_you_mean

T = TypeVar("T", bound=msgspec.Struct)
_UNKNOWN = re.compile("Object contains unknown field `(.*)`")  # msgspec's words


def read(path: str, key: str, definition: Mapping[str, Any], kind: type[T]) -> T | None:
    """`definition[key]` as `kind`; None where it is not there. Raises ConfigurationError."""
    if definition.get(key) is None:
        return None
    try:
        return msgspec.convert(definition[key], kind)
    except msgspec.ValidationError as error:
        what, _, place = str(error).partition(" - at `$")
        at = f"{path}.{key}{place.rstrip('`')}"
        if unknown := _UNKNOWN.fullmatch(what):
            known = [] if place else [f.encode_name for f in msgspec.structs.fields(kind)]
            what = f"unknown key{did_you_mean(unknown[1], known)}"
            at = f"{at}.{unknown[1]}"
        raise ConfigurationError(what, path=at) from None
