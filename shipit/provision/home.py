"""Where Pulumi keeps a stack's state, and what protects the secrets in it."""

import os
from pathlib import Path

import msgspec

from shipit.errors import PreconditionError

_BESIDE = "pulumi"  # the folder under the ledger's prefix
_PASSPHRASES = ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE")


class Home(msgspec.Struct, frozen=True):
    """`url` as PULUMI_BACKEND_URL. `store` is the same for shipit's own stores: a folder, s3://…
    or gs://…; empty when it is a service that cannot be looked into. `secrets` is the secrets
    provider, as in awskms://alias/shipit; empty: a passphrase."""

    url: str
    store: str = ""
    secrets: str = ""

    @property
    def environment(self) -> dict[str, str]:
        return {"PULUMI_BACKEND_URL": self.url, "PULUMI_SKIP_UPDATE_CHECK": "true"}


def home(ledger: str, root: Path, secrets: str = "") -> Home:
    """From PULUMI_BACKEND_URL, else beside the ledger: in its bucket, or in .shipit/pulumi.

    Raises PreconditionError when nothing would protect the secrets in the state.
    """
    url = os.environ.get("PULUMI_BACKEND_URL", "") or _beside(ledger, root)
    store = url.partition("?")[0].removeprefix("file://")
    if "://" in store and not store.startswith(("s3://", "gs://")):
        return Home(url, "", secrets)
    if url.startswith("file://"):
        Path(store).mkdir(parents=True, exist_ok=True)
    if not secrets and not any(name in os.environ for name in _PASSPHRASES):
        raise PreconditionError(
            "nothing protects the secrets in the stack's state",
            "Pulumi encrypts them with a passphrase or with a key of the cloud: there is neither",
            "set PULUMI_CONFIG_PASSPHRASE, or name a key in shipit.yaml:"
            " `stack: {secrets: awskms://alias/shipit}`",
        )
    return Home(url, store, secrets)


def _beside(ledger: str, root: Path) -> str:
    if ledger.startswith(("s3://", "gs://")):
        return f"{ledger.rstrip('/')}/{_BESIDE}"
    if "://" in ledger:
        raise PreconditionError(
            f"a ledger at {ledger} keeps nothing, and so not Pulumi's state either",
            next_step="set PULUMI_BACKEND_URL",
        )
    return f"file://{root / '.shipit' / _BESIDE}"
