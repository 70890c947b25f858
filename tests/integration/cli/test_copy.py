"""`shipit copy` as people and programs use it, over real registries."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipit.model.image import Image
from shipit.registry.client import Client
from shipit.registry.embedded import EmbeddedRegistry
from shipit.registry.keychain import Chain
from tests.fakes import registry_images as images
from tests.fakes import registry_vouchers as vouching
from tests.fakes.debian_registry import debian_registry

pytestmark = pytest.mark.registry


@pytest.fixture(scope="module")
def registries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    folder = tmp_path_factory.mktemp("registries")
    with (
        EmbeddedRegistry(folder / "embedded", port=0) as embedded,
        debian_registry(folder / "debian") as debian,
    ):
        yield f"{embedded.address}/shop/web", f"{debian}/production/web"


@pytest.fixture
def client() -> Iterator[Client]:
    with Client(Chain([])) as opened:
        yield opened


def _shipit(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """In a folder without a shipit.yaml: none is needed."""
    argv = [sys.executable, "-m", "shipit", *words]
    environ = {**os.environ, "CI": "true", "DOCKER_CONFIG": str(folder)}
    environ["PYTHONPATH"] = str(Path(__file__).parents[3])
    return subprocess.run(
        argv, cwd=folder, env=environ, capture_output=True, text=True, timeout=60, check=False
    )


def test_the_digest_is_on_stdout_and_progress_is_not(
    client: Client, registries: tuple[str, str], tmp_path: Path
) -> None:
    source, destination = registries
    pushed = images.push(client, source, "web", tag="v1", size=3_000_000)

    done = _shipit("copy", f"{source}:v1", f"{destination}:released", folder=tmp_path)

    assert (done.returncode, done.stdout) == (0, f"{destination}@{pushed.digest}\n"), done.stderr
    assert client.get_manifest(destination, "released").digest == pushed.digest
    layer = max(pushed.blobs, key=lambda b: b.size).digest
    lines = done.stderr.splitlines()
    assert any("copy" in line and layer.short in line and "3.0 MB" in line for line in lines)
    assert lines[-1].endswith("6.0 MB in 3 blobs")


def test_what_is_there_is_not_sent_again(
    client: Client, registries: tuple[str, str], tmp_path: Path
) -> None:
    source, destination = registries
    image = vouching.push_signed(client, source, "again")
    words = ("copy", "--json", f"{source}@{image.digest}", destination)
    first = json.loads(_shipit(*words, folder=tmp_path).stdout.splitlines()[-1])

    again = json.loads(_shipit(*words, folder=tmp_path).stdout.splitlines()[-1])

    assert (first["manifests"], first["vouchers"]) == (11, 8)
    assert first["digest"] == again["digest"] == str(image.digest)
    assert (again["manifests"], again["blobs"], again["bytes"]) == (0, 0, 0)
    assert client.verify(Image(destination, image.digest)) == []


def test_a_tag_is_moved_on_purpose(
    client: Client, registries: tuple[str, str], tmp_path: Path
) -> None:
    source, destination = registries
    one, two = (images.push(client, source, text, tag=text) for text in ("one", "two"))
    _shipit("copy", f"{source}:one", f"{destination}:moved", folder=tmp_path)

    refused = _shipit("copy", f"{source}:two", f"{destination}:moved", folder=tmp_path)

    assert (refused.returncode, refused.stdout) == (2, "")
    assert f"{destination}:moved is {one.digest}, not {two.digest}" in refused.stderr
    moved = _shipit("copy", "--move", f"{source}:two", f"{destination}:moved", folder=tmp_path)
    assert moved.stdout == f"{destination}@{two.digest}\n"


@pytest.mark.parametrize(
    ("destination", "said"),
    [
        ("{source}@sha256:" + "0" * 64, "names a digest"),
        ("UPPER/CASE", "is not an image reference"),
    ],
)
def test_where_it_cannot_go(
    registries: tuple[str, str], tmp_path: Path, destination: str, said: str
) -> None:
    source = registries[0]
    done = _shipit("copy", source, destination.format(source=source), folder=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
