"""Other tools of the field over the embedded registry: skopeo on its folder, docker's engine."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipit.model.image import Reference
from shipit.registry.client import Client
from shipit.registry.embedded import EmbeddedRegistry
from tests.fakes import registry_images as images


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[EmbeddedRegistry]:
    with EmbeddedRegistry(tmp_path / "registry") as opened:
        yield opened


def _run(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"{argv}: {done.stderr}"
    return done.stdout


needs_skopeo = pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed")


@needs_skopeo
def test_skopeo_reads_the_folder_by_tag(
    registry: EmbeddedRegistry, client: Client, tmp_path: Path
) -> None:
    repository = f"{registry.address}/shop/web"
    pushed = images.push(client, repository, "web", tag="v1.2")
    images.push(client, repository, "other", tag="v1.3")
    layout = f"oci:{tmp_path}/registry:shop/web:v1.2"

    assert _run("skopeo", "inspect", "--raw", layout).encode() == pushed.content

    _run("skopeo", "copy", layout, f"dir:{tmp_path}/copied")
    for blob in pushed.blobs:
        assert (tmp_path / "copied" / blob.digest.hex).is_file()


@needs_skopeo
def test_skopeo_copies_over_http_in_both_directions(
    registry: EmbeddedRegistry, client: Client, tmp_path: Path
) -> None:
    repository = f"{registry.address}/shop/web"
    image = images.push_two_platforms(client, repository, "web", tag="v1")

    _run(
        "skopeo",
        "copy",
        "--all",
        "--src-tls-verify=false",
        "--dest-tls-verify=false",
        f"docker://{repository}:v1",
        f"docker://{registry.address}/by/skopeo:v1",
    )

    found = client.resolve(Reference.parse(f"{registry.address}/by/skopeo:v1"))
    assert found == image.at(f"{registry.address}/by/skopeo")
    assert client.verify(found) == []


_DOCKERFILE = """\
FROM scratch
COPY busybox /bin/busybox
ENTRYPOINT ["/bin/busybox"]
CMD ["echo", "it runs"]
"""


@pytest.mark.engine
def test_the_engine_pushes_and_pulls_by_digest(
    registry: EmbeddedRegistry, client: Client, tmp_path: Path
) -> None:
    context = tmp_path / "context"
    context.mkdir()
    shutil.copy("/bin/busybox", context / "busybox")
    (context / "Dockerfile").write_text(_DOCKERFILE)
    name = f"{registry.address}/shop/engine:v1"
    _run("docker", "build", "--tag", name, str(context))
    image_id = _run("docker", "image", "inspect", "--format", "{{.Id}}", name).strip()
    by_digest = ""
    try:
        _run("docker", "push", name)
        image = client.resolve(Reference.parse(name))
        by_digest = image.reference
        assert str(image.platforms[0].config) == image_id
        assert client.verify(image) == []

        _run("docker", "rmi", "--force", image_id)
        _run("docker", "pull", by_digest)

        assert _run("docker", "run", "--rm", by_digest) == "it runs\n"
        digests = _run(
            "docker", "image", "inspect", "--format", '{{join .RepoDigests " "}}', by_digest
        )
        assert by_digest in digests.split()
    finally:
        subprocess.run(["docker", "rmi", "--force", image_id], capture_output=True, check=False)
