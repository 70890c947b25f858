"""One deployment of an environment at a time: waiting for nobody, taking over from the dead."""

from collections.abc import Generator

from shipit.delivery.project import Project
from shipit.errors import LeasedError, PreconditionError
from shipit.model.progress import Mark, Progress, Stage
from shipit.model.state import Active, State


def clear_the_way(project: Project, environment: str) -> Generator[Progress, None, State]:
    """Returns the state in which nobody works on the environment.

    Raises LeasedError, naming the owner, while somebody does. An owner who shows no sign of life
    for a whole TTL is taken over: that is a commit, so of several takers one wins.
    """
    from shipit.ledger.lease import Standing, take_over, watch

    state = project.ledger.read()
    while active := state.environment(environment).active:
        yield Progress(
            stage=Stage.LEASE,
            mark=Mark.RUNNING,
            environment=environment,
            message=f"looking for a sign of life from {active.owner.name}",
        )
        if watch(project.ledger, active) is Standing.ALIVE:
            raise leased(active)
        taken = take_over(project.ledger, environment, active)
        yield Progress(
            stage=Stage.LEASE,
            mark=Mark.INFO,
            environment=environment,
            message=f"took over from {active.owner}, who is gone"
            if taken
            else f"{active.owner} is done",
        )
        state = project.ledger.read()
    return state


def leased(active: Active) -> LeasedError:
    return LeasedError(
        f"{active.environment} is leased by {active.owner}",
        f"deployment {active.token} of {active.release_id} is under way since "
        f"{active.started_at:%Y-%m-%d %H:%M:%S} UTC",
        "wait for it, and run this again",
    )


def refuse_if_leased(state: State, environment: str) -> None:
    active = state.environment(environment).active
    if active:
        raise leased(active)


def refuse_if_taken_up(state: State, environment: str, left: Active | None) -> None:
    """What is taken up was let in once: only while it still waits does that hold."""
    waiting = state.environment(environment).interrupted
    if left and (waiting is None or waiting.token != left.token):
        raise PreconditionError(
            f"deployment {left.token} of {left.release_id} has been taken up by somebody else",
            "two set out to finish it, and this one came second: it changed nothing",
            f"`shipit history --env {environment}` shows how it ended",
        )
