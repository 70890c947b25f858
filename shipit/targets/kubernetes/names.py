"""The labels and annotations by which objects are known, and the name of an environment. Pure.

kubernetes.io/docs/concepts/overview/working-with-objects/common-labels. Selectors use NAME and
INSTANCE alone: they cannot be changed later. The annotations are of objects themselves, never of
pod templates, where a new release would restart what did not change.
"""

import hashlib
import re

from shipit.model.deployment import Desired

NAME = "app.kubernetes.io/name"
INSTANCE = "app.kubernetes.io/instance"
PART_OF = "app.kubernetes.io/part-of"
MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGER = "shipit"

RELEASE = "shipit.dev/release"
DIGEST = "shipit.dev/digest"
DEPLOYMENT = "shipit.dev/deployment"

_LABEL = 63  # characters of a DNS label and of a label's value (RFC 1123)


def instance(app: str, environment: str) -> str:
    """What an environment's objects share: a DNS label and a label's value."""
    return label(f"{app}-{environment}")


def project(desired: Desired) -> str:
    return instance(desired.app, desired.environment)


def label(text: str) -> str:
    """As a DNS label: one that had to be changed or cut ends in a hash, so that no two are one."""
    word = re.sub(r"[^a-z0-9-]+", "-", text.lower()).strip("-")
    if word == text and len(word) <= _LABEL:
        return word
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return f"{word[: _LABEL - 9].rstrip('-')}-{digest}"
