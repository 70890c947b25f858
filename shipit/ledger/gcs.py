"""Google Cloud Storage.

Credentials: what the environment names for obstore, else the application default credentials' file.
Federated ones (as google-github-actions/auth writes) go through google-auth. The metadata server is
asked only where NO_GCE_CHECK=false says so.
"""

import importlib
import importlib.util
import json
import os
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shipit.errors import PreconditionError, UsageError
from shipit.ledger.bucket import Bucket, client_options, split
from shipit.ledger.s3 import plain_http

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_NAMED_BY_ENVIRONMENT = (  # obstore reads these itself
    "GOOGLE_SERVICE_ACCOUNT",
    "GOOGLE_SERVICE_ACCOUNT_PATH",
    "GOOGLE_SERVICE_ACCOUNT_KEY",
    "GOOGLE_BEARER_TOKEN",
)
_NATIVE = {"service_account", "authorized_user"}  # kinds of file that obstore reads itself
_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"


def open_bucket(url: str) -> Bucket:
    """Raises UsageError for an address without a bucket, or an emulator in the clear."""
    if not split(url)[0]:
        raise UsageError(
            f"ledger {url}: there is no bucket in it", next_step="write gs://bucket/prefix"
        )
    emulator = os.environ.get("STORAGE_EMULATOR_HOST", "")
    if emulator and "://" not in emulator:
        emulator = f"http://{emulator}"
    insecure = plain_http(emulator)

    def connect() -> "ObjectStore":
        return _connect(url, emulator, insecure=insecure)

    return Bucket(connect, url, vouched=not emulator)


def _connect(url: str, emulator: str, *, insecure: bool) -> "ObjectStore":
    from obstore.store import GCSStore

    bucket, prefix = split(url)
    if emulator:
        # obstore's skip_signature still asks the metadata server before it writes
        access: dict[str, Any] = {
            "config": {"base_url": emulator},
            "credential_provider": lambda: {"token": "emulator", "expires_at": None},
        }
    else:
        access = credentials(url)
    return GCSStore(bucket, prefix=prefix or None, **access, **client_options(allow_http=insecure))


def credentials(url: str) -> dict[str, Any]:
    """Arguments for obstore's GCSStore. Raises PreconditionError when there are none."""
    if any(os.environ.get(name) for name in _NAMED_BY_ENVIRONMENT):
        return {}
    path = Path(os.environ.get("GOOGLE_APPLICATION_CREDENTIALS") or _well_known())
    if path.is_file():
        return _from_file(url, path)
    if os.environ.get("NO_GCE_CHECK") == "false":
        return {}  # obstore asks the metadata server
    raise _none(url, f"there is no {path}")


def _well_known() -> Path:
    """google.auth._cloud_sdk: where `gcloud auth application-default login` writes."""
    folder = os.environ.get("CLOUDSDK_CONFIG") or Path.home() / ".config" / "gcloud"
    return Path(folder) / "application_default_credentials.json"


def _from_file(url: str, path: Path) -> dict[str, Any]:
    try:
        info = json.loads(path.read_bytes())
        kind = info.get("type", "")
    except (OSError, ValueError, AttributeError) as error:
        raise _none(url, f"{path} cannot be read: {type(error).__name__}") from None
    if kind in _NATIVE:
        return {"config": {"application_credentials": str(path)}}
    if not importlib.util.find_spec("google") or not importlib.util.find_spec("google.auth"):
        raise _none(url, f"{path} is of the kind {kind}, which needs google-auth: install it")
    failures = importlib.import_module("google.auth.exceptions")
    try:
        return {"credential_provider": _provider(_federated(info))}
    except (failures.GoogleAuthError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise _none(url, f"{path} ({kind}) is not complete: {error}") from None


def _federated(info: dict[str, Any]) -> Any:
    """By kind, as google.auth._default does; its one loader for all kinds is deprecated."""
    if info["type"] == "impersonated_service_account":
        impersonated = importlib.import_module("google.auth.impersonated_credentials")
        read = impersonated.Credentials.from_impersonated_service_account_info
        return read(info, scopes=[_SCOPE])
    source = info.get("credential_source") or {}
    names = {"environment_id": "aws", "executable": "pluggable"}
    kind = next((name for sign, name in names.items() if sign in source), "identity_pool")
    module = importlib.import_module(f"google.auth.{kind}")
    return module.Credentials.from_info(info, scopes=[_SCOPE])


def _provider(found: Any) -> Any:
    transport = importlib.import_module("google.auth.transport.urllib3")
    urllib3 = importlib.import_module("urllib3")
    request = transport.Request(urllib3.PoolManager(timeout=15.0))

    def provide() -> dict[str, Any]:
        found.refresh(request)
        return {"token": found.token, "expires_at": found.expiry.replace(tzinfo=UTC)}

    return provide


def _none(url: str, why: str) -> PreconditionError:
    return PreconditionError(
        f"there are no Google credentials for the ledger in {url}",
        why,
        "run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS; on a "
        "Google machine with a service account, set NO_GCE_CHECK=false",
    )
