"""The labels and annotations by which objects are known, and the name of an environment. Pure.

NAME and INSTANCE are shipit's own, because the recommended ones (kubernetes.io, "Recommended
Labels") are in use by charts and manifests, in their selectors too: what is shipit's is found by
labels that nobody else sets. Objects made from compose.yaml have the recommended ones beside them.
Selectors use NAME and INSTANCE alone: they cannot be changed later. The annotations are of objects
themselves, never of pod templates, where a new release would restart what did not change (but for
SERVICES, which is what a pod is made of).
"""

import hashlib
import re

from shipit.model.deployment import Desired

NAME = "shipit.dev/service"
INSTANCE = "shipit.dev/instance"
PART_OF = "app.kubernetes.io/part-of"
MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGER = "shipit"
RECOMMENDED_NAME = "app.kubernetes.io/name"
RECOMMENDED_INSTANCE = "app.kubernetes.io/instance"

RELEASE = "shipit.dev/release"
DIGEST = "shipit.dev/digest"
DEPLOYMENT = "shipit.dev/deployment"
SERVICES = "shipit.dev/services"  # of pods that several services share: all of them, the head first

PRIMARY = "-primary"  # what Flagger adds to the names of what it promotes to, one label included

_LABEL = 63  # characters of a DNS label and of a label's value (RFC 1123)


def instance(app: str, environment: str) -> str:
    """What an environment's objects share: a DNS label and a label's value."""
    return label(f"{app}-{environment}")


def project(desired: Desired) -> str:
    return instance(desired.app, desired.environment)


def label(text: str, most: int = _LABEL) -> str:
    """As a DNS label of so many characters: one that had to be changed or cut ends in a hash, so
    that no two are one."""
    word = re.sub(r"[^a-z0-9-]+", "-", text.lower()).strip("-")
    if word == text and len(word) <= most:
        return word
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return f"{word[: most - 9].rstrip('-')}-{digest}"


def run_of(service: str) -> str:
    """NAME of the pods that run a person's command: no Service and no workload selects them."""
    return f"{service}.run"


def selector(desired: Desired, service: str) -> dict[str, str]:
    return {NAME: service, INSTANCE: project(desired)}


def labels(desired: Desired, service: str) -> dict[str, str]:
    """Of an object of the service, and of its pods; of what several services share, `service` is
    the environment's own name."""
    return {
        **selector(desired, service),
        RECOMMENDED_NAME: service,
        RECOMMENDED_INSTANCE: project(desired),
        PART_OF: desired.app,
        MANAGED_BY: MANAGER,
    }


def members(said: str, head: str) -> tuple[str, ...]:
    """The services that are in a pod, by what SERVICES says of it; `head` alone where it says
    nothing."""
    return tuple(said.split(",")) if said else (head,)


def annotations(desired: Desired, service: str) -> dict[str, str]:
    """Which release, image and deployment brought an object."""
    image = desired.images.get(service)
    found = {
        RELEASE: desired.release_id,
        DIGEST: str(image.digest) if image else "",
        DEPLOYMENT: desired.deployment,
    }
    return {key: value for key, value in found.items() if value}
