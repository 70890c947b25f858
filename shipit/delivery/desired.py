"""A release and an environment make what its targets are asked to run."""

from collections.abc import Sequence
from typing import Any

from shipit.delivery.project import Project, Registries
from shipit.delivery.sources import family
from shipit.errors import PreconditionError
from shipit.model import application, source
from shipit.model.deployment import Desired
from shipit.model.duration import parse_duration
from shipit.model.image import Image, Reference
from shipit.model.pipeline import Environment
from shipit.model.release import BUILT, Release, ReleaseImage


def desire(release: Release, environment: Environment, registries: Registries) -> Desired:
    """Raises PreconditionError when the release was made before the environment was."""
    project = release.environments.get(environment.name)
    if project is None:
        raise PreconditionError(
            f"release {release.id} was made before {environment.name} was in shipit.yaml",
            "a release carries the application as it is rendered for every environment",
            "build again: `shipit build --force`",
        )
    objects = release.source_of(environment.name)
    if objects:
        images, objects = _of_source(release, environment, registries)
    else:
        images = {
            service: _served(release, found, service, environment, registries)
            for service, found in release.images.items()
            if service in project["services"]
        }
    pinned = application.pin(project, images)
    return Desired(
        app=release.app,
        environment=environment.name,
        release=release.digest(),
        release_id=release.id,
        project=pinned,
        images=images,
        services=application.long_running(pinned),
        before=application.one_offs(pinned, application.RunWhen.BEFORE),
        after=application.one_offs(pinned, application.RunWhen.AFTER),
        scheduled=application.scheduled(pinned),
        deadline=parse_duration(environment.deadline).total_seconds(),
        source=objects,
    )


def _of_source(
    release: Release, environment: Environment, registries: Registries
) -> tuple[dict[str, Image], tuple[dict[str, Any], ...]]:
    """The images of an environment with manifests of its own, and those manifests, with the
    repositories that it is served from. A service there has the name of what runs it; an image
    that is no service's first one keeps the name that the release has it under.

    Raises PreconditionError where the objects are for another kind of target.
    """
    objects = release.source_of(environment.name)
    _refuse_target(release, environment, objects)
    served: dict[str, Image] = {}
    for key, found in sorted(release.images.items(), key=_builder_first):
        place = _served(release, found, key, environment, registries)
        served.setdefault(found.image.reference, place)
    services = application.services(release.environments[environment.name])
    images = {
        name: _served(release, release.images[name], name, environment, registries)
        if application.run_when(defined)
        else served[defined["image"]]
        for name, defined in services.items()
    }
    there = set(source.texts(objects))
    for key, found in sorted(release.images.items(), key=_builder_first):
        image = served[found.image.reference]
        if found.image.reference in there and image not in images.values():
            images[key if key not in images else image.reference] = image
    pointed = source.repointed(objects, {written: i.reference for written, i in served.items()})
    for one in family(pointed).images(pointed):
        if not Reference.parse(one.image).digest:
            raise PreconditionError(f"release {release.id} has {one.image}, which is no digest")
    return images, pointed


def _builder_first(entry: tuple[str, ReleaseImage]) -> tuple[bool, str]:
    """Before the services that borrow an image comes the one that it was built for."""
    key, found = entry
    return not found.image.repository.endswith(f"/{key}"), key


def _refuse_target(
    release: Release, environment: Environment, objects: Sequence[dict[str, Any]]
) -> None:
    ecs = source.family(objects) == source.ECS
    for name, target in environment.targets.items():
        if (target.kind == "ecs") != ecs or target.kind in ("docker", "swarm"):
            manifests = "ECS definitions" if ecs else "Kubernetes manifests"
            raise PreconditionError(
                f"release {release.id} has {manifests} for {environment.name}, and its target"
                f" {name} is of the kind {target.kind}",
                "a release carries what it was built with",
                "build again: `shipit build --force`",
            )


def newest(project: Project, wanted: Environment) -> Desired | None:
    """Of the newest release that knows the environment."""
    state = project.ledger.read()
    for summary in state.releases:
        release = project.ledger.get_release(summary.digest)
        if wanted.name in release.environments:
            with project.registries() as registries:
                return desire(release, wanted, registries)
    return None


def exercised(desired: Desired) -> tuple[str, ...]:
    """The services that are asked to run in one container at least."""
    defined = application.services(desired.project)
    return tuple(n for n in desired.services if application.replicas(defined[n]))


def released(release: Release, service: str, image: Image) -> ReleaseImage:
    """What the release has of an image that is desired. In an environment with manifests of its
    own services have other names: the digest says which it is."""
    named = release.images.get(service)
    if named and named.image.digest == image.digest:
        return named
    return next(f for f in release.images.values() if f.image.digest == image.digest)


def built_at(release: Release, found: ReleaseImage, registries: Registries) -> Image:
    """An image where the build left it. The embedded registry's address is this machine's own
    matter: it is where it answers now."""
    if found.origin == BUILT and not release.registry and registries.embedded:
        path = Reference.parse(found.image.repository).path
        return found.image.at(f"{registries.home.partition('/')[0]}/{path}")
    return found.image


def _served(
    release: Release,
    found: ReleaseImage,
    service: str,
    environment: Environment,
    registries: Registries,
) -> Image:
    """The image in the repository that this environment pulls it from."""
    image = found.image
    if environment.registry:
        name = service if found.origin == BUILT else image.repository.rpartition("/")[2]
        return image.at(f"{environment.registry}/{name}")
    return built_at(release, found, registries)
