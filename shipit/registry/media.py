"""The media types that registries exchange (OCI image-spec media-types.md, Docker v2)."""

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
# Formats of the past. Docker's schema 1 is signed inside, so its digest is not that of its bytes;
# OCI's artifact manifest was withdrawn before image-spec 1.1.
SCHEMA_1 = "a Docker schema 1 manifest"
REFUSED = {
    "application/vnd.docker.distribution.manifest.v1+json": SCHEMA_1,
    "application/vnd.docker.distribution.manifest.v1+prettyjws": SCHEMA_1,
    "application/vnd.oci.artifact.manifest.v1+json": "an OCI artifact manifest of a draft",
}
OCTETS = "application/octet-stream"

INDEXES = frozenset({OCI_INDEX, DOCKER_LIST})
MANIFESTS = frozenset({OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST})
IMAGE_CONFIGS = frozenset({OCI_CONFIG, DOCKER_CONFIG})

ACCEPT = ", ".join((OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST))

# Layers that are fetched from elsewhere and that registries need not hold
# (image-spec layer.md, "Non-Distributable Layers"; Docker's "foreign" layers).
_FOREIGN = (
    "application/vnd.oci.image.layer.nondistributable",
    "application/vnd.docker.image.rootfs.foreign",
)


def is_foreign(media_type: str) -> bool:
    return media_type.startswith(_FOREIGN)
