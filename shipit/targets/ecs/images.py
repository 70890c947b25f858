"""Whether the images that would run are in ECR, and the platform of each that the tasks need."""

import json
import re
from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

from shipit.model.deployment import Finding
from shipit.model.image import Image, Platform
from shipit.targets.ecs.look import Look, guarded

Json = dict[str, Any]
_ECR = re.compile(r"(\d{12})\.dkr\.ecr[-a-z]*\.([a-z0-9-]+)\.[a-z.]+/([^@:]+)(?:[@:].*)?")
_ARCHITECTURES = {"X86_64": "amd64", "ARM64": "arm64"}
_MANIFESTS = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)


class Repository(NamedTuple):
    account: str
    region: str
    name: str


def in_ecr(reference: str) -> Repository | None:
    found = _ECR.fullmatch(reference)
    return Repository(*found.groups()) if found else None


def look_at(look: Look) -> Iterator[Finding]:
    """Those that are in ECR; other registries are looked at as registries."""
    for one in look.wanted.values():
        platform = _platform(one.task_definition)
        for name in one.group.members:
            image = look.desired.images[name] if look.desired else None
            repository = in_ecr(image.repository) if image else None
            if image and repository:
                there = partial(_there, look, name, image, repository, platform)
                yield from guarded(f"images {name}", there)


def _there(
    look: Look, service: str, image: Image, repository: Repository, platform: Platform
) -> Iterator[Finding]:
    subject = f"images {service}"
    if repository.region != look.cloud.region:
        yield Finding("warning", subject, f"is in {repository.region}, and pulled from there")
        return
    manifest = _manifest(look, repository, str(image.digest))
    if manifest is None:
        yield _absent(subject, f"{image.digest.short} is not in {repository.name}")
        return
    found = f"{image.digest.short} is in {repository.name}"
    children = manifest.get("manifests")
    if children is None:
        yield Finding("ok", subject, found)
        return
    child = next((str(c["digest"]) for c in children if _is_for(c, platform)), "")
    if not child:
        yield _absent(subject, f"{image.digest.short} is not for {platform}")
    elif _manifest(look, repository, child) is None:
        yield _absent(subject, f"{found} without what its index has for {platform}")
    else:
        yield Finding("ok", subject, f"{found} for {platform}")


def _absent(subject: str, what: str) -> Finding:
    return Finding("error", subject, what, "deploy copies it there; if it did, copy it again")


def _platform(definition: Json) -> Platform:
    """RegisterTaskDefinition: without `runtimePlatform` a task is for linux/amd64."""
    said = definition.get("runtimePlatform") or {}
    windows = str(said.get("operatingSystemFamily", "")).startswith("WINDOWS")
    architecture = _ARCHITECTURES[str(said.get("cpuArchitecture", "X86_64"))]
    return Platform("windows" if windows else "linux", architecture)


def _is_for(child: Json, platform: Platform) -> bool:
    said = child.get("platform") or {}
    return (said.get("os"), said.get("architecture")) == (platform.os, platform.architecture)


def _manifest(look: Look, repository: Repository, digest: str) -> Json | None:
    """None when it is not there. Raises RemoteError when the repository is not."""
    answer = look.cloud.call(
        "ecr",
        "batch_get_image",
        registryId=repository.account,
        repositoryName=repository.name,
        imageIds=[{"imageDigest": digest}],
        acceptedMediaTypes=list(_MANIFESTS),
    )
    found = answer.get("images") or ()
    manifest: Json | None = json.loads(found[0]["imageManifest"]) if found else None
    return manifest
