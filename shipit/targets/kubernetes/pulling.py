"""Whose credentials pull the images: what can be known of it without a node. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from shipit.model.deployment import Finding
from shipit.model.image import Image

Json = dict[str, Any]
_LOOPBACK = re.compile(r"(?:localhost|127\.[\d.]+|\[::1\])(?::\d+)?")
# Registries whose own clusters' nodes have an identity there: host, cluster, the role it needs.
_BY_IDENTITY = (
    (re.compile(r"\d{12}\.dkr[.-]ecr[^/]*"), "eks", "AmazonEC2ContainerRegistryPullOnly"),
    (
        re.compile(r"(?:[a-z0-9-]+-docker\.pkg\.dev|(?:[a-z]+\.)?gcr\.io)"),
        "gke",
        "roles/artifactregistry.reader",
    ),
)
_NAME_ONE = "name one: x-kubernetes.image_pull_secrets in compose.yaml"


def provider(server: str, kind: str) -> str:
    """`eks`, `gke` or "": a kubeconfig may lead to one of theirs, too."""
    host = urlsplit(server).hostname or ""
    if kind == "eks" or re.search(r"\.eks\.amazonaws\.com(\.cn)?$", host):
        return "eks"
    return "gke" if kind == "gke" or host.endswith(".gke.goog") else ""


def secrets(objects: Iterable[Json]) -> set[str]:
    """The pull secrets that pods name, themselves or by their ServiceAccount."""
    found = set()
    for one in objects:
        spec = one.get("spec") or {}
        if one["kind"] == "CronJob":
            spec = (spec.get("jobTemplate") or {}).get("spec") or {}
        pod = (spec.get("template") or {}).get("spec") or {}
        holder = one if one["kind"] == "ServiceAccount" else pod
        found |= {str(secret["name"]) for secret in holder.get("imagePullSecrets") or ()}
    return found


def findings(where: str, images: Mapping[str, Image], named: set[str]) -> Iterator[Finding]:
    """One for each registry. `where` as `provider` says; `named` are the pull secrets."""
    hosts = sorted({image.repository.partition("/")[0] for image in images.values()})
    for host in hosts:
        yield _finding(where, host, named)


def _finding(where: str, host: str, named: set[str]) -> Finding:
    if _LOOPBACK.fullmatch(host):
        what = f"{host} is an address of this machine's own: nodes do not pull from it"
        return Finding("warning", "images", what, "give the environment a `registry:`")
    if named:
        return Finding("ok", "images", f"{host}: nodes pull with {', '.join(sorted(named))}")
    for registry, cluster, role in _BY_IDENTITY:
        if registry.fullmatch(host) and where == cluster:
            what = f"{host}: nodes pull with their own identity, which needs {role}"
            return Finding("ok", "images", what)
        if registry.fullmatch(host):
            what = f"{host}: nodes outside of {cluster.upper()} have no credentials of their own"
            return Finding("warning", "images", f"{what}, and no pull secret is named", _NAME_ONE)
    what = f"{host}: no pull secret is named; that is enough for what everybody may pull"
    return Finding("ok", "images", what)
