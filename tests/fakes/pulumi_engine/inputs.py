"""What a program gives a resource, held against the SDK's types, which are generated from the
provider's schema. Beyond the names of a resource's own properties the SDK checks nothing itself.
"""

import importlib
import inspect
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pulumi._types import (
    input_type_py_to_pulumi_names,
    input_type_types,
    is_input_type,
    unwrap_type,
)

Wrong = tuple[str, str]  # the property's path, and why
_UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"  # sdk/go/common/resource/plugin: a value to come
_SECRET = "4dabf18193072939515e22adb298388d"  # resource/sig: what marks an object as something else
_PLAIN: dict[type, tuple[type, ...]] = {
    str: (str,),
    bool: (bool,),
    int: (int, float),
    float: (int, float),
}


def wrong(kind: str, given: Mapping[str, Any]) -> list[Wrong]:
    """Every property that a resource does not have, lacks, or has of another type."""
    package, module, name = kind.split(":")
    found = importlib.import_module(f"pulumi_{package}.{module.partition('/')[0]}")
    declared = getattr(found, f"{name}InitArgs", None) or getattr(found, f"{name}Args")
    return list(_object(declared, given, ""))


def _object(declared: type, given: Mapping[str, Any], path: str) -> Iterator[Wrong]:
    types = input_type_types(declared)
    named = {key: value for key, value in given.items() if not key.startswith("__")}
    for key, value in named.items():
        place = f"{path}.{key}".lstrip(".")
        if key in types:
            yield from _value(types[key], value, place)
        else:
            yield place, f"{declared.__name__.removesuffix('Args')} has no such property"
    for key in _required(declared) - named.keys():
        yield f"{path}.{key}".lstrip("."), "it is missing"


def _required(declared: type) -> set[str]:
    names = input_type_py_to_pulumi_names(declared)
    parameters = list(inspect.signature(declared).parameters.values())
    return {names[p.name] for p in parameters if p.default is p.empty and p.name in names}


def _value(hint: Any, value: Any, path: str) -> Iterator[Wrong]:
    hint = unwrap_type(hint)
    if isinstance(value, Mapping) and _SECRET in value:
        value = value.get("value")
    if value is None or value == _UNKNOWN:
        return
    if get_origin(hint) in (Union, UnionType):
        arms = [list(_value(arm, value, path)) for arm in get_args(hint)]
        yield from min(arms, key=len)
    elif inspect.isclass(hint) and is_input_type(hint):
        yield from _nested(hint, value, path)
    else:
        yield from _simple(hint, value, path)


def _nested(hint: type, value: Any, path: str) -> Iterator[Wrong]:
    if isinstance(value, Mapping):
        yield from _object(hint, value, path)
    else:
        yield path, f"{value!r} is not of the kind {hint.__name__.removesuffix('Args')}"


def _simple(hint: Any, value: Any, path: str) -> Iterator[Wrong]:
    origin, arms = get_origin(hint), get_args(hint)
    if origin in (Sequence, list):
        yield from (
            _each(arms[0], enumerate(value), path)
            if isinstance(value, list)
            else _no(value, "a list", path)
        )
    elif origin in (Mapping, dict):
        yield from (
            _each(arms[1], value.items(), path)
            if isinstance(value, Mapping)
            else _no(value, "an object", path)
        )
    elif inspect.isclass(hint) and issubclass(hint, Enum):
        if value not in [member.value for member in hint]:
            yield from _no(value, f"one of {[member.value for member in hint]}", path)
    elif hint in _PLAIN:
        fits = isinstance(value, _PLAIN[hint]) and (hint is bool or not isinstance(value, bool))
        yield from () if fits else _no(value, hint.__name__, path)


def _each(hint: Any, entries: Any, path: str) -> Iterator[Wrong]:
    for key, value in entries:
        yield from _value(hint, value, f"{path}[{key}]")


def _no(value: Any, wanted: str, path: str) -> Iterator[Wrong]:
    yield path, f"{value!r} is not {wanted}"
