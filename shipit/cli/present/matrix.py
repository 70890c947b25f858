"""The matrix: services down, environments across in promotion order. What runs where, since when.

These types are also its JSON form (`shipit status --json`): keys are only ever added.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from string import ascii_uppercase

import msgspec

from shipit.model.deployment import Health, Observed, ObservedService
from shipit.model.digest import Digest
from shipit.model.pipeline import Environment, Pipeline
from shipit.model.release import ReleaseSummary, is_service
from shipit.model.state import Active, Deployed, EnvironmentState, State


class Proof(StrEnum):
    """How an environment stands. Only what was proven, and not contradicted since, is healthy."""

    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    NOT_PROVEN = "not proven"
    NOTHING = "nothing yet"


class Work(msgspec.Struct, frozen=True):
    """A deployment under way, or one that was interrupted."""

    release_id: str
    release: Digest
    kind: str
    by: str
    since: datetime
    stage: str  # the last that it finished, "" before the first
    rolling_back: bool


class Stop(msgspec.Struct, frozen=True):
    """A hold: automation is off until it is lifted."""

    reason: str
    by: str
    since: datetime


class Column(msgspec.Struct, frozen=True):
    """An environment. `detail`: why it is not healthy; `checked_at`: when that was last seen."""

    name: str
    after: str | None
    health: Proof
    release_id: str = ""
    release: Digest | None = None
    since: datetime | None = None
    checked_at: datetime | None = None
    detail: str = ""
    active: Work | None = None
    interrupted: Work | None = None
    hold: Stop | None = None


class Cell(msgspec.Struct, frozen=True):
    """A service in an environment. Cells of one row with one `group` letter run one digest.

    `differs`: it is not the digest of the environment that this one comes after. `health`,
    `running` and `desired` are there when the environment was observed.
    """

    digest: Digest | None = None
    group: str = ""
    differs: bool = False
    health: Health | None = None
    running: int | None = None
    desired: int | None = None


class Row(msgspec.Struct, frozen=True):
    """`newest` is the service's digest in the newest release."""

    service: str
    newest: Digest | None
    cells: dict[str, Cell]


class Newest(msgspec.Struct, frozen=True):
    """The newest release."""

    id: str
    digest: Digest
    created_at: datetime
    created_by: str
    subject: str
    commit: str


class Matrix(msgspec.Struct, frozen=True):
    app: str
    at: datetime
    commit: int  # of the ledger, up to which this is true
    newest: Newest | None
    environments: tuple[Column, ...]
    services: tuple[Row, ...]

    def notes(self) -> Iterator[str]:
        """A sentence for whatever a person has to know or to do."""
        for column in self.environments:
            yield from _notes(column)


def build_matrix(
    pipeline: Pipeline,
    state: State,
    now: datetime,
    live: Mapping[str, Observed] | None = None,
) -> Matrix:
    """Pure. `live` is what was observed just now, by environment; it overrules the record."""
    live = live or {}
    newest = state.releases[0] if state.releases else None
    environments = pipeline.environments.values()
    return Matrix(
        app=pipeline.app,
        at=now,
        commit=state.number,
        newest=_newest(newest) if newest else None,
        environments=tuple(_column(e, state, live.get(e.name), now) for e in environments),
        services=tuple(
            Row(
                name,
                newest.images.get(name) if newest else None,
                _cells(name, pipeline, state, live),
            )
            for name in _services(pipeline, state, newest)
        ),
    )


def _newest(release: ReleaseSummary) -> Newest:
    return Newest(
        id=release.id,
        digest=release.digest,
        created_at=release.created_at,
        created_by=release.created_by,
        subject=release.source.subject,
        commit=release.source.commit,
    )


def _services(pipeline: Pipeline, state: State, newest: ReleaseSummary | None) -> list[str]:
    """Sorted by name: a row stays where it was when another comes.

    A release has images of one-off tasks too. They are known by having an image in a release that
    is proven somewhere without them.
    """
    currents = [d for n in pipeline.environments if (d := state.environment(n).current)]
    proven = {service for current in currents for service in current.services}
    with_image = {name for c in currents if (r := state.release(c.release)) for name in r.images}
    coming = {n for n in newest.images if is_service(n)} - with_image if newest else set()
    return sorted(proven | coming)


