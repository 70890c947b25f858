"""What a one-off task needs: the services that it depends on, where they do not run yet.

A migration of a first deployment needs its database. Services are only added here: what runs stays
as it is until the tasks have succeeded.
"""

from collections.abc import Generator, Mapping

from msgspec.structs import replace

from shipit.delivery import planning, stages
from shipit.delivery.request import Step
from shipit.delivery.work import Work, refusals_undone
from shipit.model import application
from shipit.model.deployment import Action, Plan

Plans = Mapping[str, Plan]


def lay(work: Work, plans: Plans) -> Generator[Step, None, Plans]:
    """Start them on the target where tasks run. Returns the plans for what is left to do: the same
    ones when nothing was missing. Raises what a rollout raises."""
    name, plan = next(iter(plans.items()))
    needed = missing(work, plan)
    if not needed:
        return plans
    part = replace(
        plan,
        desired=replace(work.desired, services=needed, scheduled=()),
        changes=tuple(c for c in plan.changes if c.service in needed),
    )
    yield from stages.roll_out(work, name, part)
    with refusals_undone():
        observed = planning.observe(work.targets)
        return planning.make_plans(work.environment, work.targets, work.desired, observed)


def missing(work: Work, plan: Plan) -> tuple[str, ...]:
    """The services that the tasks depend on, directly or through others, and that are not there."""
    defined = application.services(work.desired.project)
    needed, ahead = set[str](), list(work.desired.before)
    while ahead:
        found = application.dependencies(defined[ahead.pop()])
        ahead += [name for name in found if name not in needed]
        needed.update(found)
    absent = {c.service for c in plan.changes if c.action is Action.CREATE}
    return tuple(n for n in work.desired.services if n in needed & absent)
