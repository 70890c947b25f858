"""What would stop a deployment, before it does."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

from shipit.config import compose
from shipit.config import source as files
from shipit.delivery import choose
from shipit.delivery.desired import desire
from shipit.delivery.image_users import ImageUsers
from shipit.delivery.planning import refuse_unhonoured
from shipit.delivery.project import Project, Registries
from shipit.delivery.rollback import before
from shipit.delivery.sources import composed
from shipit.errors import ShipitError, UsageError
from shipit.model import application
from shipit.model.deployment import Desired, Finding
from shipit.model.pipeline import Environment
from shipit.model.release import Release
from shipit.model.state import State
from shipit.policy.gates import ask_gates, holding
from shipit.targets.interface import GoesBack, JudgesUsers, Target


def check(project: Project, environment: str = "") -> Iterator[Finding]:
    """Findings, one after the other: the files, the tools, the ledger, the registry, each target.

    A thing that cannot be looked at is an error finding; nothing is raised for it.
    """
    names = [project.environment(environment).name] if environment else None
    environments = [
        e for e in project.pipeline.environments.values() if names is None or e.name in names
    ]
    yield Finding("ok", project.pipeline.file, f"{len(project.pipeline.environments)} environments")
    projects: dict[str, dict[str, Any]] = {}
    yield from _guarded("compose.yaml", lambda: _application(project, projects))
    for wanted in environments:
        if wanted.source is not None:
            yield from _guarded(
                f"{wanted.name} source", partial(_source, project, wanted, projects)
            )
    yield from _guarded("build", lambda: _builder(project))
    yield from _guarded("registry", lambda: _registry(project, projects))
    state: list[State] = []
    yield from _guarded("ledger", lambda: _ledger(project, state))
    for wanted in environments:
        yield from _guarded(wanted.name, partial(_environment, project, wanted, state))


def _guarded(subject: str, look: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from look()
    except ShipitError as error:
        what = error.what + (f": {error.why}" if error.why else "")
        yield Finding("error", subject, what, error.next_step)


def _application(project: Project, found: dict[str, dict[str, Any]]) -> Iterator[Finding]:
    warnings: list[str] = []
    projects = compose.render_all(project.pipeline, warn=warnings.append)
    found.update(projects)
    first = next(iter(found.values()))
    yield Finding("ok", "compose.yaml", f"services: {', '.join(application.services(first))}")
    for warning in sorted(set(warnings)):
        yield Finding("warning", "compose.yaml", warning)
    found_in: dict[tuple[str, str], list[str]] = {}
    for name, rendered in composed(project.pipeline, projects).items():
        for remark in _remarks(rendered):
            found_in.setdefault(remark, []).append(name)
    for (what, next_step), names in found_in.items():
        where = "" if len(names) == len(projects) else f" in {', '.join(names)}"
        yield Finding("warning", f"compose.yaml{where}", what, next_step)
    yield from _shared_ports(project, projects)


def _remarks(rendered: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for variable in application.literal_secrets(rendered):
        yield (
            f"{variable} looks like a secret, and its value would be in the ledger",
            "use Compose's `secrets:` with a file or an environment variable",
        )
    for bind in application.relative_binds(rendered):
        yield (
            f"{bind} is bound from the checkout and does not travel with a release",
            "put it into the image, or use a volume",
        )


def _shared_ports(project: Project, projects: dict[str, dict[str, Any]]) -> Iterator[Finding]:
    """Where two environments of one engine publish the same port, the second cannot come up."""
    owners: dict[tuple[str, str], str] = {}
    for name, rendered in projects.items():
        engines = [t.docker for t in project.pipeline.environments[name].targets.values()]
        for port in application.published_ports(rendered):
            first = {owners.setdefault((repr(engine), port), name) for engine in engines if engine}
            for other in first - {name}:
                yield Finding(
                    "warning",
                    f"compose.yaml in {name}",
                    f"port {port} is published in {other} too, on the same engine",
                    f"in compose.{name}.yaml write `ports: !override [...]` with another one: "
                    "without !override Compose adds to the ports of compose.yaml",
                )


def _source(
    project: Project, environment: Environment, projects: dict[str, dict[str, Any]]
) -> Iterator[Finding]:
    """The environment's own manifests: that they can be read, what runs, and that every image is
    built here or found by its registry."""
    from shipit.delivery import sources

    subject = f"{environment.name} source"
    own = sources.read(project.pipeline, environment)
    services = ", ".join(sources.family(own.objects).services(own.objects))
    yield Finding("ok", subject, f"{len(own.objects)} objects, which run {services}")
    for remark in (*sources.exposed(own), *files.remarks(project.root, environment)):
        yield Finding("warning", subject, remark)
    if not projects:
        return
    with project.registries() as registries:
        names = sources.Names(project.pipeline, registries.home, sources.union(projects))
        for key, (_, written) in sources.foreign([own], names).items():
            image = sources.resolve(own, written, names, registries)
            what = f"{written} is no service's: {image.digest.short} in {image.repository}"
            yield Finding("ok", f"{subject} {key}", what)


def _builder(project: Project) -> Iterator[Finding]:
    from shipit.builders import machine

    with project.registries() as registries:
        found = machine.find(registries.home)
    said = f"buildx builder {found.name}" if found.name else "buildx's current builder"
    yield Finding("ok", "build", said)


def _registry(project: Project, projects: dict[str, dict[str, Any]]) -> Iterator[Finding]:
    from shipit.delivery import access

    with project.registries() as registries:
        yield from access.look(project, registries, projects)


def _ledger(project: Project, state: list[State]) -> Iterator[Finding]:
    state.append(project.ledger.read())
    yield Finding("ok", "ledger", f"{project.ledger.name}, at commit {state[0].number}")


def _environment(
    project: Project, environment: Environment, state: list[State]
) -> Iterator[Finding]:
    refuse_unhonoured(environment)
    targets = project.targets(environment)
    release = _next(project, environment, state)
    for name, target in targets.items():
        subject = environment.name if len(targets) == 1 else f"{environment.name}/{name}"
        for finding in _target(project, environment, target, release, state):
            yield Finding(
                finding.level,
                f"{subject} {finding.subject}".strip(),
                finding.what,
                finding.next_step,
            )
    yield from _gates(environment, state)


def _target(
    project: Project,
    environment: Environment,
    target: Target,
    release: Release | None,
    state: list[State],
) -> Iterator[Finding]:
    """What may be gone back to is judged once nothing is in the way of what comes next."""
    with project.registries() as registries:
        desired = desire(release, environment, registries) if release else None
        has_failed = False
        for finding in target.check(desired):
            has_failed = has_failed or finding.level == "error"
            yield finding
        if release and desired and isinstance(target, JudgesUsers):
            yield from target.check_users(desired, ImageUsers(release, registries))
        if isinstance(target, GoesBack) and not has_failed:
            earlier = _earlier(project, environment, state, registries)
            others = [one for one in earlier if not release or one.release != release.digest()]
            yield from target.check_return(desired, others)


def _earlier(
    project: Project, environment: Environment, state: list[State], registries: Registries
) -> list[Desired]:
    """What a deployment that fails goes back to, and what `shipit rollback` does."""
    if not state:
        return []
    env = state[0].environment(environment.name)
    older = before(state[0], env)
    digests = [env.current.release] if env.current else []
    digests += [older.digest] if older else []
    releases = [project.ledger.get_release(digest) for digest in dict.fromkeys(digests)]
    return [desire(one, environment, registries) for one in releases]


def _next(project: Project, environment: Environment, state: list[State]) -> Release | None:
    """What the next deployment would bring, when there is such a thing already."""
    if not state:
        return None
    try:
        return project.ledger.get_release(choose.default(state[0], environment).digest)
    except UsageError:
        return None


def _gates(environment: Environment, state: list[State]) -> Iterator[Finding]:
    """A gate that holds stops a deployment too, but it is no fault: a warning."""
    if not state:
        return
    try:
        release = choose.default(state[0], environment)
    except UsageError as error:
        yield Finding("warning", environment.name, error.what, error.next_step)
        return
    for held in holding(ask_gates(release, environment, state[0], datetime.now(UTC))):
        yield Finding("warning", f"{environment.name} {held.gate}", held.reason, held.how_to_pass)
