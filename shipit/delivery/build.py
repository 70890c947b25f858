"""The runbook of a build: every service's image once, by digest, into a release."""

from collections.abc import Generator, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec.structs import replace

from shipit.builders import source as sources
from shipit.builders.buildkit import Built
from shipit.builders.buildkit import build as build_images
from shipit.config import compose
from shipit.config import source as files
from shipit.delivery import repositories
from shipit.delivery import sources as manifests
from shipit.delivery.project import Project, Registries
from shipit.delivery.sources import Names, Own
from shipit.errors import ConfigurationError, PreconditionError
from shipit.model import application
from shipit.model.events import Event, ReleaseCreated
from shipit.model.image import Image, Reference
from shipit.model.progress import Mark, Progress, Stage
from shipit.model.release import (
    BUILT,
    RESOLVED,
    VERSION,
    Release,
    ReleaseImage,
    ReleaseSummary,
    Source,
    summarize,
)
from shipit.model.state import State

Projects = Mapping[str, dict[str, Any]]


class BuildResult(msgspec.Struct, frozen=True, tag="result", tag_field="event"):
    """The release of the source as it is now; `reused` when it was there already."""

    release: ReleaseSummary
    reused: bool


def build(project: Project, *, force: bool = False) -> Generator[Progress, None, BuildResult]:
    """Build once. A commit that has a release is not built again unless `force` says so.

    Raises ConfigurationError, PreconditionError (nothing recorded), ShipitError with the failing
    step's last lines when a build fails.
    """
    source = sources.read(project.root)
    state = project.ledger.read()
    there = None if force else _release_of(state, source)
    if there is not None:
        yield from _reuse(project, there)
        return BuildResult(there, reused=True)
    warnings: list[str] = []
    projects = compose.render_all(project.pipeline, warn=warnings.append)
    owns = manifests.read_all(project.pipeline)
    composed = manifests.composed(project.pipeline, projects)
    for warning in sorted({*warnings, *_exposed(composed), *_remarks(project, owns)}):
        yield _say(Mark.INFO, warning)
    name = next_id(state, source)
    with project.registries() as registries:
        names = Names(project.pipeline, registries.home, manifests.union(projects))
        images = yield from _images(project, projects, registries, name, source)
        images |= yield from _foreign(owns, names, registries)
    release = _with_sources(_release(project, projects, images, name, source), owns, names)
    project.ledger.put_release(release)
    summary = summarize(release)
    project.ledger.commit(lambda now: _created(now, summary))
    yield _say(Mark.DONE, f"release {name} {summary.digest.short}")
    return BuildResult(summary, reused=False)


def _exposed(projects: Projects) -> Iterator[str]:
    """A secret written out as a value becomes a part of the release, and of the ledger."""
    for project in projects.values():
        for variable in application.literal_secrets(project):
            yield (
                f"{variable} looks like a secret, and its value goes into the ledger: "
                "use Compose's `secrets:` with a file or an environment variable"
            )


def _remarks(project: Project, owns: Mapping[str, Own]) -> Iterator[str]:
    for own in owns.values():
        yield from manifests.exposed(own)
        yield from files.remarks(project.root, project.environment(own.environment))


def _release_of(state: State, source: Source) -> ReleaseSummary | None:
    commit = source.clean_commit
    return next((r for r in state.releases if commit and r.source.clean_commit == commit), None)


def _reuse(project: Project, there: ReleaseSummary) -> Iterator[Progress]:
    """Only what can still be deployed is reused: its images are asked for."""
    release = project.ledger.get_release(there.digest)
    with project.registries() as registries:
        for service, found in sorted(release.images.items()):
            home = registries.home.partition("/")[0]
            image = found.image
            if found.origin == BUILT and not release.registry and registries.embedded:
                image = image.at(f"{home}/{Reference.parse(image.repository).path}")
            missing = registries.client.verify(image) if found.origin == BUILT else []
            if missing:
                raise PreconditionError(
                    f"release {there.id} exists, but its image of {service} does not: {missing[0]}",
                    "a release is built once and its images are kept in the registry",
                    "bring the registry back, or build a new release with `shipit build --force`",
                )
    commit = there.source.commit[:7]
    yield _say(Mark.SKIPPED, f"commit {commit} has release {there.id} already; nothing is built")


