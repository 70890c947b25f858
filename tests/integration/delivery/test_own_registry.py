"""An environment with a registry of its own: on a real engine, it is served from there."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipit.model.image import Image
from shipit.registry.client import Client
from shipit.registry.keychain import Chain
from tests.fakes import registry_images as images
from tests.fakes import registry_vouchers as vouching
from tests.fakes.debian_registry import debian_registry
from tests.fakes.engine import docker
from tests.fakes.small_app import SmallApp

pytestmark = [pytest.mark.engine, pytest.mark.registry]


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    with debian_registry(tmp_path / "registry") as address:
        yield address


@pytest.fixture
def app(tmp_path: Path, registry: str) -> Iterator[SmallApp]:
    made = SmallApp(tmp_path)
    settings = made.root / "shipit.yaml"
    own = f"    registry: {registry}/{made.app}\n"
    settings.write_text(settings.read_text().replace("  dev:\n", f"  dev:\n{own}"))
    yield made
    made.clean()


def _sign(app: SmallApp) -> Image:
    """web's image, signed in the embedded registry, where the build left it."""
    from shipit.registry.embedded import EmbeddedRegistry

    with EmbeddedRegistry(app.root / ".shipit" / "registry") as embedded, Client(Chain([])) as own:
        repository = f"{embedded.address}/{app.app}/web"
        tag = next(t for t in own.tags(repository) if "-" not in t)
        subject = own.get_manifest(repository, tag)
        images.push_referrer(own, repository, subject, vouching.SIGNATURE)
        vouching.push_signature_tag(own, repository, subject.digest, "one")
    return Image(repository, subject.digest)


def test_fm20_the_image_and_its_signatures_come_along(app: SmallApp, registry: str) -> None:
    app.build("1")
    built = _sign(app)

    deployed = app.shipit("deploy", "--env", "dev")

    assert deployed.returncode == 0, deployed.stderr
    (container,) = app.web()
    there = Image(f"{registry}/{app.app}/web", built.digest)
    assert docker("inspect", "--format", "{{.Config.Image}}", container).strip() == there.reference
    with Client(Chain([])) as client:
        assert client.verify(there) == []
        (signature,) = client.referrers(there.repository, there.digest)
        assert signature.artifact_type == vouching.SIGNATURE
        assert f"sha256-{built.digest.hex}.sig" in client.tags(there.repository)
        kept = client.head_manifest(there.repository, "shipit-dev")
        assert kept is not None
        assert kept.digest == built.digest
    proven = json.loads(app.shipit("verify", "--env", "dev", "--json").stdout)
    assert proven["healthy"], proven


def test_a_second_copy_is_a_no_op_and_a_loss_is_told(app: SmallApp, registry: str) -> None:
    app.build("1")
    assert app.shipit("deploy", "--env", "dev").returncode == 0

    again = app.shipit("deploy", "--env", "dev")

    assert again.returncode == 0, again.stderr
    copies = [line for line in again.stderr.splitlines() if " copy " in line and " web" in line]
    assert any("was there, whole" in line for line in copies), again.stderr
    repository = f"{registry}/{app.app}/web"
    with Client(Chain([])) as client:
        manifest = client.get_manifest(repository, "shipit-dev")
        client.delete_blob(repository, manifest.blobs[-1].digest)
    verified = app.shipit("verify", "--env", "dev")
    assert verified.returncode == 1
    assert f"the blob {manifest.blobs[-1].digest} is missing" in verified.stdout + verified.stderr
    assert app.shipit("deploy", "--env", "dev").returncode == 0
    assert app.shipit("verify", "--env", "dev").returncode == 0
