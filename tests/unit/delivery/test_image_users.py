"""Whom a release's images run as, by their configs in the registry where the build left them."""

import json
from typing import Any, cast

import pytest

from shipit.delivery.image_users import ImageUsers
from shipit.delivery.project import Registries
from shipit.errors import RemoteError
from shipit.model.digest import Digest
from shipit.model.image import Image, Platform, PlatformImage, Reference
from shipit.model.release import RESOLVED, Release
from shipit.registry.client import Client
from tests.fakes.project import make_release

HOME = "127.0.0.1:5417/shop"


class Blobs:
    """A registry client with these configs, by the platform that each is of."""

    def __init__(self, **configs: Any) -> None:
        self.contents = {name: json.dumps(one).encode() for name, one in configs.items()}
        self.read: list[str] = []
        self.resolved: list[str] = []
        self.error: RemoteError | None = None

    def platforms(self, system: str = "linux") -> tuple[PlatformImage, ...]:
        return tuple(
            PlatformImage(
                Platform(system, name), Digest.of(f"m{name}".encode()), Digest.of(content)
            )
            for name, content in self.contents.items()
        )

    def read_blob(self, repository: str, digest: Digest) -> bytes:
        self.read.append(repository)
        if self.error:
            raise self.error
        return next(c for c in self.contents.values() if Digest.of(c) == digest)

    def resolve(self, reference: Reference) -> Image:
        self.resolved.append(reference.typed)
        assert reference.digest
        return Image(reference.repository, reference.digest, self.platforms())


def users(blobs: Blobs, image: Image, release: Release | None = None) -> list[str]:
    registries = Registries(cast("Client", blobs), HOME, embedded=True)
    return sorted(ImageUsers(release or make_release("a"), registries)(image))


def of(blobs: Blobs, **more: Any) -> Image:
    return Image("r/web", Digest.of(b"index"), blobs.platforms(**more))


@pytest.mark.parametrize(
    ("config", "user"),
    [
        ({"config": {"User": "1000:1000", "Cmd": ["x"]}}, "1000:1000"),
        ({"config": {}}, ""),
        ({"config": None, "os": "linux"}, ""),
        ({}, ""),
    ],
)
def test_the_configs_user(config: dict[str, Any], user: str) -> None:
    blobs = Blobs(amd64=config)
    assert users(blobs, of(blobs)) == [user]


def test_of_every_platform_but_windows() -> None:
    blobs = Blobs(amd64={"config": {"User": "1000"}}, arm64={"config": {}})
    assert users(blobs, of(blobs)) == ["", "1000"]
    assert users(blobs, of(blobs, system="windows")) == []


def test_platforms_that_a_release_does_not_have_are_looked_up() -> None:
    blobs = Blobs(amd64={"config": {"User": "7"}})
    image = Image("r/web", Digest.of(b"index"))
    assert users(blobs, image) == ["7"]
    assert blobs.resolved == [image.reference]


def test_it_is_read_where_the_build_left_it() -> None:
    """The environment's own registry has it once it was deployed there."""
    blobs = Blobs(amd64={"config": {"User": "7"}})
    release = make_release("a")
    built = release.images["web"].image
    served = Image("registry.qa.example/web", built.digest, blobs.platforms())
    release.images["web"] = type(release.images["web"])(
        Image(built.repository, built.digest, blobs.platforms())
    )
    assert users(blobs, served, release) == ["7"]
    assert blobs.read == [f"{HOME}/web"]
    release.images["web"] = type(release.images["web"])(
        Image("docker.io/library/web", built.digest, blobs.platforms()), RESOLVED
    )
    assert users(blobs, served, release) == ["7"]
    assert blobs.read[-1] == "docker.io/library/web"


def test_what_is_no_config_is_an_error() -> None:
    blobs = Blobs(amd64=["no config"])
    with pytest.raises(RemoteError, match="is not an image's"):
        users(blobs, of(blobs))


@pytest.mark.parametrize(("status", "asked"), [(0, 1), (404, 2)])
def test_a_registry_that_does_not_answer_is_asked_once(status: int, asked: int) -> None:
    blobs = Blobs(amd64={})
    blobs.error = RemoteError("no answer", status=status)
    read = ImageUsers(make_release("a"), Registries(cast("Client", blobs), HOME, embedded=True))
    for name in ("web", "worker"):
        with pytest.raises(RemoteError):
            read(Image(f"r/{name}", Digest.of(name.encode()), blobs.platforms()))
    assert len(blobs.read) == asked
