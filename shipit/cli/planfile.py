"""Plans on disk: what `plan -o` writes and `deploy --plan` reads."""

from pathlib import Path

from shipit.delivery.request import SavedPlan
from shipit.errors import ConfigurationError, UsageError
from shipit.model import codec


def write_plan(plan: SavedPlan, path: Path) -> None:
    """Raises UsageError when the file cannot be written."""
    try:
        path.write_bytes(codec.pretty(plan) + b"\n")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from None


def read_plan(path: Path, app: str) -> SavedPlan:
    """Raises ConfigurationError for what is no plan, or is one of another application."""
    try:
        plan = codec.decode(path.read_bytes(), SavedPlan)
    except OSError as error:
        raise ConfigurationError(f"cannot be read: {error.strerror}", file=str(path)) from None
    except ValueError as error:
        raise ConfigurationError(f"is not a plan: {error}", file=str(path)) from None
    if plan.app != app:
        raise ConfigurationError(f"is a plan for {plan.app}, and this is {app}", file=str(path))
    return plan
