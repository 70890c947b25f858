"""Retention tags over every registry, and in one whose tags do not move (as ECR's may not)."""

from pathlib import Path

import pytest

from shipit.errors import RemoteError
from shipit.model.image import Image
from shipit.registry import retention
from shipit.registry.client import Client
from shipit.registry.retention import unkept, wanted
from tests.contract.registry.conftest import DEBIAN
from tests.fakes import registry_images as images
from tests.fakes.registry import FakeRegistry, answer_error, times


def _image(client: Client, repository: str, text: str) -> Image:
    return Image(repository, images.push(client, repository, text).digest)


def _tags(client: Client, repository: str) -> dict[str, str]:
    return {t: client.get_manifest(repository, t).digest.short for t in client.tags(repository)}


def test_fm19_what_runs_and_what_ran_before_have_a_tag(client: Client, repository: str) -> None:
    one, two, three = (_image(client, repository, text) for text in ("one", "two", "three"))

    assert retention.keep(client, wanted("staging", [one], [])) == []
    assert _tags(client, repository) == {"shipit-staging": one.digest.short}

    for now, before in ((two, one), (three, two)):
        tags = wanted("staging", [now], [before])
        assert len(unkept(client, tags)) == 2
        assert retention.keep(client, tags) == []
        assert unkept(client, tags) == []
        assert _tags(client, repository) == {
            "shipit-staging": now.digest.short,
            "shipit-staging-previous": before.digest.short,
        }


def test_several_images_of_one_repository_are_all_kept(client: Client, repository: str) -> None:
    now = [_image(client, repository, text) for text in ("redis 7", "redis 8")]
    tags = wanted("staging", now, [])

    assert retention.keep(client, tags) == []

    first, second = sorted(now, key=lambda i: i.digest)
    assert _tags(client, repository) == {
        "shipit-staging": first.digest.short,
        f"shipit-staging-{second.digest.short}": second.digest.short,
    }
    assert unkept(client, tags) == []


def test_a_tag_that_clean_up_took_is_told(client: Client, repository: str) -> None:
    image = _image(client, repository, "web")
    tags = wanted("dev", [image], [])

    assert unkept(client, tags) == [
        (image, f"the retention tag {repository}:shipit-dev is missing")
    ]


def test_fm23_tags_that_do_not_move_are_said_once(tmp_path: Path, client: Client) -> None:
    with FakeRegistry(tmp_path) as registry:
        repository = f"{registry.address}/shop/web"
        one, two = (_image(client, repository, text) for text in ("one", "two"))
        retention.keep(client, wanted("staging", [one], []))
        registry.faults = [
            times(
                99,
                lambda r: r.command == "PUT" and r.path.endswith(("/shipit-staging", "-previous")),
                lambda r: answer_error(r, 400, "TAG_INVALID"),
            )
        ]
        tags = wanted("staging", [two], [])

        (said,) = retention.keep(client, tags)

        assert said == (
            f"{repository} does not let tags move: shipit-staging-{two.digest.short} keeps the "
            "image in place of shipit-staging"
        )
        assert unkept(client, tags) == []
        assert retention.keep(client, tags) == []


def test_what_cannot_be_tagged_is_told_and_raises_nothing(tmp_path: Path, client: Client) -> None:
    with FakeRegistry(tmp_path) as registry:
        repository = f"{registry.address}/shop/web"
        image = _image(client, repository, "web")
        registry.faults = [
            times(
                99,
                lambda r: r.command == "PUT",
                lambda r: answer_error(r, 403, "DENIED"),
            )
        ]

        (said,) = retention.keep(client, wanted("dev", [image], []))

    assert said.startswith(f"{repository}:shipit-dev could not be written, so clean-up may delete")
    assert "refuses the credentials" in said


def test_tags_with_digits_that_keep_nothing_are_found_and_deleted(
    client: Client, repository: str, kind: str
) -> None:
    """The tag alone: the image stays. docker-registry 2.8 deletes no tags, and is told so."""
    one, two = (_image(client, repository, text) for text in ("one", "two"))
    old, kept = f"shipit-dev-{one.digest.short}", f"shipit-dev-{two.digest.short}"
    for image, tag in (
        (one, old),
        (one, "v1"),
        (two, kept),
        (one, f"shipit-qa-{one.digest.short}"),
    ):
        client.tag(image, tag)
    client.tag(one, "shipit-dev-notadigest0")

    found = retention.superseded(client, "dev", repository, {two.digest})

    assert found == [old]
    if kind == DEBIAN:
        with pytest.raises(RemoteError, match="the registry deletes no tags"):
            retention.delete(client, repository, old)
        return
    retention.delete(client, repository, old)
    assert old not in client.tags(repository)
    assert client.head_manifest(repository, "v1") is not None
