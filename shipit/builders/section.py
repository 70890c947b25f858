"""The `build` section of a Compose service, as types, and the buildx arguments that it stands for.

Source: the Compose Specification, build.md, in the JSON form that `docker compose config` renders.
A key that BuildKit cannot be asked for is an error with its path; none is skipped.
"""

import csv
import io
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from shipit.errors import ConfigurationError
from shipit.model import codec
from shipit.model.image import Platform

_REMOTE = re.compile(r"^[a-z][a-z0-9+.-]*://|^git@|^github\.com/", re.IGNORECASE)
_SERVICE = "service:"


class Secret(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A secret that a `RUN --mount=type=secret,id=...` may read: `target` is its id there."""

    source: str
    target: str = ""

    @property
    def id(self) -> str:
        return self.target or self.source


class Limit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    soft: int
    hard: int


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One `build` section. Relative paths start at the folder of compose.yaml, or are remote."""

    context: str = "."
    dockerfile: str = ""
    dockerfile_inline: str = ""
    args: dict[str, str | None] = {}
    target: str = ""
    labels: dict[str, str] = {}
    platforms: tuple[str, ...] = ()
    secrets: tuple[Secret, ...] = ()
    ssh: tuple[str, ...] = ()
    cache_from: tuple[str, ...] = ()
    cache_to: tuple[str, ...] = ()
    additional_contexts: dict[str, str] = {}
    network: str = ""
    no_cache: bool = False
    no_cache_filter: tuple[str, ...] = ()
    pull: bool = False
    extra_hosts: tuple[str, ...] = ()
    shm_size: str = ""
    tags: tuple[str, ...] = ()
    ulimits: dict[str, int | Limit] = {}
    entitlements: tuple[str, ...] = ()
    provenance: str = ""
    sbom: str = ""

    @property
    def services(self) -> tuple[str, ...]:
        """The services whose images this one is built from (`additional_contexts: service:...`)."""
        contexts = self.additional_contexts.values()
        return tuple(c.removeprefix(_SERVICE) for c in contexts if c.startswith(_SERVICE))

    @property
    def parsed_platforms(self) -> tuple[Platform, ...]:
        return tuple(Platform.parse(text) for text in self.platforms)


def read(name: str, service: Mapping[str, Any]) -> Section:
    """A service's build section. Raises ConfigurationError with the path of what does not fit."""
    path = f"services.{name}.build"
    given = {k: v for k, v in service["build"].items() if not k.startswith("x-") and v is not None}
    _refuse_unknown(path, given)
    if not given.get("platforms") and service.get("platform"):
        given["platforms"] = [service["platform"]]
    try:
        section = codec.convert(given, Section)
        section.parsed_platforms  # noqa: B018 - parsed here for its error
    except ValueError as error:
        what, _, where = str(error).partition(" - at `$")
        raise ConfigurationError(what, path=path + where.rstrip("`")) from None
    return section


def _refuse_unknown(path: str, given: Mapping[str, Any]) -> None:
    for key in given:
        if key not in Section.__struct_fields__:
            raise ConfigurationError(
                "BuildKit cannot be asked for this",
                path=f"{path}.{key}",
                why="shipit builds through BuildKit, and ignores nothing that a file asks for",
                next_step="take the key out, or build this image elsewhere and give it as `image:`",
            )


def arguments(
    section: Section, root: Path, scratch: Path, images: Mapping[str, str]
) -> Iterator[str]:
    """The flags and, last, the context. `images` has the reference of each service in
    `section.services`; `scratch` is a private folder, for an inline Dockerfile. Secrets,
    platforms and attestations are the caller's: they depend on the project and the builder."""
    yield from _dockerfile(section, root, scratch)
    for flag, value in _flags(section):
        yield from (flag, value)
    for name, context in section.additional_contexts.items():
        yield from ("--build-context", f"{name}={_additional(context, root, images)}")
    yield from (flag for flag, asked in _switches(section) if asked)
    yield _place(section.context, root)


def _flags(section: Section) -> Iterator[tuple[str, str]]:
    yield from (("--build-arg", _pair(name, value)) for name, value in section.args.items())
    yield from (("--label", _pair(name, value)) for name, value in section.labels.items())
    yield from (("--ulimit", f"{n}={_limit(v)}") for n, v in section.ulimits.items())
    lists = {
        "--ssh": section.ssh,
        "--cache-from": section.cache_from,
        "--cache-to": section.cache_to,
        "--no-cache-filter": section.no_cache_filter,
        "--add-host": tuple(h.replace("=", ":", 1) for h in section.extra_hosts),
        "--allow": section.entitlements,
        "--tag": section.tags,
    }
    yield from ((flag, value) for flag, values in lists.items() for value in values)
    single = {
        "--target": section.target,
        "--network": section.network,
        "--shm-size": section.shm_size,
    }
    yield from ((flag, value) for flag, value in single.items() if value)


def _switches(section: Section) -> tuple[tuple[str, bool], ...]:
    return (("--no-cache", section.no_cache), ("--pull", section.pull))


def _pair(name: str, value: str | None) -> str:
    """Without a value, buildx takes it from its own environment, as Compose means it."""
    return name if value is None else f"{name}={value}"


def _limit(value: int | Limit) -> str:
    return f"{value.soft}:{value.hard}" if isinstance(value, Limit) else str(value)


def _dockerfile(section: Section, root: Path, scratch: Path) -> Iterator[str]:
    if section.dockerfile_inline:
        written = scratch / "Dockerfile"
        written.write_text(section.dockerfile_inline)
        yield from ("--file", str(written))
    elif section.dockerfile:
        remote = _REMOTE.match(section.context)
        beside = Path(_place(section.context, root))
        yield from ("--file", section.dockerfile if remote else str(beside / section.dockerfile))


def _place(context: str, root: Path) -> str:
    if _REMOTE.match(context):
        return context
    return os.path.normpath(root / context)


def _additional(context: str, root: Path, images: Mapping[str, str]) -> str:
    if context.startswith(_SERVICE):
        return f"docker-image://{images[context.removeprefix(_SERVICE)]}"
    return _place(context, root)


def require_files(name: str, section: Section, root: Path) -> None:
    """Raises ConfigurationError for a context or a Dockerfile that is not there."""
    if _REMOTE.match(section.context):
        return
    context = Path(_place(section.context, root))
    if not context.is_dir():
        path = f"services.{name}.build.context"
        raise ConfigurationError(f"there is no folder {context}", path=path)
    dockerfile = context / (section.dockerfile or "Dockerfile")
    if not section.dockerfile_inline and not dockerfile.is_file():
        path = f"services.{name}.build.dockerfile"
        raise ConfigurationError(f"there is no file {dockerfile}", path=path)


def require_secrets(section: Section, definitions: Mapping[str, Any]) -> None:
    """Raises ConfigurationError for a secret that is not in a file, a variable or the project."""
    for secret in section.secrets:
        if not {"environment", "file", "content"} & set(definitions.get(secret.source) or {}):
            raise ConfigurationError(
                "a build can read a secret from a file or a variable only",
                path=f"secrets.{secret.source}",
                next_step="give it a `file:` or an `environment:`",
            )


def secret_flags(
    section: Section, definitions: Mapping[str, Any], root: Path, scratch: Path
) -> Iterator[str]:
    """`--secret` for each; its value is in a file or a variable and never in an argument."""
    for secret in section.secrets:
        place = _kept(secret, definitions[secret.source], root, scratch)
        yield from ("--secret", _quoted(f"id={secret.id}", place))


def _kept(secret: Secret, defined: Mapping[str, Any], root: Path, scratch: Path) -> str:
    if defined.get("environment"):
        return f"env={defined['environment']}"
    if defined.get("file"):
        return f"src={root / defined['file']}"
    written = scratch / f"secret-{secret.id}"
    written.touch(mode=0o600)
    written.write_text(defined["content"])
    return f"src={written}"


def _quoted(*fields: str) -> str:
    """One line of CSV, which is how buildx takes such a flag apart."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(fields)
    return line.getvalue()
