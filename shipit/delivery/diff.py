"""Two environments or releases beside each other: commits, digests, configuration."""

import difflib
from pathlib import Path
from typing import Any

import msgspec

from shipit import process
from shipit.delivery import choose
from shipit.delivery.project import Project
from shipit.errors import ShipitError, UsageError
from shipit.model import application, codec, source
from shipit.model.digest import Digest
from shipit.model.release import Release
from shipit.model.state import State


class Side(msgspec.Struct, frozen=True):
    """`environment` is empty when a release was named."""

    name: str
    environment: str
    release_id: str
    release: Digest
    commit: str


class ServiceDiff(msgspec.Struct, frozen=True):
    service: str
    a: Digest | None
    b: Digest | None


class Diff(msgspec.Struct, frozen=True):
    """`commits` are lines of `git log --oneline` from a to b, where the commits are known here.
    `configuration` is a unified diff of the rendered applications, images left out."""

    a: Side
    b: Side
    services: tuple[ServiceDiff, ...]
    commits: tuple[str, ...]
    configuration: tuple[str, ...]

    @property
    def same(self) -> bool:
        return not self.configuration and all(s.a == s.b for s in self.services)


def diff(project: Project, a: str, b: str) -> Diff:
    """Each of `a` and `b` is an environment's name or a release. Raises UsageError."""
    state = project.ledger.read()
    one, other = (_side(project, state, name) for name in (a, b))
    first, second = (project.ledger.get_release(side.release) for side in (one, other))
    names = sorted({*first.images, *second.images})
    return Diff(
        a=one,
        b=other,
        services=tuple(ServiceDiff(n, _digest(first, n), _digest(second, n)) for n in names),
        commits=_commits(project.root, first, second),
        configuration=_configuration(project, (one, first), (other, second)),
    )


def _side(project: Project, state: State, name: str) -> Side:
    if name in project.pipeline.environments:
        current = state.environment(name).current
        if current is None:
            raise UsageError(
                f"nothing runs in {name} yet", next_step=f"run `shipit deploy --env {name}` first"
            )
        found, environment = choose.by_name(state, str(current.release)), name
    else:
        found, environment = choose.by_name(state, name), ""
    return Side(name, environment, found.id, found.digest, found.source.commit)


def _digest(release: Release, service: str) -> Digest | None:
    found = release.images.get(service)
    return found.image.digest if found else None


def _commits(root: Path, first: Release, second: Release) -> tuple[str, ...]:
    old, new = first.source.commit, second.source.commit
    if not old or not new or old == new:
        return ()
    try:
        done = process.run(
            ["git", "-C", str(root), "log", "--oneline", "--no-color", "-50", f"{old}..{new}"],
            deadline=10,
        )
    except ShipitError:
        return ()
    return tuple(done.stdout.splitlines()) if done.code == 0 else ()


def _configuration(
    project: Project, first: tuple[Side, Release], second: tuple[Side, Release]
) -> tuple[str, ...]:
    """Two releases are compared in every environment; with an environment on a side, in that."""
    sides = (first[0].environment, second[0].environment)
    if any(sides):
        pairs = [(sides[0] or sides[1], sides[1] or sides[0])]
    else:
        pairs = [(name, name) for name in project.pipeline.environments]
    lines: list[str] = []
    for old, new in pairs:
        lines += difflib.unified_diff(
            _text(first[1], old),
            _text(second[1], new),
            f"{first[0].release_id} in {old}",
            f"{second[0].release_id} in {new}",
            lineterm="",
            n=2,
        )
    return tuple(lines)


def _text(release: Release, environment: str) -> list[str]:
    project: dict[str, Any] = codec.plain(release.environments.get(environment, {}))
    bare = {
        **project,
        "services": {
            name: {key: value for key, value in service.items() if key != "image"}
            for name, service in (project.get("services") or {}).items()
        },
    }
    bare.pop("name", None)
    objects = release.source_of(environment)
    if objects:
        # Which bytes they are is told by service; here it would hide what else has changed.
        images = {found.image.reference: "(by digest)" for found in release.images.values()}
        tasks = {n: s for n, s in bare["services"].items() if application.run_when(s)}
        bare = {**bare, "services": tasks, "source": source.repointed(objects, images)}
    ordered = codec.decode(codec.canonical(bare), dict)
    return codec.pretty(ordered).decode().splitlines()
