"""`gc`: what has to stay is told to the target, and what was shown is what goes."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import pytest

from shipit.delivery.deploy import deploy
from shipit.delivery.leftovers import clear, find
from shipit.delivery.request import Request
from shipit.delivery.rollback import rollback
from shipit.errors import (
    LeasedError,
    PreconditionError,
    RemoteError,
    RolledBackError,
    UsageError,
)
from shipit.model.deployment import Leftover
from shipit.model.digest import Digest
from shipit.model.events import DeploymentStarted, Kind
from shipit.model.progress import Reason
from tests.fakes.project import HOME, FakeProject, environment, fails, run
from tests.fakes.target import FakeTarget


class Untidy(FakeTarget):
    """Leaves `left` over. `needed` are the releases that it was told to spare."""

    def __init__(self) -> None:
        super().__init__()
        self.left = [Leftover("id-1", "web:1", "old"), Leftover("id-2", "web:2", "old")]
        self.needed: set[str] = set()

    def leftovers(self, releases: Collection[str], keep: int) -> Sequence[Leftover]:
        self.needed = set(releases)
        return self.left[keep:]

    def clear(self, leftovers: Sequence[Leftover]) -> Iterator[str]:
        for one in leftovers:
            self.left.remove(one)
            yield one.name


@pytest.fixture
def untidy(project: FakeProject) -> Untidy:
    project.fakes["dev"]["default"] = target = Untidy()
    return target


def test_what_was_shown_goes(project: FakeProject, untidy: Untidy) -> None:
    found = find(project, "dev", 1)
    assert [one.name for one in found[0].leftovers] == ["web:2"]
    assert list(clear(project, "dev", found, 1)) == ["web:2"]
    assert [one.name for one in untidy.left] == ["web:1"]


def test_35_what_runs_and_what_ran_before_stay(project: FakeProject, untidy: Untidy) -> None:
    """Failure mode 35."""
    for name in "abc":
        project.release(name)
        run(deploy(project, Request("dev")))
    find(project, "dev", 0)
    assert untidy.needed == {"b", "c"}


def test_35_what_is_held_stays(project: FakeProject, untidy: Untidy) -> None:
    """Failure mode 35: rolled back and on hold, people look at what failed."""
    for name in "ab":
        project.release(name)
        run(deploy(project, Request("dev")))
    bad = project.release("bad")
    untidy.failures[str(bad.digest)] = (Reason("web", "exited"),)
    fails(deploy(project, Request("dev")), RolledBackError)
    find(project, "dev", 0)
    assert untidy.needed == {"a", "b", "bad"}
    run(rollback(project, "dev", to="a"))
    find(project, "dev", 0)
    assert {"a", "b"} <= untidy.needed


def test_what_is_needed_by_now_is_not_taken_away(project: FakeProject, untidy: Untidy) -> None:
    found = find(project, "dev", 0)
    untidy.left = untidy.left[1:]
    with pytest.raises(PreconditionError, match="web:1 cannot be taken away any more"):
        list(clear(project, "dev", found, 0))
    assert [one.name for one in untidy.left] == ["web:2"]


def test_not_while_a_deployment_is_under_way(project: FakeProject, untidy: Untidy) -> None:
    made = project.release("a")
    found = find(project, "dev", 0)
    project.say(
        DeploymentStarted(
            environment="dev", release=made.digest, release_id="a", kind=Kind.DEPLOY, ttl=60
        )
    )
    with pytest.raises(LeasedError):
        list(clear(project, "dev", found, 0))
    assert len(untidy.left) == 2


def test_a_target_that_keeps_nothing_over_says_so(project: FakeProject, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"leave nothing over on dev's targets \(docker\)"):
        find(project, "dev", 10)


def _old(project: FakeProject, *tags: str) -> None:
    for tag in tags:
        project.repositories.tagged[f"{HOME}/web:{tag}"] = Digest.of(tag.encode())


def test_35_tags_with_digits_that_keep_nothing_go(tmp_path: Path) -> None:
    """Failure mode 35: not those of what runs, ran before, runs elsewhere, or is none of ours."""
    project = FakeProject(tmp_path, environment("dev"), environment("qa"))
    made = {name: project.release(name) for name in "abcd"}
    run(deploy(project, Request("qa", "a")))
    for name in "bcd":
        run(deploy(project, Request("dev", name)))
    web = {name: release.images["web"] for name, release in made.items()}
    _old(project, "shipit-dev-0123456789ab", "shipit-dev-x", "shipit-qa-0123456789ab", "v1")
    for name in "abcd":
        project.repositories.tagged[f"{HOME}/web:shipit-dev-{web[name].short}"] = web[name]

    found = find(project, "dev", 0)

    gone = [f"{HOME}/web:shipit-dev-0123456789ab", f"{HOME}/web:shipit-dev-{web['b'].short}"]
    assert [one.name for one in found[0].leftovers] == gone
    assert [one.leftovers[0].name for one in find(project, "dev", 3)] == gone[:1]
    assert list(clear(project, "dev", found, 0)) == gone
    assert not set(gone) & set(project.repositories.tagged)
    assert f"{HOME}/web:shipit-qa-0123456789ab" in project.repositories.tagged


def test_a_registry_that_deletes_no_tags_is_told(project: FakeProject) -> None:
    project.release("a")
    run(deploy(project, Request("dev")))
    _old(project, "shipit-dev-0123456789ab")
    found = find(project, "dev", 0)
    project.repositories.errors["delete_manifest"] = RemoteError("405", status=405)

    with pytest.raises(RemoteError, match="the registry deletes no tags") as caught:
        list(clear(project, "dev", found, 0))

    assert "the registry's own tools" in caught.value.next_step
