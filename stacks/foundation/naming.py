"""Names that a cloud takes."""

import re

_NO_LABEL = re.compile(r"[^a-z0-9_-]")


def label(text: str) -> str:
    """As Google Cloud takes a label's key or value: small letters, digits, dashes, underscores."""
    return _NO_LABEL.sub("-", text.lower())[:63]
