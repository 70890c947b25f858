"""What a container does on the fake node."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Story:
    """It is pulled, starts, gets ready and stays up, unless the fields say otherwise.

    `pull` is the error when it cannot be pulled. `exit_code` is what it ends with, None for one
    that stays up. `ready` tells whether its readiness (or startup) probe ever passes, `after` the
    seconds until it does or until it ends. `digest` is what the runtime reports instead of the
    digest that was asked for. `logs` are its lines; `oom` says that the kernel ended it.
    """

    pull: str = ""
    exit_code: int | None = None
    ready: bool = True
    after: float = 0.0
    digest: str = ""
    logs: tuple[str, ...] = ()
    oom: bool = False


def runs(*logs: str, after: float = 0.0) -> Story:
    return Story(logs=logs, after=after)


def ends(exit_code: int = 0, *logs: str, after: float = 0.0) -> Story:
    return Story(exit_code=exit_code, logs=logs, after=after)


def never_ready(*logs: str) -> Story:
    return Story(ready=False, logs=logs)


def cannot_pull(why: str = "not found") -> Story:
    return Story(pull=why)


def out_of_memory(*logs: str) -> Story:
    return Story(exit_code=137, oom=True, logs=logs)
