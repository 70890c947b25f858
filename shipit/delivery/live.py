"""What runs this instant, on the targets of every environment."""

from shipit.delivery.project import Project
from shipit.errors import ShipitError
from shipit.model.deployment import Observed


def observe_all(project: Project) -> dict[str, Observed]:
    """By environment, its targets together. One that cannot be reached says so in a warning:
    its services are unknown, which is not healthy."""
    return {
        name: _together([_one(project, name, target) for target in environment.targets])
        for name, environment in project.pipeline.environments.items()
    }


def _one(project: Project, environment: str, target: str) -> Observed:
    try:
        return project.targets(project.environment(environment))[target].observe()
    except ShipitError as error:
        return Observed(services={}, fingerprint="", warnings=(error.what,))


def _together(observed: list[Observed]) -> Observed:
    """Of a service on several targets, the first that is not well is the one to show."""
    services = {
        name: min(
            (o.services[name] for o in observed if name in o.services),
            key=lambda s: (s.health == "healthy", s.running),
        )
        for name in {n for o in observed for n in o.services}
    }
    warnings = tuple(w for o in observed for w in o.warnings)
    return Observed(services, "+".join(o.fingerprint for o in observed), warnings)
