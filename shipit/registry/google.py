"""Artifact Registry's hosts, and Google's application default credentials.

As google.auth.default() finds them, but for two things: the `gcloud` program is not run, and the
metadata address is asked only on Google's machines, or where GCE_METADATA_HOST names it. Elsewhere
asking it is a wait of many seconds for nothing.
"""

import importlib.util
import os
import re
import warnings
from pathlib import Path
from typing import Any

import msgspec

INSTALL = "pip install 'shipit[gcp]'"
EXTRA = f"google-auth is not installed: {INSTALL}"
SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
DEADLINE = 20.0  # seconds for one request to a token service

_PACKAGES = re.compile(r"(?P<location>[a-z0-9-]+)-docker\.pkg\.dev")
# Artifact Registry serves these names too: "Transition from Container Registry".
_GCR = {"gcr.io": "us", "us.gcr.io": "us", "eu.gcr.io": "europe", "asia.gcr.io": "asia"}
_ON_GOOGLE = ("GCE_METADATA_HOST", "GCE_METADATA_ROOT", "K_SERVICE", "CLOUD_RUN_JOB")
_PRODUCT = Path("/sys/class/dmi/id/product_name")  # "Google Compute Engine" on its machines


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


def is_installed() -> bool:
    return importlib.util.find_spec("google") is not None and bool(
        importlib.util.find_spec("google.auth")
    )


def find() -> Any:
    """google-auth's credentials; None where there are none on this machine.

    A file that is named by GOOGLE_APPLICATION_CREDENTIALS counts first: a service account's key, a
    workload identity federation's configuration, a person's own. Then what `gcloud auth
    application-default login` left. Raises google.auth's GoogleAuthError for a file that is no such
    thing, ValueError for one that is something else.
    """
    named = os.environ.get("GOOGLE_APPLICATION_CREDENTIALS", "")
    if named or _well_known().is_file():
        return _load(named or str(_well_known()))
    if not _is_on_google():
        return None
    from google.auth import compute_engine

    return compute_engine.Credentials(scopes=SCOPES)


def _load(path: str) -> Any:
    import google.auth

    with warnings.catch_warnings():
        # It warns of files that others hand in. This one is the user's, by the user's own choice;
        # google.auth.default() silences it likewise. And of a person's credentials without a
        # quota project, which a registry does not need.
        warnings.simplefilter("ignore")
        try:
            found, _ = google.auth.load_credentials_from_file(path, scopes=SCOPES, request=request)
        except (AttributeError, KeyError, TypeError) as error:  # of the JSON of something else
            raise ValueError(f"{path} holds no credentials") from error
    return found


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
    """google-auth's transport on urllib3, with a deadline where it gives none."""
    import urllib3
    from google.auth.transport.urllib3 import Request

    return Request(urllib3.PoolManager(retries=False))(*args, **{"timeout": DEADLINE, **words})


def said(error: Exception) -> str:
    """google-auth's error in one line. Its further arguments hold the answer's body: not shown."""
    text = str(error.args[0]) if error.args else type(error).__name__
    return " ".join(text.split())[:300]
