"""What would stop a deployment to this engine, found before it does."""

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from shipit import process
from shipit.errors import ShipitError
from shipit.model.deployment import Desired, Finding
from shipit.targets.docker import honoured
from shipit.targets.engine.address import LOOPBACK, Address
from shipit.targets.engine.client import Engine


def reach(engine: Engine) -> Finding:
    try:
        version = engine.get("/version")
    except ShipitError as error:
        return _error("engine", error)
    return Finding("ok", "engine", f"Docker {version['Version']} answers at {engine.address}")


def programs() -> Iterator[Finding]:
    for name, found, level in (
        ("compose", process.compose, "error"),
        ("docker", process.docker, "warning"),
    ):
        yield _program(name, found, level)


def application(desired: Desired) -> Iterator[Finding]:
    """What a plain engine cannot do, and what has no effect on it."""
    for path, what, next_step in honoured.refusals(desired):
        yield Finding("error", path, what, next_step)
    for note in honoured.notes(desired):
        path, _, what = note.partition(" ")
        yield Finding("warning", path, what)


def registry(address: Address, desired: Desired) -> Iterator[Finding]:
    """An engine on another machine cannot pull from this one's loopback, except through ssh."""
    if address.local or address.scheme == "ssh":
        return
    homes = {urlsplit(f"//{image.repository}") for image in desired.images.values()}
    for home in sorted({home.netloc for home in homes if home.hostname in LOOPBACK}):
        yield Finding(
            "error",
            "registry",
            f"the engine at {address.url} cannot reach {home}, which is this machine's own",
            "set `registry:` for the environment in shipit.yaml",
        )


def rehearsed(plan: Callable[[], None]) -> Iterator[Finding]:
    """Whether it can be planned: ports, above all."""
    try:
        plan()
    except ShipitError as error:
        yield _error("plan", error)
    else:
        yield Finding("ok", "plan", "it can be brought up here")


def _program(name: str, found: Callable[[], tuple[str, ...]], level: str) -> Finding:
    try:
        return Finding("ok", name, found()[0])
    except ShipitError as error:
        return Finding(level, name, error.what, error.next_step)


def _error(subject: str, error: ShipitError) -> Finding:
    what = f"{error.what}: {error.why}" if error.why else error.what
    return Finding("error", subject, what, error.next_step)
