"""HTTPS_PROXY, HTTP_PROXY and NO_PROXY, as every client of the field reads them."""

import base64
import os
from urllib.parse import SplitResult, unquote, urlsplit

import msgspec

from shipit.errors import PreconditionError
from shipit.registry import address


class Proxy(msgspec.Struct, frozen=True):
    """`headers` carry its credentials, where the variable has some."""

    host: str
    port: int
    headers: dict[str, str]


def proxy_for(url: SplitResult) -> Proxy | None:
    """None for a direct way: also always for this machine.

    Raises PreconditionError for a proxy that is not spoken to in HTTP.
    """
    if address.is_loopback(url.netloc) or not _is_any_named():
        return None
    import urllib.request  # it takes longer than the questions of a copy that is there

    if urllib.request.proxy_bypass(url.netloc):
        return None
    named = urllib.request.getproxies_environment().get(url.scheme, "")
    if not named:
        return None
    parts = urlsplit(named if "://" in named else f"http://{named}")
    if parts.scheme != "http" or not parts.hostname:
        raise PreconditionError(
            f"the proxy of {url.scheme.upper()}_PROXY cannot be used",
            f"{parts.scheme or 'nothing'}:// is not a way to a proxy that shipit knows",
            f"name it as http://HOST:PORT, or put {url.hostname} into NO_PROXY",
        )
    return Proxy(parts.hostname, parts.port or 80, _credentials(parts))


def _is_any_named() -> bool:
    return any(name.lower().endswith("_proxy") for name in os.environ)


def _credentials(parts: SplitResult) -> dict[str, str]:
    if not parts.username:
        return {}
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
    return {"Proxy-Authorization": f"Basic {base64.b64encode(pair).decode()}"}
