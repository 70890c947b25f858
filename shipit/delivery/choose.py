"""Which release is meant."""

from shipit.errors import UnknownNameError, UsageError, did_you_mean
from shipit.model.pipeline import Environment
from shipit.model.release import ReleaseSummary
from shipit.model.state import State

SHORTEST = 4  # characters of a prefix, as git has it


def by_name(state: State, name: str) -> ReleaseSummary:
    """A release by id, or by an unambiguous prefix of its id, commit or digest.

    Raises UnknownNameError when there is none, or more than one.
    """
    exact = [r for r in state.releases if name in (r.id, str(r.digest), r.digest.hex)]
    if exact:
        return exact[0]
    bare = name.removeprefix("sha256:").lower()
    found = [
        r
        for r in state.releases
        if len(bare) >= SHORTEST
        and any(text.startswith(bare) for text in (r.id, r.source.commit, r.digest.hex))
    ]
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(r.id for r in found[:6])
        raise UnknownNameError(
            f"release {name!r} is ambiguous: it may be {names}", next_step="write more of it"
        )
    raise UnknownNameError(
        f"there is no release {name!r}{did_you_mean(name, (r.id for r in state.releases))}",
        next_step="`shipit releases` lists them",
    )


def default(state: State, environment: Environment, commit: str = "") -> ReleaseSummary:
    """What runs upstream; in the first environment the release of `commit`, else the newest.

    Raises UsageError when there is nothing to deploy.
    """
    if environment.after is not None:
        upstream = state.environment(environment.after).current
        found = state.release(upstream.release) if upstream else None
        if found is None:
            raise UsageError(
                f"nothing runs in {environment.after} yet, which {environment.name} comes after",
                next_step=f"run `shipit deploy --env {environment.after}` first",
            )
        return found
    if not state.releases:
        raise UsageError("there is no release yet", next_step="run `shipit build` first")
    of_commit = (r for r in state.releases if commit and r.source.clean_commit == commit)
    return next(of_commit, state.releases[0])
