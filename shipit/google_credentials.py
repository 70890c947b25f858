"""Google's application default credentials.

As google.auth.default() finds them, but for three things: the `gcloud` program is not run and no
project is looked up, since what is asked for is named whole; and the metadata address is
asked only on Google's machines, or where GCE_METADATA_HOST names it. Elsewhere asking it is a wait
of many seconds for nothing.
"""

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

INSTALL = "pip install 'shipit[gcp]'"
EXTRA = f"google-auth is not installed: {INSTALL}"
SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
DEADLINE = 20.0  # seconds for one request to a token service

_ON_GOOGLE = ("GCE_METADATA_HOST", "GCE_METADATA_ROOT", "K_SERVICE", "CLOUD_RUN_JOB")
_PRODUCT = Path("/sys/class/dmi/id/product_name")  # "Google Compute Engine" on its machines


def is_installed() -> bool:
    return importlib.util.find_spec("google") is not None and bool(
        importlib.util.find_spec("google.auth")
    )


def find() -> Any:
    """google-auth's credentials; None where there are none on this machine.

    A file that is named by GOOGLE_APPLICATION_CREDENTIALS counts first: a service account's key, a
    workload identity federation's configuration, a person's own. Then what `gcloud auth
    application-default login` left. Raises ValueError for a file that is no
    such thing.
    """
    named = os.environ.get("GOOGLE_APPLICATION_CREDENTIALS", "")
    if named or _well_known().is_file():
        return _load(named or str(_well_known()))
    if not _is_on_google():
        return None
    from google.auth import compute_engine

    return compute_engine.Credentials(scopes=SCOPES)


def token() -> str:
    """An access token for Google's APIs; "" where there are no credentials. Raises as `find`."""
    found = find()
    if found is None:
        return ""
    found.refresh(request)
    return str(found.token)


def _load(path: str) -> Any:
    try:
        info = msgspec.json.decode(Path(path).read_bytes(), type=dict[str, Any])
        return _KINDS[info["type"]](info)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        reason = f": {error}" if isinstance(error, msgspec.DecodeError) else ""
        raise ValueError(f"{path} holds no credentials of Google's{reason}") from None
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None


def _person(info: dict[str, Any]) -> Any:
    from google.oauth2.credentials import Credentials

    return Credentials.from_authorized_user_info(info, SCOPES)


def _service_account(info: dict[str, Any]) -> Any:
    from google.oauth2.service_account import Credentials

    return Credentials.from_service_account_info(info, scopes=SCOPES)


def _federation(info: dict[str, Any]) -> Any:
    """Workload identity federation: the subject's token is a program's, AWS's, or in a file or at
    an address."""
    from google.auth import aws, identity_pool, pluggable

    kind: Any = identity_pool
    if info.get("subject_token_type") == "urn:ietf:params:aws:token-type:aws4_request":
        kind = aws
    elif "executable" in info["credential_source"]:
        kind = pluggable
    return kind.Credentials.from_info(info, scopes=SCOPES)


def _workforce(info: dict[str, Any]) -> Any:
    from google.auth.external_account_authorized_user import Credentials

    return Credentials.from_info(info)


def _impersonated(info: dict[str, Any]) -> Any:
    from google.auth.impersonated_credentials import Credentials

    return Credentials.from_impersonated_service_account_info(info, scopes=SCOPES)


_KINDS: dict[str, Callable[[dict[str, Any]], Any]] = {  # by `type`, as google-auth has them
    "authorized_user": _person,
    "service_account": _service_account,
    "external_account": _federation,
    "external_account_authorized_user": _workforce,
    "impersonated_service_account": _impersonated,
}


def _well_known() -> Path:
    folder = os.environ.get("CLOUDSDK_CONFIG")
    base = Path(folder) if folder else Path.home() / ".config" / "gcloud"
    return base / "application_default_credentials.json"


def _is_on_google() -> bool:
    if any(os.environ.get(name) for name in _ON_GOOGLE):
        return True
    try:
        return _PRODUCT.read_text(encoding="utf-8").startswith("Google")
    except OSError:
        return False


def request(*args: Any, **words: Any) -> Any:
    """google-auth's transport on urllib3: one request, with a deadline where it gives none."""
    import urllib3
    from google.auth.transport.urllib3 import Request

    with urllib3.PoolManager(retries=False) as connections:
        return Request(connections)(*args, **{"timeout": DEADLINE, **words})


def said(error: Exception) -> str:
    """google-auth's error in one line. Its further arguments hold the answer's body: not shown."""
    text = str(error.args[0]) if error.args else type(error).__name__
    return " ".join(text.split())[:300]
