"""Which BuildKit builds: found by asking Docker, before anything is changed."""

import json
import os
import re
from urllib.parse import urlsplit

import msgspec

from shipit import process
from shipit.builders.output import Dialect, Plain, RawJson
from shipit.errors import PreconditionError

_ASKING = 30.0  # seconds; a question to a local engine takes 0.1, over ssh a few
_RAWJSON_SINCE = (0, 13)  # docker/buildx v0.13.0, release notes
_LOOPBACK = re.compile(r"127(\.\d+){3}|localhost|\[::1\]|::1")


class Builder(msgspec.Struct, frozen=True):
    """`program` is the buildx plugin itself: unlike the docker command line before version 24, it
    ends its build when it is told to end. `name` is empty for the user's current builder."""

    program: str
    name: str
    driver: str
    version: tuple[int, ...]

    @property
    def embedded(self) -> bool:
        """The engine's own BuildKit: one platform a build, and no attestations."""
        return self.driver == "docker"

    @property
    def argv(self) -> tuple[str, ...]:
        return (self.program, "build", *(("--builder", self.name) if self.name else ()))

    def dialect(self) -> Dialect:
        return RawJson() if self.version >= _RAWJSON_SINCE else Plain()


def is_loopback(registry: str) -> bool:
    """Whether `registry` (`host[:port][/path]`) is on this machine only."""
    host = registry.partition("/")[0]
    return bool(_LOOPBACK.fullmatch(re.sub(r":\d+$", "", host)))


def find(registry: str) -> Builder:
    """The builder that can push to `registry`.

    A loopback registry is reached by the engine on this machine and by no builder in a container,
    so it is the engine's own BuildKit then; else it is whatever builder the user has chosen.
    Raises PreconditionError.
    """
    process.docker()
    program = _plugin()
    if is_loopback(registry):
        context, host = _context()
        _require_local(host, registry)
        _require_engine()
        return Builder(program, context, "docker", _version(program))
    driver = _current_driver(program)
    if driver in ("", "docker"):
        _require_engine()
    return Builder(program, "", driver or "docker", _version(program))


def _plugin() -> str:
    found = process.plugin("docker-buildx")
    if not found:
        raise PreconditionError(
            "docker buildx is not installed",
            "shipit builds with BuildKit",
            "install the plugin (Debian and Ubuntu: apt-get install docker-buildx)",
        )
    return found


def _version(program: str) -> tuple[int, ...]:
    """(0, 13, 1) of `github.com/docker/buildx v0.13.1 <commit>`; empty when it does not say."""
    said = process.run([program, "version"], deadline=_ASKING).stdout
    found = re.search(r"\bv?(\d+)\.(\d+)\.(\d+)", said)
    return tuple(int(n) for n in found.groups()) if found else ()


def _context() -> tuple[str, str]:
    """The current Docker context's name, and its engine's address."""
    done = process.run([*process.docker(), "context", "inspect"], deadline=_ASKING)
    if done.code:
        raise PreconditionError(
            "the current Docker context cannot be read",
            done.last_words(),
            "choose one that exists: docker context ls, docker context use",
        )
    context = json.loads(done.stdout)[0]
    return context["Name"], context["Endpoints"]["docker"]["Host"]


def _require_local(host: str, registry: str) -> None:
    address = urlsplit(host)
    if address.scheme in ("unix", "npipe", "fd") or is_loopback(address.hostname or ""):
        return
    raise PreconditionError(
        f"the engine at {host} cannot push to {registry}",
        "that registry is on this machine only, and the engine is on another",
        "name a registry that both reach, under `registry:` in shipit.yaml",
    )


def _require_engine() -> None:
    asked = [*process.docker(), "version", "--format", "{{.Server.Version}}"]
    done = process.run(asked, deadline=_ASKING)
    if done.code:
        where = os.environ.get("DOCKER_HOST")
        raise PreconditionError(
            "no Docker engine answers" + (f" at {where}" if where else ""),
            done.last_words(1),
            "start it (systemctl start docker), or point DOCKER_HOST at one",
        )


def _current_driver(program: str) -> str:
    done = process.run([program, "inspect"], deadline=_ASKING)
    if done.code:
        raise PreconditionError(
            "the current builder cannot be read",
            done.last_words(),
            "choose one that exists: docker buildx ls, docker buildx use",
        )
    found = re.search(r"^Driver:[ \t]*(\S*)", done.stdout, re.MULTILINE)
    return found.group(1) if found else ""
