"""Artifact Registry's hosts."""

import re

import msgspec

_PACKAGES = re.compile(r"(?P<location>[a-z0-9-]+)-docker\.pkg\.dev")
# Artifact Registry serves these names too: "Transition from Container Registry".
_GCR = {"gcr.io": "us", "us.gcr.io": "us", "eu.gcr.io": "europe", "asia.gcr.io": "asia"}


class Host(msgspec.Struct, frozen=True):
    """`repository` is "" where the path names it, and `gcr.io` on that host."""

    location: str
    repository: str = ""


def parse(registry: str) -> Host | None:
    """None when it is not a host of Artifact Registry's."""
    found = _PACKAGES.fullmatch(registry)
    if found:
        return Host(found["location"])
    if registry in _GCR:
        return Host(_GCR[registry], registry)
    return None
