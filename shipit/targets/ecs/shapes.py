"""A team's own definitions against botocore's shapes of ECS's requests: what ECS would refuse, or
drop without a word, with its place in the file."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec

from shipit.errors import did_you_mean

Steps = tuple[str | int, ...]
_SCALARS: dict[str, tuple[tuple[type, ...], str]] = {
    "string": ((str,), "text"),
    "integer": ((int,), "a whole number"),
    "long": ((int,), "a whole number"),
    "float": ((int, float), "a number"),
    "double": ((int, float), "a number"),
    "boolean": ((bool,), "true or false"),
}


class Problem(msgspec.Struct, frozen=True):
    steps: Steps
    what: str
    next_step: str = ""


def members(shape: str) -> frozenset[str]:
    """The keys of a shape of ECS's answers."""
    return frozenset(_model().shape_for(shape).members)


def problems(value: Any, operation: str, steps: Steps = ()) -> Iterator[Problem]:
    """What is wrong with a request's body, in the order of the file."""
    yield from _of(value, _model().operation_model(operation).input_shape, steps)


@cache
def _model() -> Any:
    import botocore.session

    return botocore.session.get_session().get_service_model("ecs")


def _of(value: Any, shape: Any, steps: Steps) -> Iterator[Problem]:
    kind = shape.type_name
    if kind in ("structure", "map"):
        yield from _of_mapping(value, shape, steps)
    elif kind == "list":
        if not isinstance(value, list):
            yield Problem(steps, f"expected a list, found {_found(value)}")
            return
        for n, item in enumerate(value):
            yield from _of(item, shape.member, (*steps, n))
    else:
        yield from _of_scalar(value, shape, steps)


def _of_mapping(value: Any, shape: Any, steps: Steps) -> Iterator[Problem]:
    if not isinstance(value, dict):
        yield Problem(steps, f"expected a mapping, found {_found(value)}")
        return
    if shape.type_name == "map":
        for key, inner in value.items():
            yield from _of(inner, shape.value, (*steps, key))
        return
    for key, inner in value.items():
        if key in shape.members:
            yield from _of(inner, shape.members[key], (*steps, key))
        else:
            unknown = f"unknown key{did_you_mean(key, shape.members)}"
            yield Problem((*steps, key), unknown)
    for key in shape.required_members:
        if key not in value:
            yield Problem((*steps, key), "missing; it has to be here")


def _of_scalar(value: Any, shape: Any, steps: Steps) -> Iterator[Problem]:
    types, words = _SCALARS.get(shape.type_name, ((object,), ""))
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        quotes = "put it in quotes" if types == (str,) and isinstance(value, int | float) else ""
        yield Problem(steps, f"expected {words}, found {_found(value)}", quotes)
    elif getattr(shape, "enum", None) and value not in shape.enum:
        near = did_you_mean(str(value), shape.enum)
        yield Problem(steps, f"{value!r} is none of {', '.join(shape.enum)}{near}")


def _found(value: Any) -> str:
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    return f"the text {value[:40]!r}" if isinstance(value, str) else str(value)
