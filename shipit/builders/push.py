"""One run of `docker buildx build --push`, and its digest read back from the registry."""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from shipit import process
from shipit.builders import refusals, section
from shipit.builders.crew import Crew
from shipit.builders.jobs import Job
from shipit.builders.machine import Builder
from shipit.builders.output import Step, Transcript
from shipit.builders.section import Section
from shipit.errors import ShipitError
from shipit.model import codec
from shipit.model.digest import Digest
from shipit.model.image import Image, Platform, Reference
from shipit.model.progress import Mark, Progress, Stage
from shipit.model.release import Source

Resolve = Callable[[Reference], Image]
PutIndex = Callable[[str, str, Sequence[tuple[Platform, Digest]]], Digest]


class Site(msgspec.Struct, frozen=True):
    """What every build of one release shares. `registry` is `host[:port][/path]`, `secrets` the
    Compose project's definitions by name, and `environment` what buildx is started with."""

    builder: Builder
    root: Path
    registry: str
    tag: str
    source: Source
    secrets: Mapping[str, Any]
    resolve: Resolve
    put_index: PutIndex
    deadline: float
    environment: Mapping[str, str] = {}


class Push(msgspec.Struct, frozen=True):
    """One image of a job: its tag, its platforms (none: the builder's own), and the references of
    the images that it is built from, by service."""

    tag: str
    platforms: tuple[Platform, ...] = ()
    needed: Mapping[str, str] = {}


def push(job: Job, site: Site, asked: Push, crew: Crew) -> Generator[Progress, None, Image]:
    """Build and push it; the image as the registry has it."""
    with TemporaryDirectory(prefix="shipit-build-") as folder:
        scratch = Path(folder)
        yield from _run(job, site, command(job, site, asked, scratch), crew)
        pushed = _pushed_digest(job, scratch / "metadata.json")
    return read_back(job, site, asked.tag, pushed)


def _pushed_digest(job: Job, written: Path) -> Digest:
    metadata = codec.decode(written.read_bytes(), dict[str, Any]) if written.exists() else {}
    pushed = metadata.get("containerimage.digest")
    if not isinstance(pushed, str):
        raise ShipitError(
            f"{job.name}: buildx did not say which digest it pushed",
            "its metadata file has no containerimage.digest",
            "upgrade docker buildx to 0.10 or later",
        )
    return Digest(pushed)


def command(job: Job, site: Site, asked: Push, scratch: Path) -> list[str]:
    """The buildx command, whose last word is the context. `scratch` is a private folder."""
    platforms = ",".join(map(str, asked.platforms))
    return [
        *site.builder.argv,
        "--push",
        *("--tag", f"{site.registry}/{job.name}:{asked.tag}"),
        *("--metadata-file", str(scratch / "metadata.json")),
        *("--progress", site.builder.dialect().flag),
        *_attestations(job.section, site.builder),
        *(("--platform", platforms) if platforms else ()),
        *(
            f"--build-arg={name}={value}"
            for name, value in _epoch(job.section, site.source).items()
        ),
        *section.secret_flags(job.section, site.secrets, site.root, scratch),
        *section.arguments(job.section, site.root, scratch, asked.needed),
    ]


def _attestations(found: Section, builder: Builder) -> Iterator[str]:
    """As the file says; else buildx's own default, which the engine's own BuildKit lacks."""
    for name, asked in (("provenance", found.provenance), ("sbom", found.sbom)):
        if asked or builder.embedded:
            yield f"--{name}={asked or 'false'}"


def _epoch(found: Section, source: Source) -> dict[str, str]:
    """The commit's time, so that a build of the same commit makes the same time stamps.

    Source: reproducible-builds.org, SOURCE_DATE_EPOCH; moby/buildkit docs/build-repro.md.
    """
    if source.committed_at is None or "SOURCE_DATE_EPOCH" in found.args:
        return {}
    return {"SOURCE_DATE_EPOCH": str(int(source.committed_at.timestamp()))}


def _run(job: Job, site: Site, argv: list[str], crew: Crew) -> Iterator[Progress]:
    dialect, transcript = site.builder.dialect(), Transcript()
    for line in process.stream(
        argv,
        deadline=site.deadline,
        cwd=site.root,
        env={**_epoch(job.section, site.source), **site.environment},
        started=crew.started,
    ):
        if isinstance(line, str):
            for step in dialect.read(line):
                transcript.add(step)
                yield from _shown(job.name, step)
        elif line.code:
            raise refusals.judge(
                refusals.Failure(
                    service=job.name,
                    registry=site.registry,
                    step=transcript.step,
                    error=transcript.error,
                    tail=transcript.tail,
                )
            )


def _shown(name: str, step: Step) -> Iterator[Progress]:
    if step.error:
        yield progress(name, f"{step.name}: {step.error}", Mark.FAILED)
    elif step.name and not step.internal:
        message = f"{step.name} (cached)" if step.cached else step.name
        yield progress(name, message, logs=(step.line,) if step.line else ())


def read_back(job: Job, site: Site, tag: str, pushed: Digest) -> Image:
    """The image at the tag. Raises ShipitError when it is not the one that was pushed."""
    reference = Reference.parse(f"{site.registry}/{job.name}:{tag}")
    image = site.resolve(reference)
    if image.digest != pushed:
        raise ShipitError(
            f"{job.name}: {reference} is not what was pushed",
            f"this build pushed {pushed}, and the registry has {image.digest}: "
            "somebody else pushed the same tag at the same time",
            "build again",
        )
    return image


def progress(
    name: str, message: str, mark: Mark = Mark.RUNNING, logs: tuple[str, ...] = ()
) -> Progress:
    """An event of the build stage; `name` is the service."""
    return Progress(stage=Stage.BUILD, mark=mark, subject=name, message=message, logs=logs)
