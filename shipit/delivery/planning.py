"""Observe, decide: what would change on each target of an environment."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import msgspec

from shipit.delivery import choose
from shipit.delivery.desired import desire
from shipit.delivery.image_users import ImageUsers
from shipit.delivery.project import Project
from shipit.delivery.request import Request, SavedPlan
from shipit.errors import ConfigurationError, PreconditionError
from shipit.model.deployment import Desired, Observed, Plan
from shipit.model.pipeline import Environment
from shipit.model.release import ReleaseSummary
from shipit.model.state import State
from shipit.policy.gates import ask_gates
from shipit.policy.verdict import Verdict
from shipit.targets.interface import JudgesUsers, Preflights, Target


class Planned(msgspec.Struct, frozen=True):
    """What `shipit plan` shows: the gates' answers and, for every target, the plan. `before` and
    `after` are the one-off tasks that would run, on the first target."""

    saved: SavedPlan
    verdicts: tuple[Verdict, ...]
    warnings: tuple[str, ...]
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


def chosen(project: Project, state: State, request: Request) -> ReleaseSummary:
    environment = project.environment(request.environment)
    if request.plan:
        return choose.by_name(state, str(request.plan.release))
    if request.release:
        return choose.by_name(state, request.release)
    return choose.default(state, environment, _checked_out(project))


def _checked_out(project: Project) -> str:
    from shipit.builders import source

    return source.read(project.root).clean_commit


def plan(project: Project, request: Request) -> Planned:
    """Changes nothing. Gates are asked, and a held release is planned all the same."""
    environment = project.environment(request.environment)
    state = project.ledger.read()
    summary = chosen(project, state, request)
    release = project.ledger.get_release(summary.digest)
    targets = project.targets(environment)
    with project.registries() as registries:
        desired = desire(release, environment, registries)
        observed = observe(targets)
        plans = make_plans(environment, targets, desired, observed)
        users = list(_users(targets, desired, ImageUsers(release, registries)))
    current = state.environment(environment.name).current
    saved = SavedPlan(
        app=project.pipeline.app,
        environment=environment.name,
        release=summary.digest,
        release_id=summary.id,
        made_at=datetime.now(UTC),
        running=current.token if current else 0,
        plans=plans,
    )
    warnings = tuple(w for seen in observed.values() for w in seen.warnings)
    warnings += tuple(dict.fromkeys(users))
    due = current is None or current.release != summary.digest
    return Planned(
        saved,
        ask_gates(summary, environment, state, datetime.now(UTC)),
        warnings,
        desired.before if due else (),
        desired.after if due else (),
    )


def _users(targets: Mapping[str, Target], desired: Desired, read: ImageUsers) -> Iterator[str]:
    """Images that a target would not start as the user that they have. It is not refused: what
    changes pods on their way may give them another one."""
    for target in targets.values():
        if isinstance(target, JudgesUsers):
            for found in target.check_users(desired, read):
                yield f"{found.what}: {found.next_step}" if found.next_step else found.what


def observe(targets: Mapping[str, Target]) -> dict[str, Observed]:
    return {name: target.observe() for name, target in targets.items()}


def make_plans(
    environment: Environment,
    targets: Mapping[str, Target],
    desired: Desired,
    observed: Mapping[str, Observed],
) -> dict[str, Plan]:
    """Raises ConfigurationError or PreconditionError for what could not be carried out."""
    refuse_unhonoured(environment)
    plans = {name: target.plan(desired, observed[name]) for name, target in targets.items()}
    for name, target in targets.items():
        if isinstance(target, Preflights):
            plans[name] = target.preflight(plans[name]) or plans[name]
    return plans


def refuse_unhonoured(environment: Environment) -> None:
    """Nothing in a user's file is silently ignored."""
    at = f"environments.{environment.name}"
    kind = next(iter(environment.targets.values())).kind
    if environment.strategy.canary is not None:
        raise ConfigurationError(
            f"the {kind} target cannot shift traffic in steps",
            file="shipit.yaml",
            path=f"{at}.strategy.canary",
            next_step="take the key away, or use a target that can",
        )


def check_saved(saved: SavedPlan, state: State, plans: Mapping[str, Plan]) -> None:
    """A saved plan is applied exactly, or refused because the world moved."""
    current = state.environment(saved.environment).current
    moved = [
        f"target {name} is not as it was"
        for name, made in saved.plans.items()
        if name in plans
        and (plans[name].fingerprint, plans[name].changes) != (made.fingerprint, made.changes)
    ]
    moved += [f"target {name} is not in both" for name in sorted(saved.plans.keys() ^ plans.keys())]
    if (current.token if current else 0) != saved.running:
        moved.insert(0, f"another deployment went to {saved.environment} since")
    if moved:
        raise PreconditionError(
            "the plan does not hold any more", "; ".join(moved), "plan again, and look at it"
        )
