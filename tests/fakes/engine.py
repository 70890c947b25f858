"""Images and applications for tests on a real Docker engine: busybox alone, from a registry."""

import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from shipit.model.deployment import Desired, Observed, Plan
from shipit.model.digest import Digest
from shipit.model.image import Image
from shipit.model.progress import Outcome, Progress
from shipit.registry.embedded import EmbeddedRegistry
from shipit.targets.interface import Target

_DOCKERFILE = """\
FROM scratch
COPY busybox /bin/busybox
COPY index.html /www/index.html
ENV VERSION={version}
ENTRYPOINT ["/bin/busybox"]
"""
SH = ["sh", "-c"]


def docker(*words: str) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"docker {' '.join(words)}: {done.stderr}"
    return done.stdout.strip()


def build(folder: Path, address: str, version: str) -> Image:
    """Built, pushed to the registry, and taken off the engine again: it has to be pulled."""
    folder.mkdir()
    shutil.copy("/bin/busybox", folder / "busybox")
    (folder / "index.html").write_text(f"version {version}\n")
    (folder / "Dockerfile").write_text(_DOCKERFILE.format(version=version))
    tag = f"{address}/shop/web:{version}"
    docker("build", "--quiet", "--tag", tag, str(folder))
    docker("push", "--quiet", tag)
    reference = docker("image", "inspect", "--format", "{{index .RepoDigests 0}}", tag)
    docker("rmi", tag)
    return Image(f"{address}/shop/web", Digest(reference.rpartition("@")[2]))


@contextmanager
def pushed(folder: Path, *versions: str) -> Iterator[dict[str, Image]]:
    """Images by version, in a registry on loopback that lives as long as the block."""
    with EmbeddedRegistry(folder / "registry") as registry:
        images = {v: build(folder / f"image-{v}", registry.address, v) for v in versions}
        yield images
        for image in images.values():
            subprocess.run(["docker", "rmi", image.reference], capture_output=True, check=False)


class Shop:
    """An application of a name of its own, rendered as `docker compose config` would render it."""

    def __init__(self, images: dict[str, Image]) -> None:
        self.app = f"t{uuid.uuid4().hex[:8]}"
        self.project = f"{self.app}-dev"
        self.images = images

    def desired(
        self,
        services: dict[str, dict[str, Any]],
        *,
        version: str = "1",
        versions: dict[str, str] | None = None,
        deadline: float = 30.0,
        **sections: Any,
    ) -> Desired:
        """Each service runs the image of `versions[name]`, or else of `version`."""
        images = {n: self.images[(versions or {}).get(n, version)] for n in services}
        rendered = {
            n: {"networks": {"default": None}, **s, "image": images[n].reference}
            for n, s in services.items()
        }
        run = {n: (s.get("x-shipit") or {}).get("run") for n, s in services.items()}
        project = {
            "name": self.project,
            "networks": {"default": {"name": f"{self.project}_default"}},
            **sections,
            "services": rendered,
        }
        return Desired(
            app=self.app,
            environment="dev",
            release=Digest.of(repr(project).encode()),
            release_id=f"r{version}",
            project=project,
            images=images,
            services=tuple(n for n in services if not run[n]),
            before=tuple(n for n in services if run[n] == "before"),
            after=tuple(n for n in services if run[n] == "after"),
            deadline=deadline,
        )

    def clean(self) -> None:
        label = f"label=com.docker.compose.project={self.project}"
        for kind, words in (
            ("ps", ("-a", "-q")),
            ("network", ("ls", "-q")),
            ("volume", ("ls", "-q")),
        ):
            found = docker(kind, *words, "--filter", label).split()
            remove = ("rm", "-f", "-v") if kind == "ps" else (kind, "rm")
            if found:
                docker(*remove, *found)


def web(port: int | None = None, **more: Any) -> dict[str, Any]:
    """An HTTP service with a health check."""
    ports = [
        {"mode": "ingress", "host_ip": "127.0.0.1", "target": 80, "published": str(port)},
    ]
    return {
        "command": ["httpd", "-f", "-p", "80", "-h", "/www"],
        "healthcheck": {
            "test": ["CMD", "/bin/busybox", "wget", "-qO-", "http://127.0.0.1/"],
            "interval": "200ms",
            "timeout": "2s",
            "retries": 3,
        },
        "init": True,
        **({"ports": ports} if port else {}),
        **more,
    }


def worker(script: str = "echo ready; exec sleep 1000", **more: Any) -> dict[str, Any]:
    """A service without a health check. `script` is for a shell; Compose's `$$` is its `$`."""
    return {"command": [*SH, script], "init": True, **more}


def deploy(
    target: Target, desired: Desired, *, between: Callable[[Plan], None] = lambda _: None
) -> tuple[Plan, list[Progress], Outcome]:
    """As delivery does it: observe, plan, apply, follow to the end."""
    observed: Observed = target.observe()
    plan = target.plan(desired, observed)
    between(plan)
    said = list(target.follow(target.apply(plan)))
    progress = [item for item in said if isinstance(item, Progress)]
    outcome = said[-1]
    assert not isinstance(outcome, Progress)
    return plan, progress, outcome


def wait_for(true: Callable[[], bool], within: float = 20.0) -> None:
    limit = time.monotonic() + within
    while not true():
        assert time.monotonic() < limit, f"it did not come true within {within} s"
        time.sleep(0.05)
