"""Which registries need their repositories made, and by what."""

from shipit.registry import address, aws, google
from shipit.registry.repositories.plan import Action, Change, Kind


def find(repository: str) -> Kind | None:
    """None where a repository needs no making, or shipit cannot make it."""
    registry, _ = address.split(repository)
    host = aws.parse(registry)
    if host is not None and host.account:
        from shipit.registry.repositories.ecr import Repositories as EcrRepositories

        return EcrRepositories()
    if google.parse(registry) is not None:
        from shipit.registry.repositories.artifact_registry import Repositories

        return Repositories()
    return None


def otherwise(repository: str) -> Change:
    """For a repository that `find` knows no kind of."""
    registry, _ = address.split(repository)
    if registry in aws.PUBLIC_HOSTS:
        note = "public: make it with `aws ecr-public create-repository`"
        return Change(repository, Action.BY_HAND, note=note)
    names = {"ghcr.io": "GitHub", "docker.io": "Docker Hub"}
    note = f"{names.get(registry, registry)} makes repositories at the first push"
    return Change(repository, Action.AT_PUSH, note=note)
