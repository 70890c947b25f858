"""What vouches for images, as cosign, oras and BuildKit leave it in registries."""

from shipit.model import codec
from shipit.model.digest import Digest
from shipit.model.image import Image, Platform, Reference
from shipit.registry import media
from shipit.registry.client import Client
from shipit.registry.manifests import Descriptor, Manifest, PlatformField, index_of
from shipit.registry.referrers import fallback_tag
from tests.fakes import registry_images as images

SIGNATURE = "application/vnd.dev.cosign.artifact.sig.v1+json"
SBOM = "application/spdx+json"
PROVENANCE = "application/vnd.in-toto+json"
_SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"


def push_signature_tag(
    client: Client, repository: str, subject: Digest, *signatures: str, suffix: str = "sig"
) -> Manifest:
    """cosign's digest tag: one layer for each signature, all the same payload."""
    payload = codec.encode({"critical": {"image": {"docker-manifest-digest": str(subject)}}})
    configuration = images.config(images.AMD64, [payload])
    for content in (payload, configuration):
        images.push_blob(client, repository, content)
    layers = [
        Descriptor(
            _SIMPLE_SIGNING,
            Digest.of(payload),
            len(payload),
            annotations={"dev.cosignproject.cosign/signature": signature},
        )
        for signature in signatures
    ]
    document = {
        "schemaVersion": 2,
        "mediaType": media.OCI_MANIFEST,
        "config": images.descriptor(configuration, media.OCI_CONFIG),
        "layers": layers,
    }
    made = Manifest(media.OCI_MANIFEST, codec.encode(document))
    client.put_manifest(repository, made, f"{fallback_tag(subject)}.{suffix}")
    return made


def push_index(client: Client, repository: str, *children: Manifest, tag: str = "") -> Image:
    """An OCI index; its children get made-up architectures, so that there can be many."""
    index = Manifest(
        media.OCI_INDEX,
        index_of(
            tuple(
                Descriptor(
                    c.media_type,
                    c.digest,
                    len(c.content),
                    platform=None if c.is_index else PlatformField(f"arch{n}", "linux"),
                )
                for n, c in enumerate(children)
            )
        ),
    )
    client.put_manifest(repository, index, tag)
    return Image(repository, index.digest)


def push_signed(client: Client, repository: str, text: str, platforms: int = 2) -> Image:
    """An index whose every manifest is vouched for: its children by referrers, itself by three, a
    referrer by another, and cosign's tag for the index and for the first child."""
    children = [
        images.push(client, repository, f"{text} {n}", platform=Platform("linux", f"arch{n}"))
        for n in range(platforms)
    ]
    image = push_index(client, repository, *children, tag="v1")
    index = client.get_manifest(repository, image.digest)
    for child in children:
        images.push_referrer(client, repository, child, SBOM)
    for kind in (SIGNATURE, SBOM, PROVENANCE):
        referrer = images.push_referrer(client, repository, index, kind)
    images.push_referrer(client, repository, referrer, SIGNATURE)
    push_signature_tag(client, repository, image.digest, "one")
    push_signature_tag(client, repository, children[0].digest, "of a child")
    return client.resolve(Reference.parse(f"{repository}@{image.digest}"))


def vouchers(client: Client, repository: str, image: Image) -> dict[str, frozenset[Digest]]:
    """Everything that vouches, by what it vouches for: what a copy has to bring."""
    found: dict[str, frozenset[Digest]] = {}
    wanted = [image.digest, *(p.manifest for p in image.platforms)]
    while wanted:
        subject = wanted.pop()
        listed = frozenset(d.digest for d in client.referrers(repository, subject))
        found[str(subject)] = listed
        wanted += [d for d in listed if str(d) not in found]
    for tag in client.tags(repository):
        if "." in tag and tag.startswith("sha256-"):
            found[tag] = frozenset({client.get_manifest(repository, tag).digest})
    return found
