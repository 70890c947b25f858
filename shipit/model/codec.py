"""Values to JSON and back. Canonical JSON is what a digest of ours is taken over."""

from typing import Any, TypeVar

import msgspec

from shipit.model.digest import Digest

T = TypeVar("T")


def _encode_own(value: Any) -> Any:
    if isinstance(value, Digest):
        return str(value)
    raise TypeError(f"cannot write a {type(value).__name__} as JSON")


def _decode_own(kind: type, value: Any) -> Any:
    if kind is Digest:
        return Digest(value)
    raise TypeError(f"cannot read a {kind.__name__} from JSON")


def _schema_of_own(kind: type) -> dict[str, Any]:
    if kind is Digest:
        return {"type": "string", "pattern": "^sha(256:[0-9a-f]{64}|512:[0-9a-f]{128})$"}
    raise TypeError(f"no JSON Schema for {kind.__name__}")


_ENCODER = msgspec.json.Encoder(enc_hook=_encode_own)
_CANONICAL = msgspec.json.Encoder(enc_hook=_encode_own, order="sorted")


def encode(value: Any) -> bytes:
    return _ENCODER.encode(value)


def canonical(value: Any) -> bytes:
    """JSON with sorted keys, no white space, UTF-8: equal values give equal bytes."""
    return _CANONICAL.encode(value)


def pretty(value: Any) -> bytes:
    return msgspec.json.format(_ENCODER.encode(value), indent=2)


def decode(data: bytes | str, kind: type[T]) -> T:
    """Raises msgspec.ValidationError (a ValueError) with the path of what does not fit."""
    return msgspec.json.decode(data, type=kind, dec_hook=_decode_own)


def convert(value: Any, kind: type[T]) -> T:
    return msgspec.convert(value, kind, dec_hook=_decode_own)


def plain(value: Any) -> Any:
    """Only dicts, lists, strings, numbers, booleans and None."""
    return msgspec.to_builtins(value, enc_hook=_encode_own)


def schema(kind: Any) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a type."""
    return msgspec.json.schema(kind, schema_hook=_schema_of_own)
