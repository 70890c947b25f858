"""crane, oras, skopeo and cosign read what a copy wrote, and what vouches for it is still good."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipit.model.image import Image
from shipit.registry.client import Client
from shipit.registry.embedded import EmbeddedRegistry
from tests.fakes import registry_vouchers as vouching
from tests.fakes.debian_registry import debian_registry
from tests.fakes.peers import run

pytestmark = [pytest.mark.peers, pytest.mark.registry]


@pytest.fixture(params=["to docker-registry", "to the embedded one"])
def ways(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """A repository, and one of the other registry: with a referrers API on one side only."""
    with (
        EmbeddedRegistry(tmp_path / "embedded", port=0) as embedded,
        debian_registry(tmp_path / "debian") as debian,
    ):
        both = (f"{embedded.address}/shop/web", f"{debian}/production/web")
        yield both if request.param == "to docker-registry" else (both[1], both[0])


def test_they_read_back_what_we_wrote(
    client: Client, ways: tuple[str, str], tmp_path: Path
) -> None:
    source, destination = ways
    image = vouching.push_signed(client, source, "web")
    client.copy(image, destination, tag="v1")

    assert run("crane", "digest", f"{destination}:v1").strip() == str(image.digest)
    pulled = tmp_path / "pulled"
    run("crane", "pull", "--format", "oci", f"{destination}:v1", str(pulled))
    for child in image.platforms:
        assert (pulled / "blobs" / "sha256" / child.manifest.hex).is_file()
    index = client.get_manifest(destination, image.digest).content
    assert run("oras", "manifest", "fetch", "--plain-http", f"{destination}:v1").encode() == index
    tls = "--src-tls-verify=false"
    out = f"oci:{tmp_path / 'out'}:v1"
    copied = ("copy", "--all", "--preserve-digests", tls, f"docker://{destination}:v1", out)
    run("skopeo", *copied)
    assert (tmp_path / "out" / "blobs" / "sha256" / image.digest.hex).read_bytes() == index


def test_oras_finds_the_referrers(client: Client, ways: tuple[str, str]) -> None:
    source, destination = ways
    image = vouching.push_signed(client, source, "web")
    client.copy(image, destination)

    for subject in (image.digest, *(p.manifest for p in image.platforms)):
        reference = f"{destination}@{subject}"
        said = json.loads(run("oras", "discover", "--plain-http", "--format", "json", reference))
        found = {entry["digest"] for entry in said.get("referrers") or said.get("manifests")}
        assert found == {str(d.digest) for d in client.referrers(source, subject)}


@pytest.mark.parametrize("bundle", ["true", "false"])
def test_cosign_verifies_after_a_promotion(
    client: Client, ways: tuple[str, str], tmp_path: Path, bundle: str
) -> None:
    """Signed where it was built, verified where it runs; as a referrer, and as a digest tag."""
    source, destination = ways
    image = vouching.push_signed(client, source, "web")
    client.delete_manifest(source, image.digest)
    unsigned = vouching.push_index(
        client, source, *(client.get_manifest(source, p.manifest) for p in image.platforms)
    )
    run("cosign", "generate-key-pair", cwd=tmp_path)
    key, public = str(tmp_path / "cosign.key"), str(tmp_path / "cosign.pub")
    near = ("--allow-http-registry", "--allow-insecure-registry")
    offline = ("--use-signing-config=false", "--tlog-upload=false")
    form = f"--new-bundle-format={bundle}"
    run("cosign", "sign", "--key", key, *near, *offline, form, f"{source}@{unsigned.digest}")

    client.copy(Image(source, unsigned.digest), destination)

    ignore = ("--insecure-ignore-tlog=true", "--private-infrastructure=true")
    run(
        "cosign",
        "verify",
        "--key",
        public,
        *near,
        *ignore,
        form,
        f"{destination}@{unsigned.digest}",
    )
