"""The user that an image is made to run as, by the config of each of its platforms."""

import msgspec

from shipit.delivery.desired import built_at
from shipit.delivery.project import Registries
from shipit.errors import RemoteError
from shipit.model import codec
from shipit.model.digest import Digest
from shipit.model.image import Image, Reference
from shipit.model.release import Release

_WINDOWS = "windows"  # its users are names, which no kubelet takes for root


class _Run(msgspec.Struct, frozen=True, rename="pascal"):
    user: str = ""


class _Config(msgspec.Struct, frozen=True):
    """image-spec config.md. Other fields are passed over."""

    config: _Run | None = None


class ImageUsers:
    """Of a release's images, read where the build left them, each once."""

    def __init__(self, release: Release, registries: Registries) -> None:
        self._release, self._registries = release, registries
        self._found: dict[Digest, frozenset[str]] = {}
        self._silent: dict[str, RemoteError] = {}  # by registry

    def __call__(self, image: Image) -> frozenset[str]:
        """`config.User` of each platform: "" is root. Raises RemoteError and PreconditionError."""
        if image.digest not in self._found:
            self._found[image.digest] = self._asked(self._built(image))
        return self._found[image.digest]

    def _asked(self, image: Image) -> frozenset[str]:
        """A registry that does not answer is not waited for again."""
        host = image.repository.partition("/")[0]
        if host in self._silent:
            raise self._silent[host]
        try:
            return frozenset(self._read(image))
        except RemoteError as error:
            if not error.status:
                self._silent[host] = error
            raise

    def _built(self, image: Image) -> Image:
        for held in self._release.images.values():
            if held.image.digest == image.digest:
                return built_at(self._release, held, self._registries)
        return image

    def _read(self, image: Image) -> list[str]:
        whole = Reference.parse(image.reference)
        platforms = image.platforms or self._registries.client.resolve(whole).platforms
        configs = {p.config for p in platforms if p.platform.os != _WINDOWS}
        return [self._user(image, config) for config in configs]

    def _user(self, image: Image, config: Digest) -> str:
        content = self._registries.client.read_blob(image.repository, config)
        try:
            found = codec.decode(content, _Config)
        except ValueError as error:
            raise RemoteError(
                f"{image.repository}: the config {config} is not an image's", str(error)
            ) from None
        return found.config.user if found.config else ""
