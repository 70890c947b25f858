"""Clouds that are on this machine: their registries' names, and credentials for them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from shipit.registry import address
from tests.fakes import moto


@pytest.fixture
def route(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Make a registry's name lead to an address on this machine, as DNS would lead elsewhere."""
    told: dict[str, str] = {}
    elsewhere = address.base_url
    monkeypatch.setattr(
        address, "base_url", lambda r: f"http://{told[r]}" if r in told else elsewhere(r)
    )

    def tell(registry: str, where: str) -> None:
        told[registry] = where

    return tell


@pytest.fixture
def amazon(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """AWS credentials that are in nobody's real files; the folder of them."""
    for name, value in moto.CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "aws"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    return tmp_path
