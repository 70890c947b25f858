"""Dockerfiles into images by digest, through BuildKit.

The digest that counts is the one the registry reports after the push; what BuildKit says it
pushed is compared with it.
"""

import os
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from shipit.builders import machine
from shipit.builders.crew import Crew, together
from shipit.builders.jobs import Job, read_jobs
from shipit.builders.machine import Builder
from shipit.builders.push import Push, PutIndex, Resolve, Site, progress, push, read_back
from shipit.errors import ConfigurationError
from shipit.model.image import Image
from shipit.model.progress import Mark, Progress
from shipit.model.release import Source


class Built(msgspec.Struct, frozen=True):
    """The end of a build: the image of every service that has a `build` section."""

    images: dict[str, Image]


def build(
    project: Mapping[str, Any],
    *,
    root: Path,
    registry: str,
    tag: str,
    source: Source,
    resolve: Resolve,
    put_index: PutIndex,
    deadline: float = 3600.0,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Progress | Built]:
    """Build and push what has a `build` section in `project` (the Compose project's JSON form).

    Each image goes to `<registry>/<service>:<tag>`; services with the same section share the first
    one's. `resolve` asks the registry for the image at a reference; `put_index(repository, tag,
    children)` pushes an index of images that are there. Relative paths start at `root`.
    `deadline` is in seconds, for one build. `environment` is added to what buildx is started with:
    where it finds its credentials. The last item is the Built.

    Raises ConfigurationError and PreconditionError before anything is built (and PreconditionError
    when a registry refuses the credentials), ShipitError with the failing step and the last 20
    lines when a build fails, RemoteError when a registry cannot be reached.
    """
    jobs = read_jobs(project, root)
    if not jobs:
        yield Built({})
        return
    site = Site(
        builder=machine.find(registry),
        root=root,
        registry=registry,
        tag=tag,
        source=source,
        secrets=project.get("secrets") or {},
        resolve=resolve,
        put_index=put_index,
        deadline=deadline,
        environment=environment or {},
    )
    _require_single_tag(jobs, site.builder)
    images: dict[str, Future[Image]] = {name: Future() for job in jobs for name in job.services}
    yield from together([partial(_work, job, site, images) for job in jobs], os.cpu_count() or 1)
    yield Built({name: images[name].result() for name in sorted(images)})


def _require_single_tag(jobs: Sequence[Job], builder: Builder) -> None:
    for job in jobs:
        if builder.embedded and job.section.tags and len(job.section.platforms) > 1:
            raise ConfigurationError(
                "this engine builds one platform at a time, and cannot tag the whole",
                path=f"services.{job.name}.build.tags",
                next_step="leave tags out, or create a builder: docker buildx create --use",
            )


def _work(
    job: Job, site: Site, images: Mapping[str, "Future[Image]"], crew: Crew
) -> Iterator[Progress]:
    """Build, and give the image to those who wait for it; or the error, so that none waits on."""
    try:
        needed = {name: images[name].result().reference for name in job.section.services}
        image = yield from _image(job, site, needed, crew)
    except BaseException as error:
        for name in job.services:
            images[name].set_exception(error)
        raise
    for name in job.services:
        images[name].set_result(image)
        shared = "" if name == job.name else f" (as {job.name})"
        yield progress(name, image.reference + shared, Mark.DONE)


def _image(
    job: Job, site: Site, needed: Mapping[str, str], crew: Crew
) -> Generator[Progress, None, Image]:
    platforms = job.section.parsed_platforms
    if not site.builder.embedded or len(platforms) < 2:
        return (yield from push(job, site, Push(site.tag, platforms, needed), crew))
    children = []
    for platform in platforms:
        tag = f"{site.tag}-{str(platform).replace('/', '-')}"
        child = yield from push(job, site, Push(tag, (platform,), needed), crew)
        children.append((platform, child.digest))
    index = site.put_index(f"{site.registry}/{job.name}", site.tag, children)
    return read_back(job, site, site.tag, index)
