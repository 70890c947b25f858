"""The runbook of `shipit registry create`: the repositories that a pipeline needs, planned, made.

Nothing else in shipit makes a repository: `check` says which are missing, and `build` stops before
it builds for one that is.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from shipit.config import compose
from shipit.delivery.project import Project, Registries
from shipit.errors import PreconditionError, UsageError
from shipit.model import application
from shipit.model.image import Reference
from shipit.model.pipeline import Environment
from shipit.registry.repositories import kinds
from shipit.registry.repositories.plan import Action, Change, Wishes

NEXT_STEP = "`shipit registry create` makes it"


class RepositoriesPlan(msgspec.Struct, frozen=True):
    """`changes` has a line for every repository that the pipeline needs, also where nothing is to
    be done."""

    wishes: Wishes
    changes: tuple[Change, ...]

    @property
    def pending(self) -> tuple[Change, ...]:
        return tuple(change for change in self.changes if change.changes)


def needed(project: Project, rendered: Mapping[str, dict[str, Any]]) -> dict[str, tuple[str, ...]]:
    """The repositories by registry as shipit.yaml has it: the pipeline's, then each environment's.

    `rendered` is the application as compose.render_all gives it. The embedded registry needs none.
    """
    found: dict[str, dict[str, None]] = {}
    if project.pipeline.registry:
        built = {name for rendering in rendered.values() for name in application.built(rendering)}
        home = project.pipeline.registry
        found[home] = dict.fromkeys(f"{home}/{name}" for name in sorted(built))
    for environment in project.pipeline.environments.values():
        if environment.registry:
            rendering = rendered.get(environment.name, {})
            copies = _copied(rendering)
            if environment.source is not None:
                copies = _copied_of_source(project, environment, rendered)
            names = (f"{environment.registry}/{name}" for name in copies)
            found.setdefault(environment.registry, {}).update(dict.fromkeys(names))
    return {registry: tuple(repositories) for registry, repositories in found.items()}


def _copied(rendering: dict[str, Any]) -> list[str]:
    """What an environment's own registry holds: delivery.desired names its images the same way."""
    found = {
        Reference.parse(written).path.rpartition("/")[2]
        for written in application.image_only(rendering).values()
    }
    return sorted({*application.built(rendering), *application.borrowed(rendering), *found})


def _copied_of_source(
    project: Project, environment: Environment, rendered: Mapping[str, dict[str, Any]]
) -> list[str]:
    """Of what its own manifests have, and of the tasks that compose.yaml has beside them."""
    from shipit.delivery import sources

    rendering = rendered.get(environment.name, {})
    ours = {*application.built(rendering), *application.borrowed(rendering)}
    tasks = {
        name if name in ours else Reference.parse(task["image"]).path.rpartition("/")[2]
        for name, task in application.services(rendering).items()
        if application.run_when(task) is not None
    }
    names = sources.Names(project.pipeline, project.pipeline.registry, sources.union(rendered))
    found = sources.repositories(sources.read(project.pipeline, environment), names)
    return sorted({*found, *tasks})


def plan(
    project: Project, *, keys: Sequence[str] = (), expire_untagged: int = 0
) -> RepositoriesPlan:
    """Asks every registry, and changes nothing. Raises UsageError for a key that none can use."""
    wishes = Wishes(project.pipeline.app, tuple(keys), expire_untagged)
    repositories = needed(project, compose.render_all(project.pipeline))
    names = list(dict.fromkeys(name for held in repositories.values() for name in held))
    planned = RepositoriesPlan(wishes, tuple(_changes(names, wishes)))
    _refuse_unused_keys(planned)
    return planned


def _changes(names: Sequence[str], wishes: Wishes) -> Iterator[Change]:
    """One for each repository that has to be there: several names may lie in one."""
    seen: set[str] = set()
    for name in names:
        kind = kinds.find(name)
        home = kind.home(name) if kind else name
        if home in seen:
            continue
        seen.add(home)
        yield kind.plan(home, wishes) if kind else kinds.otherwise(name)


def _refuse_unused_keys(planned: RepositoriesPlan) -> None:
    """Silence would leave somebody believing that it encrypts."""
    said = "\n".join(s for c in planned.pending for s in c.settings)
    unused = [key for key in planned.wishes.keys if key not in said]
    if unused and any(change.action is Action.CREATE for change in planned.changes):
        raise UsageError(
            f"--kms-key {unused[0]} would encrypt none of the repositories to be made",
            "ECR takes a key of its own region (an ARN, an id or an alias), Artifact Registry one "
            "that is named projects/…/cryptoKeys/…",
        )


def create(planned: RepositoriesPlan) -> Iterator[Change]:
    """Make what is pending; each change as it is done. What was made stays when a later one fails,
    and the next run goes on with the rest."""
    for change in planned.pending:
        kind = kinds.find(change.repository)
        if kind is not None:
            kind.apply(change, planned.wishes)
            yield change


def refuse_missing(registries: Registries, services: Sequence[str]) -> None:
    """Before a build. Raises PreconditionError naming every repository that is not there."""
    from shipit.registry.repositories.presence import missing

    if registries.embedded:
        return
    names = [f"{registries.home}/{service}" for service in sorted(services)]
    lacking = missing(registries.client, names)
    if lacking:
        raise PreconditionError(
            f"{' and '.join(lacking)} {'is' if len(lacking) == 1 else 'are'} not there to push to",
            "this registry does not make repositories at the first push",
            "`shipit registry create` shows what it would make, and makes it",
        )
