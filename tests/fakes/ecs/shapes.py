"""AWS's own model of the API: what a request may hold, and what an answer may."""

from collections.abc import Iterator
from functools import cache
from typing import Any

PREFIX = "AmazonEC2ContainerServiceV20141113."


@cache
def model() -> Any:
    from botocore.session import get_session

    return get_session().get_service_model("ecs")


def wrong_request(operation: str, request: Any) -> str:
    """Why AWS's model does not allow it; empty when it does."""
    return _wrong(request, model().operation_model(operation).input_shape)


def wrong_answer(operation: str, answer: Any) -> str:
    return _wrong(answer, model().operation_model(operation).output_shape)


def knows(operation: str) -> bool:
    return operation in model().operation_names


def _wrong(value: Any, shape: Any) -> str:
    from botocore.validate import ParamValidator

    report = ParamValidator().validate(value, shape)
    return str(report.generate_report()) or "; ".join(_strangers(value, shape, ""))


def _strangers(value: Any, shape: Any, path: str) -> Iterator[str]:
    """Values that an enumeration does not have: botocore lets them pass."""
    if shape.type_name == "structure":
        for name, member in value.items():
            yield from _strangers(member, shape.members[name], f"{path}.{name}")
    elif shape.type_name == "list":
        for number, member in enumerate(value):
            yield from _strangers(member, shape.member, f"{path}[{number}]")
    elif shape.type_name == "string" and shape.enum and value not in shape.enum:
        yield f"{path}: {value!r} is none of {', '.join(shape.enum)}"
