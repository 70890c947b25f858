"""The stages of a deployment, each a few lines: what it does to the world and what it records."""

from collections.abc import Generator, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from msgspec.structs import replace

from shipit.delivery.copying import followed, in_words
from shipit.delivery.desired import built_at, exercised, released
from shipit.delivery.probes import answer
from shipit.delivery.request import Step
from shipit.delivery.work import (
    SupersededHereError,
    TargetFailedError,
    Work,
    refusals_undone,
)
from shipit.errors import ConfigurationError, PreconditionError
from shipit.model.deployment import Desired, Plan
from shipit.model.digest import Digest
from shipit.model.image import Image
from shipit.model.progress import (
    Failed,
    Mark,
    Progress,
    Reason,
    RolledBack,
    Stage,
    Succeeded,
    Superseded,
)
from shipit.targets.interface import Removes, RunsTasks

if TYPE_CHECKING:
    from shipit.registry.copying import Copied
    from shipit.registry.transfers import Report

Proof = Generator[Step, None, dict[str, Digest]]


def copy(work: Work) -> Iterator[Step]:
    """Images come to the environment's own registry, by digest, whole, with what vouches for them;
    a no-op when they are there. Each blob is asked for: what is deployed next is proven by it."""
    for service, image in sorted(work.desired.images.items()):
        source = built_at(work.release, released(work.release, service, image), work.registries)
        if source.repository == image.repository or not work.environment.registry:
            continue
        yield work.say(Stage.COPY, Mark.RUNNING, f"to {image.repository}", subject=service)
        copied = yield from followed(
            partial(_copied, work, source, image.repository), partial(_copying, work, service)
        )
        mark = Mark.DONE if copied.changed else Mark.SKIPPED
        yield work.say(Stage.COPY, mark, in_words(copied), subject=service)
    work.finish(Stage.COPY)


def _copied(work: Work, source: Image, repository: str, report: "Report") -> "Copied":
    return work.registries.client.copy(source, repository, whole=True, on_progress=report)


def _copying(work: Work, service: str, mark: Mark, layer: str, message: str) -> Progress:
    return work.say(Stage.COPY, mark, message, subject=f"{service} {layer}".strip())


def require_images(work: Work) -> None:
    """Raises PreconditionError for an image that its registry does not have: before the first task
    runs, since a task that ran cannot be undone. One request an image."""
    for service, image in sorted(work.desired.images.items()):
        if work.registries.client.head_manifest(image.repository, image.digest) is None:
            raise PreconditionError(
                f"the registry does not have {service}'s image {image.reference}",
                "nothing has changed, and no task has run",
                "bring the image back, or build a new release with `shipit build --force`",
            )


def tasks(work: Work, stage: Stage, names: Sequence[str]) -> Iterator[Step]:
    """One-off tasks in order, each once: the record, and the run's own name, see to that.

    Raises TargetFailedError with the task's last words.
    """
    name, target = next(iter(work.targets.items()))
    for task in names:
        if work.finished(stage, subject=task):
            yield work.say(stage, Mark.SKIPPED, "ran before the interruption", subject=task)
            continue
        if not isinstance(target, RunsTasks):
            raise ConfigurationError(
                f"target {name} cannot run one-off tasks", file="compose.yaml", path=task
            )
        yield work.say(stage, Mark.RUNNING, subject=task)
        key = f"{work.lease.origin}"
        yield from _to_the_end(work, target.run_task(_owned(work, work.desired), task, key), stage)
        work.finish(stage, subject=task)
        yield work.say(stage, Mark.DONE, subject=task)


def roll_out(work: Work, name: str, plan: Plan) -> Proof:
    """Apply, follow, prove on one target. Returns the digests that were proven, by service.

    Raises TargetFailedError, and PreconditionError when nothing was changed. What is on record
    before the change is the fence that an old token does not get past.
    """
    target = work.targets[name]
    if plan.changed:
        work.finish(Stage.BEFORE, target=name)
        count = sum(1 for c in plan.changes if c.action not in ("keep", "run"))
        yield work.say(Stage.APPLY, Mark.RUNNING, f"{count} to change", target=name)
    rollout = target.apply(replace(plan, desired=_owned(work, plan.desired)))
    if plan.changed:
        work.finish(Stage.APPLY, target=name)
        yield work.say(Stage.APPLY, Mark.DONE, target=name)
    else:
        yield work.say(Stage.APPLY, Mark.SKIPPED, "nothing to change", target=name)
    with refusals_undone():
        proven = yield from _to_the_end(work, target.follow(rollout), Stage.FOLLOW)
    _check_proof(plan.desired, proven)
    yield work.say(Stage.PROVE, Mark.DONE, _in_words(plan.desired, proven), target=name)
    return proven


def _owned(work: Work, desired: Desired) -> Desired:
    """With the deployment that what is made belongs to."""
    return replace(desired, deployment=str(work.lease.token))


def _to_the_end(work: Work, steps: Iterator[Step], stage: Stage) -> Proof:
    """Pass progress on until the outcome. Anything but Succeeded is raised."""
    for step in steps:
        if isinstance(step, Progress):
            yield work.say(
                stage,
                step.mark,
                step.message,
                subject=step.subject,
                target=step.target,
                logs=step.logs,
            )
        elif isinstance(step, Succeeded):
            return step.proven
        elif isinstance(step, Superseded):
            raise SupersededHereError(step.by)
        elif isinstance(step, Failed | RolledBack):
            raise TargetFailedError(step.reasons)
    raise TargetFailedError([Reason("", "the target gave no outcome: unknown is not success")])


def _check_proof(desired: Desired, proven: dict[str, Digest]) -> None:
    """The target's word is checked once more: every service, and the digest that was asked for.

    A service of which no container is asked for has nothing to prove it: it is not exercised.
    """
    wrong = [
        Reason(service, f"runs {_short(proven.get(service))}, not {image.digest.short}")
        for service, image in desired.images.items()
        if service in exercised(desired) and not _proves(image, proven.get(service))
    ]
    if wrong:
        raise TargetFailedError(wrong)


def _proves(image: Image, found: Digest | None) -> bool:
    return found is not None and found in image.identities()


def _short(digest: Digest | None) -> str:
    return digest.short if digest else "nothing known"


def _in_words(desired: Desired, proven: dict[str, Digest]) -> str:
    words = [f"{name} {proven[name].short}" for name in desired.services if name in proven]
    return "running: " + ", ".join(words)


def verify(work: Work) -> Iterator[Step]:
    """The environment's own checks, from where shipit runs. Raises TargetFailedError."""
    for check in work.environment.verify:
        yield work.say(Stage.VERIFY, Mark.RUNNING, check.http)
        trouble = answer(check)
        if trouble:
            raise TargetFailedError([Reason(check.http, trouble)])
        yield work.say(Stage.VERIFY, Mark.DONE, f"{check.http} answers {check.status}")


def remove_what_came(work: Work) -> Iterator[Step]:
    """After a failed first deployment there is nothing to go back to but nothing at all."""
    for name, target in work.targets.items():
        if isinstance(target, Removes):
            yield work.say(Stage.ROLLBACK, Mark.RUNNING, "removing what came", target=name)
            target.remove(volumes=False)
            yield work.say(Stage.ROLLBACK, Mark.DONE, "nothing ran here before", target=name)
