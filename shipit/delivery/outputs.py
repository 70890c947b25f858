"""A target's settings, completed by what its stack made."""

from typing import Any

import msgspec

from shipit.errors import PreconditionError
from shipit.model.pipeline import TargetSettings
from shipit.model.state import State

# An output that says with another setting what one of these says already is not asked for.
_INSTEAD = {
    "capacity_providers": "launch_type",
    "subnets": "subnet_tags",
    "security_groups": "security_group_tags",
}


def filled(settings: TargetSettings, stack: str, environment: str, state: State) -> TargetSettings:
    """`settings` with every key that it leaves out and that an output is named after; what it says
    by another key it does not leave out.

    Raises PreconditionError when the stack is not on record, or an output is of another type.
    """
    record = state.stacks.get(stack)
    if record is None:
        raise PreconditionError(
            f"stack {stack} is not provisioned",
            f"environments.{environment} reads its target's settings from the stack's outputs",
            f"`shipit provision --env {environment}`",
        )
    kind = type(settings.settings)
    said = msgspec.structs.asdict(settings.settings)
    defaults = msgspec.structs.asdict(kind())
    left_out = {
        name
        for name, value in said.items()
        if value == defaults[name] and not said.get(_INSTEAD.get(name, ""))
    }
    found = {n: v for n, v in record.outputs.items() if n in left_out and n != "stack"}
    return msgspec.structs.replace(
        settings, **{settings.kind: _converted({**said, **found}, kind, stack)}
    )


def _converted(values: dict[str, Any], kind: Any, stack: str) -> Any:
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        raise PreconditionError(
            f"an output of stack {stack} is not what the target's setting takes", str(error)
        ) from error
