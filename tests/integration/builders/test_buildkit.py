import json
import subprocess
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from shipit.builders.buildkit import Built, build
from shipit.errors import PreconditionError, ShipitError
from shipit.model.digest import Digest
from shipit.model.image import Image, Platform, Reference
from shipit.model.progress import Mark, Progress
from shipit.model.release import Source

pytestmark = [pytest.mark.engine, pytest.mark.registry]

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
SOURCE = Source(commit="c" * 40, committed_at=datetime(2026, 1, 2, tzinfo=UTC))


def manifest(registry: str, path: str, at: str) -> bytes:
    request = urllib.request.Request(
        f"http://{registry}/v2/{path}/manifests/{at}", headers={"Accept": f"{MANIFEST}, {INDEX}"}
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        body: bytes = answer.read()
    return body


def blob(registry: str, path: str, digest: str) -> Any:
    with urllib.request.urlopen(
        f"http://{registry}/v2/{path}/blobs/{digest}", timeout=20
    ) as answer:
        return json.load(answer)


def resolve(reference: Reference) -> Image:
    body = manifest(reference.registry, reference.path, reference.tag)
    return Image(reference.repository, Digest.of(body))


def put_index(repository: str, tag: str, children: Any) -> Digest:
    """A manifest list of what was pushed, as the registry client makes it."""
    registry, _, path = repository.partition("/")
    listed = [
        {
            "mediaType": MANIFEST,
            "digest": str(digest),
            "size": len(manifest(registry, path, str(digest))),
            "platform": {"os": platform.os, "architecture": platform.architecture},
        }
        for platform, digest in children
    ]
    body = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": listed}).encode()
    request = urllib.request.Request(
        f"http://{repository.replace('/', '/v2/', 1)}/manifests/{tag}",
        data=body,
        method="PUT",
        headers={"Content-Type": INDEX},
    )
    urllib.request.urlopen(request, timeout=20).close()
    return Digest.of(body)


def run(root: Path, registry: str, **services: Any) -> tuple[dict[str, Image], list[Progress]]:
    items = list(
        build(
            {"services": services},
            root=root,
            registry=f"{registry}/shop",
            tag="t1",
            source=SOURCE,
            resolve=resolve,
            put_index=put_index,
            deadline=120,
        )
    )
    assert isinstance(items[-1], Built)
    return items[-1].images, [item for item in items if isinstance(item, Progress)]


def output(image: Image) -> str:
    """What a container of the image says, pulled by its digest."""
    argv = ["docker", "run", "--rm", "--pull", "always", image.reference]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    subprocess.run(["docker", "image", "rm", image.reference], capture_output=True, check=True)
    return done.stdout.strip()


def web(**more: Any) -> dict[str, Any]:
    return {"build": {"context": "web", **more}}


def test_services_are_built_pushed_and_run_by_the_digest_that_the_registry_has(
    root: Path, registry: str
) -> None:
    images, progress = run(
        root,
        registry,
        web=web(args={"GREETING": "hello"}),
        worker=web(args={"GREETING": "work"}),
        cron=web(args={"GREETING": "work"}),
        db={"image": "postgres"},
    )
    assert sorted(images) == ["cron", "web", "worker"]
    assert images["worker"] == images["cron"]
    assert images["cron"].repository == f"{registry}/shop/cron"
    for name, said in (("web", "hello"), ("worker", "work")):
        assert output(images[name]) == said
    done = {p.subject: p.message for p in progress if p.mark is Mark.DONE}
    assert done["web"] == images["web"].reference
    assert done["worker"] == f"{images['cron'].reference} (as cron)"
    told = [p.message for p in progress if p.subject == "web"]
    assert any("RUN" in message for message in told)


def test_building_again_gives_the_same_digest(root: Path, registry: str) -> None:
    first, _ = run(root, registry, web=web())
    again, progress = run(root, registry, web=web())
    assert first == again
    assert any(p.message.endswith("(cached)") for p in progress)


def test_a_secret_is_read_by_the_build_and_kept_out_of_the_image(root: Path, registry: str) -> None:
    (root / "token").write_text("hunter2")
    inline = (
        "FROM scratch\nCOPY busybox /bin/busybox\n"
        "RUN --mount=type=secret,id=token "
        '["/bin/busybox", "sh", "-c", "/bin/busybox wc -c < /run/secrets/token > /length"]\n'
        'CMD ["/bin/busybox", "cat", "/length"]\n'
    )
    project = {
        "services": {"web": web(dockerfile_inline=inline, secrets=[{"source": "token"}])},
        "secrets": {"token": {"file": "token"}},
    }
    *_, built = build(
        project,
        root=root,
        registry=f"{registry}/shop",
        tag="s1",
        source=Source(),
        resolve=resolve,
        put_index=put_index,
    )
    assert isinstance(built, Built)
    assert output(built.images["web"]) == "7"


def test_several_platforms_are_pushed_one_by_one_under_one_index(root: Path, registry: str) -> None:
    (root / "web" / "Dockerfile").write_text("FROM scratch\nCOPY busybox /bin/busybox\n")
    images, _ = run(root, registry, web=web(platforms=["linux/amd64", "linux/arm64"]))
    index = json.loads(manifest(registry, "shop/web", str(images["web"].digest)))
    platforms = [Platform(**child["platform"]) for child in index["manifests"]]
    assert platforms == [Platform("linux", "amd64"), Platform("linux", "arm64")]
    for child in index["manifests"]:
        config = json.loads(manifest(registry, "shop/web", child["digest"]))["config"]["digest"]
        built_for = blob(registry, "shop/web", config)["architecture"]
        assert built_for == child["platform"]["architecture"]


def test_a_failing_step_is_named_with_the_last_lines_and_ends_the_others(
    root: Path, registry: str
) -> None:
    broken = (
        "FROM scratch\nCOPY busybox /bin/busybox\n"
        'RUN ["/bin/busybox", "sh", "-c", '
        '"for n in $(/bin/busybox seq 50); do echo line $n; done; exit 3"]\n'
    )
    slow = 'FROM scratch\nCOPY busybox /bin/busybox\nRUN ["/bin/busybox", "sleep", "600"]\n'
    with pytest.raises(ShipitError, match="bad: the build failed at") as raised:
        run(root, registry, bad=web(dockerfile_inline=broken), slow=web(dockerfile_inline=slow))
    assert raised.value.exit_code == 1
    assert "exit 3" in raised.value.what
    lines = raised.value.why.splitlines()
    assert lines[-2] == "line 50"
    assert "exit code: 3" in lines[-1]
    assert len(lines) <= 21


LAYERED = 'FROM web\nCOPY note /note\nCMD ["/bin/busybox", "cat", "/greeting", "/note"]\n'


def layered() -> dict[str, Any]:
    return web(dockerfile_inline=LAYERED, additional_contexts={"web": "service:web"})


def engine_version() -> int:
    """The major version of the engine that builds."""
    asked = ["docker", "version", "--format", "{{.Server.Version}}"]
    done = subprocess.run(asked, capture_output=True, text=True, check=True)
    return int(done.stdout.partition(".")[0])


def test_an_image_is_built_from_another_services_image_by_its_digest(
    root: Path, registry: str
) -> None:
    (root / "web" / "note").write_text("and more")
    if engine_version() < 23:
        with pytest.raises(PreconditionError, match="BuildKit has no additional contexts"):
            run(root, registry, api=layered(), web=web(args={"GREETING": "first"}))
        return
    images, progress = run(root, registry, api=layered(), web=web(args={"GREETING": "first"}))
    assert output(images["api"]) == "first\nand more"
    assert [p.subject for p in progress if p.mark is Mark.DONE] == ["web", "api"]


def test_a_registry_that_refuses_the_push_is_found_as_a_precondition(
    root: Path, closed_registry: str
) -> None:
    with pytest.raises(PreconditionError, match="refused the push") as raised:
        run(root, closed_registry, web=web())
    assert f"docker login {closed_registry}" in raised.value.next_step


def test_no_builds_need_no_engine(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert run(root, "127.0.0.1:1", db={"image": "postgres"}) == ({}, [])
