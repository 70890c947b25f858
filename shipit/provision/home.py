"""Where Pulumi keeps a stack's state, and what protects the secrets in it."""

import os
import shlex
import sys
from pathlib import Path
from urllib.parse import quote, unquote

import msgspec

from shipit.errors import PreconditionError

_URL = "PULUMI_BACKEND_URL"
_PYTHON = "PULUMI_PYTHON_CMD"
_BESIDE = "pulumi"  # the folder under the ledger's prefix
_PASSPHRASES = ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE")
_FILE, _BUCKETS = "file://", ("s3://", "gs://")


class Home(msgspec.Struct, frozen=True):
    """`url` as PULUMI_BACKEND_URL. `store` is the same for shipit's own stores: a folder, s3://…
    or gs://…; empty when it is one that cannot be looked into. `secrets` is the secrets provider,
    as in awskms://alias/shipit; empty: a passphrase. `named`: the user's own environment says so.
    """

    url: str
    store: str = ""
    secrets: str = ""
    named: bool = False

    @property
    def environment(self) -> dict[str, str]:
        """For the `pulumi` program. What it runs imports shipit: this one."""
        python = os.environ.get(_PYTHON) or sys.executable
        return {_URL: self.url, _PYTHON: python, "PULUMI_SKIP_UPDATE_CHECK": "true"}

    @property
    def setting(self) -> str:
        """What a shell needs before `pulumi`, a blank at its end; "" where it has it already."""
        return "" if self.named else f"{_URL}={shlex.quote(self.url)} "

    @property
    def folder(self) -> Path | None:
        """On this machine, or None."""
        return Path(self.store) if self.url.startswith(_FILE) else None

    @property
    def in_the_ledgers_bucket(self) -> bool:
        return not self.named and self.url.startswith(_BUCKETS)


def home(ledger: str, root: Path, folder: Path, secrets: str = "") -> Home:
    """From PULUMI_BACKEND_URL, read as Pulumi reads it in the project's `folder`; else beside the
    ledger: in its bucket, or in .shipit/pulumi.

    Raises PreconditionError when nothing would protect the secrets in the state.
    """
    said = os.environ.get(_URL, "")
    found = _named(said, folder, secrets) if said else _beside(ledger, root, secrets)
    if found.url.startswith((_FILE, *_BUCKETS)):
        _protected(secrets)
    return found


def on_this_machine(root: Path, secrets: str = "") -> Home:
    """.shipit/pulumi."""
    return _in_folder(root / ".shipit" / _BESIDE, secrets)


def _named(url: str, folder: Path, secrets: str) -> Home:
    """What follows a `?` is the driver's own matter (another endpoint, another profile): a bucket
    that is reached by it is not looked into."""
    if url.startswith(_FILE):
        path, _, query = url.removeprefix(_FILE).partition("?")
        return _in_folder(_expanded(unquote(path), folder), secrets, query, named=True)
    plain = url.startswith(_BUCKETS) and "?" not in url
    return Home(url, url if plain else "", secrets, named=True)


def _expanded(path: str, folder: Path) -> Path:
    """As Pulumi does (pkg/backend/diy, massageBlobPath): a `~` is the home folder whatever the
    character after it, and what is relative is so to the folder where Pulumi runs."""
    if path.startswith("~"):
        return Path.home() / path[2:].lstrip("/")
    return Path(os.path.abspath(folder / path))  # noqa: PTH100 - links stay: it is shown


def _in_folder(path: Path, secrets: str, query: str = "", *, named: bool = False) -> Home:
    url = f"{_FILE}{quote(str(path))}{'?' if query else ''}{query}"
    return Home(url, str(path), secrets, named)


def _beside(ledger: str, root: Path, secrets: str) -> Home:
    if ledger.startswith(_BUCKETS):
        url = f"{ledger.rstrip('/')}/{_BESIDE}"
        return Home(url, url, secrets)
    if "://" in ledger:
        raise PreconditionError(
            f"a ledger at {ledger} keeps nothing, and so not Pulumi's state either",
            next_step=f"set {_URL}",
        )
    return on_this_machine(root, secrets)


def _protected(secrets: str) -> None:
    if secrets or any(name in os.environ for name in _PASSPHRASES):
        return
    raise PreconditionError(
        "nothing protects the secrets in the stack's state",
        "Pulumi encrypts them with a passphrase or with a key of the cloud: there is neither",
        "set PULUMI_CONFIG_PASSPHRASE, or name a key in shipit.yaml:"
        " `stack: {secrets: awskms://alias/shipit}`",
    )
