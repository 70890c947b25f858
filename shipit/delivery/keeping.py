"""Retention tags for what an environment runs and what it ran before."""

from collections.abc import Collection, Iterator

from shipit.delivery.desired import desire, released
from shipit.delivery.project import Project, Registries
from shipit.delivery.request import Step
from shipit.delivery.work import Work
from shipit.errors import ShipitError
from shipit.model.deployment import Leftover
from shipit.model.digest import Digest
from shipit.model.image import Image
from shipit.model.pipeline import Environment
from shipit.model.progress import Mark, Stage
from shipit.model.release import BUILT
from shipit.registry import retention
from shipit.registry.retention import Kept


def keep(work: Work) -> Iterator[Step]:
    """Tag them. A deployment that is proven stays proven when that fails: it is said, and `verify`
    says it again."""
    try:
        troubles = retention.keep(
            work.registries.client, tags(work.project, work.environment, work.registries)
        )
    except ShipitError as error:
        troubles = [f"the retention tags were not written: {error.what}"]
    for trouble in troubles:
        yield work.say(Stage.RECORD, Mark.INFO, trouble)


def tags(project: Project, environment: Environment, registries: Registries) -> list[Kept]:
    """Those that the environment should have now, by its record."""
    state = project.ledger.read().environment(environment.name)
    now, before = (
        _images(project, environment, registries, deployed.release) if deployed else []
        for deployed in (state.current, state.previous)
    )
    return retention.wanted(environment.name, now, before)


def _images(
    project: Project, environment: Environment, registries: Registries, digest: Digest
) -> list[Image]:
    """In repositories of ours: one that belongs to somebody else is not written to."""
    release = project.ledger.get_release(digest)
    desired = desire(release, environment, registries)
    return [
        image
        for service, image in desired.images.items()
        if environment.registry or released(release, service, image).origin == BUILT
    ]


def superseded(
    project: Project, environment: Environment, registries: Registries, releases: Collection[Digest]
) -> Iterator[Leftover]:
    """Its retention tags with digits that keep nothing of these releases, in the repositories from
    which it is served."""
    known = [project.ledger.get_release(digest) for digest in releases]
    needed = {found.image.digest for release in known for found in release.images.values()}
    kept = tags(project, environment, registries)
    for repository in sorted({one.image.repository for one in kept}):
        for tag in retention.superseded(registries.client, environment.name, repository, needed):
            yield Leftover(f"{repository}:{tag}", f"{repository}:{tag}", "kept what ran here once")
