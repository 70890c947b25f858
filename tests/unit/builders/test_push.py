from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from shipit.builders.jobs import Job
from shipit.builders.machine import Builder
from shipit.builders.push import Push, Site, command, read_back
from shipit.builders.section import Section
from shipit.errors import ShipitError
from shipit.model.digest import Digest
from shipit.model.image import Image, Platform
from shipit.model.release import Source

ENGINE = Builder("/plugins/docker-buildx", "default", "docker", (0, 13, 1))
CONTAINER = Builder("/plugins/docker-buildx", "", "docker-container", (0, 29, 0))
COMMITTED = Source(commit="c" * 40, committed_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
PUSHED = Digest.of(b"what was pushed")


def site(
    tmp_path: Path, builder: Any = ENGINE, source: Any = COMMITTED, found: Any = PUSHED
) -> Any:
    return Site(
        builder=builder,
        root=tmp_path,
        registry="127.0.0.1:5000/shop",
        tag="abc",
        source=source,
        secrets={},
        resolve=lambda reference: Image(reference.repository, found),
        put_index=lambda repository, tag, children: PUSHED,
        deadline=60,
    )


def job(**section: Any) -> Any:
    return Job(("web",), Section(**section))


def test_the_whole_command_on_the_engines_own_buildkit(tmp_path: Path) -> None:
    asked = Push("abc", (Platform("linux", "amd64"),))
    assert command(job(context="web"), site(tmp_path), asked, tmp_path / "x") == [
        *("/plugins/docker-buildx", "build", "--builder", "default", "--push"),
        *("--tag", "127.0.0.1:5000/shop/web:abc"),
        *("--metadata-file", f"{tmp_path}/x/metadata.json"),
        *("--progress", "rawjson"),
        *("--provenance=false", "--sbom=false"),
        *("--platform", "linux/amd64"),
        "--build-arg=SOURCE_DATE_EPOCH=1767323045",
        f"{tmp_path}/web",
    ]


def test_a_builder_that_attests_is_left_to_do_so(tmp_path: Path) -> None:
    argv = command(job(), site(tmp_path, CONTAINER), Push("abc"), tmp_path)
    assert not [word for word in argv if word.startswith(("--provenance", "--sbom", "--builder"))]


def test_attestations_are_as_the_file_says(tmp_path: Path) -> None:
    asked = job(provenance="mode=max", sbom="true")
    argv = command(asked, site(tmp_path), Push("abc"), tmp_path)
    assert "--provenance=mode=max" in argv
    assert "--sbom=true" in argv


def test_a_builds_own_epoch_is_kept_and_no_commit_gives_none(tmp_path: Path) -> None:
    own = command(job(args={"SOURCE_DATE_EPOCH": "0"}), site(tmp_path), Push("abc"), tmp_path)
    assert [word for word in own if "EPOCH" in word] == ["SOURCE_DATE_EPOCH=0"]
    none = command(job(), site(tmp_path, source=Source()), Push("abc"), tmp_path)
    assert "EPOCH" not in " ".join(none)


def test_the_registrys_digest_is_the_one_that_counts(tmp_path: Path) -> None:
    image = read_back(job(), site(tmp_path), "abc", PUSHED)
    assert image == Image("127.0.0.1:5000/shop/web", PUSHED)


def test_a_registry_that_has_something_else_fails_the_build(tmp_path: Path) -> None:
    other = Digest.of(b"somebody else's")
    with pytest.raises(ShipitError, match="is not what was pushed") as raised:
        read_back(job(), site(tmp_path, found=other), "abc", PUSHED)
    assert str(other) in raised.value.why
    assert str(PUSHED) in raised.value.why
