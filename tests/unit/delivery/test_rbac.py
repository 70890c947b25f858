"""Whose rights `shipit rbac` prints: of the newest release, the next one, and those before."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from shipit.delivery.deploy import deploy
from shipit.delivery.rbac import least
from shipit.delivery.request import Request
from shipit.errors import UsageError
from shipit.model.deployment import Desired
from tests.fakes.project import FakeProject, environment, run
from tests.fakes.target import FakeTarget


class Cluster(FakeTarget):
    def role(
        self, releases: Sequence[Desired], subject: tuple[str, str] | None
    ) -> tuple[list[dict[str, Any]], list[str]]:
        ids = " ".join(one.release_id for one in releases)
        return [{"kind": "Role", "for": ids, "subject": subject}], ["a note"]


@pytest.fixture
def shop(tmp_path: Path) -> FakeProject:
    made = FakeProject(tmp_path, environment("dev"), environment("qa", after="dev"))
    made.fakes["qa"] = {"default": Cluster()}
    return made


def printed(project: FakeProject) -> tuple[str, list[str]]:
    [role], notes = least(project, "qa", target="", subject=None)
    return role["for"], notes


def test_before_there_is_a_release(shop: FakeProject) -> None:
    of, notes = printed(shop)
    assert of == ""
    assert notes == ["there is no release yet: it allows every kind that shipit makes", "a note"]


def test_the_newest_what_comes_next_and_what_one_may_go_back_to(shop: FakeProject) -> None:
    """An Ingress that the newest has dropped comes back with a rollback."""
    for name in "ab":
        shop.release(name)
        run(deploy(shop, Request("dev")))
        run(deploy(shop, Request("qa")))
    shop.release("c")
    run(deploy(shop, Request("dev")))
    shop.release("d")
    assert printed(shop) == ("d c b a", ["a note"])


def test_a_release_that_failed_here_is_nothing_to_go_back_to(shop: FakeProject) -> None:
    shop.release("a")
    shop.release("b")
    run(deploy(shop, Request("dev", release="b")))
    assert printed(shop)[0] == "b"


def test_a_target_that_has_no_roles(shop: FakeProject) -> None:
    with pytest.raises(UsageError):
        least(shop, "dev", target="", subject=None)
