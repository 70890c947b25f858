"""Prove again: what runs is what was released, it is whole in its registry, and it answers."""

from collections.abc import Iterator

import msgspec

from shipit.delivery import keeping, probes
from shipit.delivery.desired import desire, exercised
from shipit.delivery.project import Project, Registries
from shipit.errors import UsageError
from shipit.model.deployment import Desired, Health, Observed
from shipit.model.events import HealthChecked
from shipit.model.pipeline import Environment
from shipit.model.state import Deployed


class Proof(msgspec.Struct, frozen=True):
    """One thing that was looked at. `trouble` is empty where it is as it should be; `next_step`
    where deploying the same release again is what helps."""

    subject: str
    what: str
    trouble: str = ""
    next_step: str = ""


class Verified(msgspec.Struct, frozen=True):
    environment: str
    release_id: str
    healthy: bool
    proofs: tuple[Proof, ...]


def verify(project: Project, environment: str) -> Verified:
    """The result goes on record, and to `status`. Raises UsageError when nothing was deployed."""
    wanted = project.environment(environment)
    current = project.ledger.read().environment(environment).current
    if current is None:
        raise UsageError(
            f"nothing was deployed to {environment}",
            next_step=f"run `shipit deploy --env {environment}` first",
        )
    with project.registries() as registries:
        desired = desire(project.ledger.get_release(current.release), wanted, registries)
        proofs = (
            *_running(project, wanted, desired),
            *_scheduled(project, wanted, desired, current),
            *_whole(desired, registries),
            *_kept(project, wanted, registries),
            *_answering(wanted),
        )
    troubles = [f"{p.subject}: {p.trouble}" for p in proofs if p.trouble]
    record_health(project, current, environment, "; ".join(troubles[:3]))
    return Verified(environment, current.release_id, not troubles, proofs)


def _running(project: Project, environment: Environment, desired: Desired) -> Iterator[Proof]:
    for name, target in project.targets(environment).items():
        observed = target.observe()
        for service in exercised(desired):
            subject = service if len(environment.targets) == 1 else f"{name}/{service}"
            yield Proof(
                subject,
                f"runs {desired.images[service].digest.short}",
                trouble_of(service, desired, observed),
            )


def _scheduled(
    project: Project, environment: Environment, desired: Desired, current: Deployed
) -> Iterator[Proof]:
    """What runs at its times has nothing running to prove it: its schedule names the image. Of
    targets that proved it in the deployment."""
    due = [service for service in desired.scheduled if service in current.services]
    for name, target in project.targets(environment).items() if due else ():
        observed = target.observe()
        for service in due:
            subject = service if len(environment.targets) == 1 else f"{name}/{service}"
            what = f"is scheduled with {desired.images[service].digest.short}"
            yield Proof(subject, what, _schedule_trouble(service, desired, observed))


def _schedule_trouble(service: str, desired: Desired, observed: Observed) -> str:
    seen = observed.services.get(service)
    image = desired.images[service]
    if seen is None:
        return "is not scheduled"
    if not seen.images or not all(d in image.identities() for d in seen.images):
        found = ", ".join(d.short for d in seen.images) or "nothing known"
        return f"is scheduled with {found}, not {image.digest.short}"
    return "" if seen.health is Health.HEALTHY else seen.detail or f"is {seen.health}"


def trouble_of(service: str, desired: Desired, observed: Observed) -> str:
    """What is wrong with a service as it is observed; unknown is not healthy."""
    seen = observed.services.get(service)
    image = desired.images[service]
    if seen is None or seen.running == 0:
        return "is not running"
    if not seen.images or not all(d in image.identities() for d in seen.images):
        found = ", ".join(d.short for d in seen.images) or "nothing known"
        return f"runs {found}, not {image.digest.short}"
    if seen.running < seen.desired:
        return f"{seen.running} of {seen.desired} run"
    if seen.health is not Health.HEALTHY:
        return f"is {seen.health}" + (f": {seen.detail}" if seen.detail else "")
    return ""


def _whole(desired: Desired, registries: Registries) -> Iterator[Proof]:
    """Every manifest, child, config and layer is in the registry that it would be pulled from."""
    for service, image in sorted(desired.images.items()):
        missing = registries.client.verify(image)
        lost = "bring the registry back, or build a new release: `shipit build --force`"
        trouble = "; ".join(missing[:3])
        yield Proof(service, f"whole in {image.repository}", trouble, lost if missing else "")


def _kept(project: Project, environment: Environment, registries: Registries) -> Iterator[Proof]:
    """Nothing that runs, or ran before, is without a tag that clean-up goes by."""
    from shipit.registry.retention import unkept

    tags = keeping.tags(project, environment, registries)
    troubles = unkept(registries.client, tags)
    for image, trouble in troubles:
        yield Proof(image.repository, "kept from clean-up", trouble)
    if tags and not troubles:
        yield Proof("retention", "what runs, and what ran before, is kept")


def _answering(environment: Environment) -> Iterator[Proof]:
    for check in environment.verify:
        yield Proof(check.http, f"answers {check.status}", probes.answer(check))


def record_health(project: Project, current: Deployed, environment: str, note: str) -> None:
    """How `current` was found: `note` says what is wrong, and is empty where all is well."""
    event = HealthChecked(environment=environment, healthy=not note, note=note)
    project.ledger.commit(
        lambda now: [event] if _same(now.environment(environment).current, current) else []
    )


def _same(now: Deployed | None, then: Deployed) -> bool:
    """Somebody may have deployed while we looked: then what we saw says nothing of it."""
    return now is not None and now.token == then.token