def _cells(
    service: str, pipeline: Pipeline, state: State, live: Mapping[str, Observed]
) -> dict[str, Cell]:
    digests = {name: _digest(state.environment(name), service) for name in pipeline.environments}
    distinct = list(dict.fromkeys(d for d in digests.values() if d))
    letters = {d: ascii_uppercase[n % len(ascii_uppercase)] for n, d in enumerate(distinct)}
    cells = {}
    for name, environment in pipeline.environments.items():
        digest = digests[name]
        observed = live[name].services.get(service) if name in live else None
        upstream = digests.get(environment.after) if environment.after else digest
        cells[name] = Cell(
            digest=digest,
            group=letters[digest] if digest else "",
            differs=digest != upstream and state.environment(name).current is not None,
            health=observed.health if observed else None,
            running=observed.running if observed else None,
            desired=observed.desired if observed else None,
        )
    return cells


def _digest(env: EnvironmentState, service: str) -> Digest | None:
    return env.current.services.get(service) if env.current else None


def _column(
    environment: Environment, state: State, observed: Observed | None, now: datetime
) -> Column:
    env = state.environment(environment.name)
    health, detail = _health(env)
    checked_at = env.current.checked_at if env.current else None
    if observed is not None and env.current is not None:
        health, detail = _observed_health(env.current, observed, state)
        checked_at = now
    hold = env.hold
    return Column(
        name=environment.name,
        after=environment.after,
        health=health,
        release_id=env.current.release_id if env.current else "",
        release=env.current.release if env.current else None,
        since=env.current.at if env.current else None,
        checked_at=checked_at,
        detail=detail,
        active=_work(env.active) if env.active else None,
        interrupted=_work(env.interrupted) if env.interrupted else None,
        hold=Stop(hold.reason, str(hold.by), hold.at) if hold else None,
    )


def _work(active: Active) -> Work:
    return Work(
        release_id=active.release_id,
        release=active.release,
        kind=active.kind,
        by=str(active.owner),
        since=active.started_at,
        stage=active.finished[-1].stage if active.finished else "",
        rolling_back=bool(active.rolling_back),
    )


def _health(env: EnvironmentState) -> tuple[Proof, str]:
    """What the record proves. A deployment that stopped half-way leaves nothing proven."""
    if env.interrupted:
        return Proof.NOT_PROVEN, "a deployment was interrupted here"
    if env.current is None:
        failed = env.recent and env.recent[0].outcome in ("failed", "interrupted")
        return (Proof.NOT_PROVEN, "the last deployment failed") if failed else (Proof.NOTHING, "")
    if not env.current.healthy:
        return Proof.UNHEALTHY, env.current.note
    return Proof.HEALTHY, env.current.note


def _observed_health(current: Deployed, observed: Observed, state: State) -> tuple[Proof, str]:
    """Each service that was proven must run now, whole and healthy. The worst decides."""
    found = [
        _service_health(name, observed.services.get(name), current, state)
        for name in current.services
    ]
    for verdict in (Proof.UNHEALTHY, Proof.NOT_PROVEN):
        details = [detail for health, detail in found if health is verdict]
        if details:
            return verdict, "; ".join(details)
    return Proof.HEALTHY, ""


def _alike(name: str, current: Deployed, state: State) -> Iterator[str]:
    """The releases with the same image of it: a service that did not change since keeps the name
    of the release that brought it."""
    release = state.release(current.release)
    image = release.images.get(name) if release else None
    return (r.id for r in state.releases if image and r.images.get(name) == image)


def _service_health(
    name: str, service: ObservedService | None, current: Deployed, state: State
) -> tuple[Proof, str]:
    if service is None or (service.running == 0 and service.desired > 0):
        return Proof.UNHEALTHY, f"{name} does not run"
    if service.release_id not in ("", current.release_id, *_alike(name, current, state)):
        return Proof.UNHEALTHY, f"{name} runs {service.release_id}"
    if service.running < service.desired:
        return Proof.UNHEALTHY, f"{name}: {service.running} of {service.desired} run"
    if service.health in (Health.UNHEALTHY, Health.STOPPED):
        return Proof.UNHEALTHY, f"{name}: {service.detail or service.health}"
    if service.health is not Health.HEALTHY:
        return Proof.NOT_PROVEN, f"{name}: {service.detail or service.health}"
    return Proof.HEALTHY, ""


def _notes(column: Column) -> Iterator[str]:
    if column.active:
        verb = "rolling back from" if column.active.rolling_back else "deploying"
        yield f"{column.name}: {verb} {column.active.release_id}, by {column.active.by}"
    if column.interrupted:
        work = column.interrupted
        yield (
            f"{column.name}: the deployment of {work.release_id} by {work.by} was interrupted; "
            "run `shipit resume`"
        )
    if column.hold:
        yield (
            f"{column.name}: held by {column.hold.by}: {column.hold.reason}; "
            f"lift it with `shipit unfreeze {column.name}`"
        )
    if column.detail and not column.interrupted:
        yield f"{column.name}: {column.health}: {column.detail}"
