"""One ledger, opened as often as a test likes, over every store."""

import os
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from shipit.ledger import Ledger
from shipit.ledger.store import open_store
from tests.fakes.moto import CREDENTIALS, make_bucket, moto_server
from tests.fakes.objects import ObjectServer, object_server

Opener = Callable[[], Ledger]
_BUCKETS = count()


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    with moto_server() as endpoint:
        yield endpoint


@pytest.fixture
def objects() -> Iterator[ObjectServer]:
    with object_server() as server:
        yield server


@pytest.fixture(autouse=True)
def _no_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of the machine's own: no profile, no endpoint, no cloud's command line."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "GOOGLE_", "STORAGE_EMULATOR", "SHIPIT_", "CLOUDSDK_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "none"))


@pytest.fixture
def s3_environment(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def use(endpoint: str) -> None:
        for name, value in CREDENTIALS.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)

    return use


@pytest.fixture(
    params=["folder", "memory", "gs", pytest.param("s3", marks=[pytest.mark.aws])],
)
def opened(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Opener:
    """Each call is another process's view: a ledger of its own over the same objects."""
    if request.param == "folder":
        return lambda: Ledger.open("ledger", root=tmp_path)
    if request.param == "memory":
        store = open_store("memory://", tmp_path)
        return lambda: Ledger(store)
    if request.param == "gs":
        server: ObjectServer = request.getfixturevalue("objects")
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.endpoint)
        return lambda: Ledger.open("gs://acme/shop/ledger", root=tmp_path)
    endpoint = request.getfixturevalue("moto")
    bucket = f"ledger-{next(_BUCKETS)}"
    make_bucket(endpoint, bucket)
    request.getfixturevalue("s3_environment")(endpoint)
    return lambda: Ledger.open(f"s3://{bucket}/shop/ledger", root=tmp_path)
