"""Credentials for a program of docker's that asks no keychain of ours: buildx, while it pushes.

It reads config.json in DOCKER_CONFIG. So it is given a folder that is the user's own in all but
that file, which has one entry more; readable by the user alone, and gone when the work is done.
"""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from shipit.model import codec
from shipit.model.image import DOCKER_HUB
from shipit.registry.credentials import Credentials
from shipit.registry.docker_config import HUB_KEY, DockerConfig
from shipit.registry.keychain import Chain


@contextmanager
def lend(keychain: Chain, registry: str) -> Iterator[dict[str, str]]:
    """The environment variables to start the program with: none where docker itself knows the
    registry, or nobody does."""
    found = keychain.resolve(registry)
    if found is None or found.source.startswith(DockerConfig.name):
        yield {}
        return
    own = DockerConfig().file.parent
    with TemporaryDirectory(prefix="shipit-docker-") as folder:  # mode 0700
        _mirror(own, Path(folder))
        file = Path(folder) / "config.json"
        file.touch(mode=0o600)
        file.write_bytes(codec.encode(_with_entry(_read(own / file.name), registry, found)))
        yield {"DOCKER_CONFIG": folder}


def _mirror(own: Path, folder: Path) -> None:
    """Plugins, contexts and builders are found where they were."""
    if own.is_dir():
        for entry in own.iterdir():
            if entry.name != "config.json":
                (folder / entry.name).symlink_to(entry.absolute())


def _read(file: Path) -> dict[str, Any]:
    try:
        return codec.decode(file.read_bytes(), dict[str, Any])
    except (OSError, ValueError):
        return {}


def _with_entry(config: dict[str, Any], registry: str, found: Credentials) -> dict[str, Any]:
    """An empty helper is none: the entry counts also where a credsStore is named for all others
    (docker/cli, cli/config/configfile/file.go, getConfiguredCredentialStore)."""
    key = HUB_KEY if registry == DOCKER_HUB else registry
    pair = f"{found.username}:{found.password.reveal()}".encode()
    entry = {"auth": base64.b64encode(pair).decode()}
    return {
        **config,
        "auths": {**(config.get("auths") or {}), key: entry},
        "credHelpers": {**(config.get("credHelpers") or {}), key: ""},
    }
