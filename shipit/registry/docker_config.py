"""Credentials that `docker login` left: config.json and the credential helpers it names.

The file's fields and the order in which they count are docker/cli's
(cli/config/configfile/file.go); the helpers' protocol is docker/docker-credential-helpers'.
"""

import base64
import binascii
import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from shipit.errors import ShipitError
from shipit.model import codec
from shipit.model.image import DOCKER_HUB
from shipit.registry.credentials import Credentials, Secret

if TYPE_CHECKING:
    from shipit import process

HUB_KEY = "https://index.docker.io/v1/"
_HELPER_DEADLINE = 30.0  # seconds: cloud helpers ask a token service
_IDENTITY = "<token>"  # a helper's user name when its secret is an identity token


class AuthEntry(msgspec.Struct, frozen=True):
    """One of `auths`. `auth` is base64 of user:password."""

    auth: str = ""
    username: str = ""
    password: str = ""
    identitytoken: str = ""


class ConfigFile(msgspec.Struct, frozen=True, rename="camel"):
    auths: dict[str, AuthEntry] = {}
    cred_helpers: dict[str, str] = {}
    creds_store: str = ""


class HelperAnswer(msgspec.Struct, frozen=True, rename="pascal"):
    username: str = ""
    secret: str = ""


class DockerConfig:
    """`$DOCKER_CONFIG/config.json`, else `~/.docker/config.json`."""

    name = "docker config"

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
        self._reasons: dict[str, str] = {}

    @property
    def file(self) -> Path:
        return self._folder / "config.json"

    def resolve(self, registry: str) -> Credentials | None:
        try:
            config = codec.decode(self.file.read_bytes(), ConfigFile)
        except FileNotFoundError:
            return self._decline(registry, f"there is no {self.file}")
        except (OSError, ValueError) as error:
            return self._decline(registry, f"{self.file} cannot be read: {error}")
        return self._from_helper(config, registry) or self._from_auths(config, registry)

    def reason(self, registry: str) -> str:
        return self._reasons.get(registry, "")

    def _decline(self, registry: str, reason: str) -> Credentials | None:
        self._reasons[registry] = reason
        return None

    def _from_helper(self, config: ConfigFile, registry: str) -> Credentials | None:
        helper = config.cred_helpers.get(registry) or config.creds_store
        if not helper:
            return self._decline(registry, "")
        from shipit import process  # with all that it takes to start programs

        program = f"docker-credential-{helper}"
        try:
            done = process.run([program, "get"], deadline=_HELPER_DEADLINE, stdin=_key(registry))
        except ShipitError as error:
            return self._decline(registry, error.what)
        if done.code:
            return self._decline(registry, f"{program}: {_told(done)}")
        try:
            answer = codec.decode(done.stdout, HelperAnswer)
        except ValueError:
            return self._decline(registry, f"{program} did not answer in JSON")
        source = f"{self.name} ({program})"
        if answer.username == _IDENTITY:
            return Credentials(identity_token=Secret(answer.secret), source=source)
        return Credentials.basic(answer.username, answer.secret, source)

    def _from_auths(self, config: ConfigFile, registry: str) -> Credentials | None:
        for key, entry in config.auths.items():
            if _host(key) == _host(_key(registry)):
                found = _credentials(entry, f"{self.name} ({self.file})")
                if found:
                    return found
        if not self.reason(registry):
            self._decline(registry, f"{self.file} has no entry for {registry}")
        return None


def _told(done: "process.Completed") -> str:
    """Why a helper failed. They tell "not found" on stdout, as text; one that failed with an answer
    in its hands has a secret there."""
    said = done.stdout.strip()
    if "{" in said:
        return f"it ended with code {done.code}"
    return said or done.last_words(1)


def _key(registry: str) -> str:
    """The name under which docker keeps a registry's credentials."""
    return HUB_KEY if registry == DOCKER_HUB else registry


def _host(key: str) -> str:
    """Older entries are URLs: `https://registry.example.com/v1/` is registry.example.com."""
    return key.removeprefix("https://").removeprefix("http://").partition("/")[0]


def _credentials(entry: AuthEntry, source: str) -> Credentials | None:
    if entry.identitytoken:
        return Credentials(identity_token=Secret(entry.identitytoken), source=source)
    user, password = entry.username, entry.password
    if entry.auth:
        try:
            decoded = base64.b64decode(entry.auth).decode()
        except (binascii.Error, UnicodeDecodeError):
            return None
        user, _, password = decoded.partition(":")
    return Credentials.basic(user, password.rstrip("\0"), source) if user else None
