"""CPU and memory as Kubernetes writes them (apimachinery, resource.Quantity), in the form in which
it keeps them, so that what did not change does not look changed. Pure."""

import math
import re
from typing import Any

from shipit.errors import ConfigurationError

_BINARY = ("", "Ki", "Mi", "Gi", "Ti")
_SIZE = re.compile(r"(?P<number>[0-9]+(?:\.[0-9]+)?)(?P<unit>[kmgt]?)(?:i?b)?", re.IGNORECASE)
_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}


def cpu(value: Any) -> str:
    """Compose's `cpus: 0.5` is 500m."""
    thousandths = math.ceil(float(value) * 1000)
    whole, rest = divmod(thousandths, 1000)
    return f"{thousandths}m" if rest else str(whole)


def memory(value: Any, path: str) -> str:
    """Bytes as text, as Compose renders sizes, or a size as people write it (64m)."""
    found = _SIZE.fullmatch(str(value).strip())
    if not found:
        raise ConfigurationError(f"{value!r} is not a size", path=path)
    size = int(float(found["number"]) * _UNITS[found["unit"].lower()])
    power = 0
    while size and size % 1024 == 0 and power < len(_BINARY) - 1:
        size //= 1024
        power += 1
    return f"{size}{_BINARY[power]}"
