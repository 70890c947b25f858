"""Tags that keep what an environment runs from a registry's clean-up, which deletes what has none.

`shipit-<env>` is what runs, `shipit-<env>-previous` what ran before and may be gone back to. Where
one repository has several images of an environment, or does not let tags move, the tag is
`shipit-<env>-<12 digits of the digest>`: such tags become too many, and are deleted on purpose.
"""

import re
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

import msgspec

from shipit.errors import RemoteError, ShipitError
from shipit.model.digest import Digest
from shipit.model.image import Image

if TYPE_CHECKING:
    from shipit.registry.client import Client


class Kept(msgspec.Struct, frozen=True):
    """An image and the tag that keeps it; `fixed` is the tag that needs not be moved."""

    image: Image
    tag: str
    fixed: str


def wanted(environment: str, now: Iterable[Image], before: Iterable[Image]) -> list[Kept]:
    """The tags that an environment should have: what ran before comes first, since that is what
    loses its tag otherwise."""
    return [
        *_tags(f"shipit-{environment}-previous", environment, before),
        *_tags(f"shipit-{environment}", environment, now),
    ]


def _tags(name: str, environment: str, images: Iterable[Image]) -> list[Kept]:
    kept: dict[str, Kept] = {}
    taken: set[str] = set()
    for image in sorted(images, key=lambda i: (i.repository, i.digest)):
        fixed = f"shipit-{environment}-{image.digest.short}"
        first = image.repository not in taken
        taken.add(image.repository)
        kept.setdefault(image.reference, Kept(image, name if first else fixed, fixed))
    return list(kept.values())


def keep(client: "Client", tags: Iterable[Kept]) -> list[str]:
    """Write the tags. What could not be, a sentence each; and one for each repository whose tags
    do not move, when that makes a new tag necessary."""
    said: dict[str, str] = {}
    for kept in tags:
        try:
            _keep(client, kept, said)
        except ShipitError as error:
            why = f" ({error.why.splitlines()[0]})" if error.why else ""
            said[f"{kept.image.repository}:{kept.tag}"] = (
                f"{kept.image.repository}:{kept.tag} could not be written, so clean-up may delete "
                f"what runs: {error.what}{why}"
            )
    return list(said.values())


def _keep(client: "Client", kept: Kept, said: dict[str, str]) -> None:
    there = client.head_manifest(kept.image.repository, kept.tag)
    if there is not None and there.digest == kept.image.digest:
        return
    try:
        client.tag(kept.image, kept.tag, move=True)
    except RemoteError as error:
        if there is None or not 400 <= error.status < 500:
            raise
        if client.tag(kept.image, kept.fixed):
            said[kept.image.repository] = (
                f"{kept.image.repository} does not let tags move: {kept.fixed} keeps the image "
                f"in place of {kept.tag}"
            )


def unkept(client: "Client", tags: Iterable[Kept]) -> list[tuple[Image, str]]:
    """The images that no tag keeps, and how the registry has it."""
    found = []
    for kept in tags:
        there = client.head_manifest(kept.image.repository, kept.tag)
        if there is not None and there.digest == kept.image.digest:
            continue
        fixed = client.head_manifest(kept.image.repository, kept.fixed)
        if fixed is not None and fixed.digest == kept.image.digest:
            continue
        what = f"is {there.digest.short}" if there else "is missing"
        found.append((kept.image, f"the retention tag {kept.image.repository}:{kept.tag} {what}"))
    return found


def superseded(
    client: "Client", environment: str, repository: str, needed: Collection[Digest]
) -> list[str]:
    """The environment's tags with digits in this repository that keep none of the needed images."""
    ours = re.compile(rf"shipit-{re.escape(environment)}-([0-9a-f]{{12}})")
    short = {digest.short for digest in needed}
    found = (ours.fullmatch(tag) for tag in client.tags(repository))
    return [tag[0] for tag in found if tag and tag[1] not in short]


def delete(client: "Client", repository: str, tag: str) -> None:
    """The tag alone. Raises RemoteError where a registry deletes no tags, as many do not."""
    try:
        client.delete_manifest(repository, tag)
    except RemoteError as error:
        if error.status not in (400, 405):
            raise
        raise RemoteError(
            f"{repository}:{tag} could not be deleted: the registry deletes no tags",
            error.what,
            "delete it with the registry's own tools, or leave it: it costs what the image costs",
            request=error.request,
            status=error.status,
            reasons=error.reasons,
        ) from None
