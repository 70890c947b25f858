"""The way to each registry of a pipeline: whose credentials, and what they reach."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from shipit.delivery.project import Project, Registries
from shipit.delivery.repositories import NEXT_STEP, needed
from shipit.errors import ShipitError
from shipit.model.deployment import Finding
from shipit.registry import address
from shipit.registry.keychain import Answer
from shipit.registry.repositories.presence import missing


def look(
    project: Project, registries: Registries, rendered: Mapping[str, dict[str, Any]]
) -> Iterator[Finding]:
    """A finding for each registry, and an error for each repository that is missing in it.

    Every repository is asked for something: that takes the credentials a deployment will need.
    """
    if registries.embedded:
        yield Finding("ok", "registry", "the embedded one, in .shipit/registry")
    held = needed(project, rendered)
    for registry, repositories in held.items():
        subject = (
            "registry" if registry == project.pipeline.registry else _subject(project, registry)
        )
        try:
            yield from _registry(registries, registry, repositories, subject)
        except ShipitError as error:
            what = error.what + (f": {error.why}" if error.why else "")
            yield Finding("error", subject, what, error.next_step)


def _subject(project: Project, registry: str) -> str:
    """The first environment that is served from it."""
    environments = project.pipeline.environments.values()
    return f"{next(e.name for e in environments if e.registry == registry)} registry"


def _registry(
    registries: Registries, registry: str, repositories: Sequence[str], subject: str
) -> Iterator[Finding]:
    host = address.split(f"{registry}/")[0]
    lacking = missing(registries.client, repositories)
    for repository in repositories:
        if not any(f"{repository}/".startswith(f"{home}/") for home in lacking):
            registries.client.head_manifest(repository, "latest")
    answers = registries.client.keychain.answers(host)
    found = registries.client.keychain.resolve(host)
    said = f"{registry}: {_in_words(answers, found.source if found else '')}"
    anonymous = found is None and not address.is_loopback(host)
    yield Finding(
        "warning" if anonymous else "ok",
        subject,
        said,
        f"without credentials nothing can be pushed: docker login {host}" if anonymous else "",
    )
    for repository in lacking:
        yield Finding("error", subject, f"{repository} is not there to push to", NEXT_STEP)


def _in_words(answers: Sequence[Answer], source: str) -> str:
    """Which keychain answered, and why those before it did not."""
    said = f"credentials from {source}" if source else "no credentials"
    declined = "; ".join(f"{a.keychain}: {a.reason}" for a in answers if a.declined)
    return f"{said} ({declined})" if declined else said
