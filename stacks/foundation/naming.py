"""Names that a cloud takes, of whatever length an application's is."""

import hashlib
import re

_DIGEST = 6
_NO_LABEL = re.compile(r"[^a-z0-9_-]")


def short(name: str, most: int) -> str:
    """As it is where it fits, else its beginning and what tells it from others that begin so."""
    if len(name) <= most:
        return name
    end = hashlib.sha256(name.encode()).hexdigest()[:_DIGEST]
    return f"{name[: most - _DIGEST - 1].rstrip('-')}-{end}"


def label(text: str) -> str:
    """As Google Cloud takes a label's key or value: small letters, digits, dashes, underscores."""
    return _NO_LABEL.sub("-", text.lower())[:63]
