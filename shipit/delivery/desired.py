"""A release and an environment make what its targets are asked to run."""

from shipit.delivery.project import Project, Registries
from shipit.errors import PreconditionError
from shipit.model import application
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


def built_at(release: Release, service: str, registries: Registries) -> Image:
    """A service's image where the build left it. The embedded registry's address is this machine's
    own matter: it is where it answers now."""
    found = release.images[service]
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
    return built_at(release, service, registries)