def next_id(state: State, source: Source) -> str:
    """The commit's first seven digits; `-dirty` where they do not name the bytes; `.2` and so on
    for a further one. Without a commit: the time, to the second."""
    if source.commit:
        base = source.commit[:7] + ("-dirty" if source.dirty else "")
    else:
        base = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    taken = {r.id for r in state.releases}
    numbered = (f"{base}.{n}" for n in range(2, len(taken) + 3))
    return base if base not in taken else next(n for n in numbered if n not in taken)


def _images(
    project: Project, projects: Projects, registries: Registries, tag: str, source: Source
) -> Generator[Progress, None, dict[str, ReleaseImage]]:
    """By service, over the environments together: each is built or found once."""
    whole = manifests.union(projects)
    repositories.refuse_missing(registries, list(application.built(whole)))
    images: dict[str, Image] = {}
    with _credentials(registries) as environment:
        for step in build_images(
            whole,
            root=project.root,
            registry=registries.home,
            tag=tag,
            source=source,
            resolve=registries.client.resolve,
            put_index=registries.client.put_index,
            environment=environment,
        ):
            if isinstance(step, Built):
                images = step.images
            else:
                yield step
    built = application.every_image(whole, images)
    for service, written in sorted(application.image_only(whole).items()):
        yield _say(Mark.RUNNING, f"resolving {written}", service)
        images[service] = registries.client.resolve(_reference(service, written))
        yield _say(Mark.DONE, images[service].digest.short, service)
    return {
        service: ReleaseImage(image, BUILT if service in built else RESOLVED)
        for service, image in sorted(application.every_image(whole, images).items())
    }


def _foreign(
    owns: Mapping[str, Own], names: Names, registries: Registries
) -> Generator[Progress, None, dict[str, ReleaseImage]]:
    """The images of own manifests that no service has, by what they are kept under."""
    found: dict[str, ReleaseImage] = {}
    for key, (own, written) in manifests.foreign(owns.values(), names).items():
        yield _say(Mark.RUNNING, f"resolving {written}", key)
        found[key] = ReleaseImage(manifests.resolve(own, written, names, registries), RESOLVED)
        yield _say(Mark.DONE, found[key].image.digest.short, key)
    return found


def _credentials(registries: Registries) -> AbstractContextManager[dict[str, str]]:
    """buildx pushes, and asks docker's configuration only: what our keychains found is lent."""
    from shipit.registry.lending import lend

    if registries.embedded:
        return nullcontext({})
    return lend(registries.client.keychain, registries.home.partition("/")[0])


def _reference(service: str, written: str) -> Reference:
    try:
        return Reference.parse(written)
    except ValueError as error:
        raise ConfigurationError(
            str(error), file=application.FILE_NAME, path=f"services.{service}.image"
        ) from None


def _release(
    project: Project,
    projects: Projects,
    images: dict[str, ReleaseImage],
    name: str,
    source: Source,
) -> Release:
    from shipit.ledger.actor import this_actor

    found = {service: held.image for service, held in images.items()}
    return Release(
        id=name,
        app=project.pipeline.app,
        created_at=datetime.now(UTC),
        created_by=this_actor().name,
        source=source,
        images=images,
        environments={e: application.pin(p, found) for e, p in projects.items()},
        registry=project.pipeline.registry,
    )


def _with_sources(release: Release, owns: Mapping[str, Own], names: Names) -> Release:
    """Where an environment has manifests of its own, they are what runs there."""
    if not owns:
        return release
    objects = {e: manifests.pinned(own, release.images, names) for e, own in owns.items()}
    projects = dict(release.environments)
    for environment, found in objects.items():
        projects[environment] = manifests.project(projects[environment], found)
    return replace(release, environments=projects, sources=objects, version=VERSION)


def _created(state: State, summary: ReleaseSummary) -> list[Event]:
    if any(r.id == summary.id for r in state.releases):
        raise PreconditionError(
            f"another build recorded release {summary.id} first",
            "two builds of one commit ran at once",
            "run `shipit build` again: it will use that one",
        )
    return [ReleaseCreated(release=summary)]


def _say(mark: Mark, message: str, subject: str = "") -> Progress:
    return Progress(
        stage=Stage.BUILD, mark=mark, subject=subject, message=message, at=datetime.now(UTC)
    )
