"""Two places for one state: which counts, and what is moved."""

from pathlib import Path
from typing import Any, cast

import pytest

from shipit.errors import LeasedError, PreconditionError, RemoteError
from shipit.provision.home import Home
from shipit.provision.moving import alone, current, move
from shipit.provision.stack import Pending, Stack


class Kept:
    """A stack as `moving` knows it. `state` is None where there is none."""

    project, name, folder = "account", "account", Path("/shop/infra")

    def __init__(self, home: Home, state: dict[str, str] | None, *, loses: bool = False) -> None:
        self.home, self.state, self._loses = home, state, loses
        self.open: tuple[Pending, ...] = ()

    @property
    def is_kept_here(self) -> bool:
        return self.state is not None

    def exists(self) -> bool:
        return self.state is not None

    def known(self) -> frozenset[tuple[str, str]]:
        middle = {(f"{p.type} {p.name}", p.action) for p in self.open}
        return frozenset((self.state or {}).items()) | middle

    def pending(self) -> tuple[Pending, ...]:
        return self.open

    def exported(self) -> str:
        return repr(self.state)

    def take(self, exported: Path) -> None:
        self.state = {} if self._loses else eval(exported.read_text())

    def forget(self) -> None:
        self.state = None

    def by_hand(self, *words: str) -> str:
        return " ".join(words)


KEY, BUCKET, ROLE = {"aws:kms:Key shop": "k1"}, {"aws:s3:Bucket shop": "acme"}, {"Role dev": "r1"}


def pair(tmp_path: Path, ours: Any, theirs: Any, **more: bool) -> tuple[Any, Any]:
    here = Kept(Home(f"file://{tmp_path}", str(tmp_path)), ours)
    return here, Kept(Home("s3://acme/shop/pulumi", "s3://acme/shop/pulumi"), theirs, **more)


def moved(here: Any, there: Any) -> Any:
    work = move(cast("Stack", here), cast("Stack", there))
    while True:
        try:
            next(work)
        except StopIteration as end:
            return cast("Stack", end.value)


@pytest.mark.parametrize(
    ("ours", "theirs", "counts"),
    [
        (None, None, "there"),
        (None, KEY, "there"),
        ({}, None, "there"),
        ({}, KEY, "there"),
        (KEY, None, "here"),
        (KEY, {}, "here"),
        (KEY, KEY, "there"),
        (KEY, KEY | BUCKET, "there"),
    ],
)
def test_the_one_that_knows_of_everything_counts(
    ours: Any, theirs: Any, counts: str, tmp_path: Path
) -> None:
    here, there = pair(tmp_path, ours, theirs)
    named: dict[str, Any] = {"here": here, "there": there}
    assert current(here, there) is named[counts]
    assert moved(here, there) is there
    assert here.state is None
    assert there.state == (ours if counts == "here" else theirs)


@pytest.mark.parametrize("ours", [KEY | ROLE, {"aws:kms:Key shop": "another"}])
def test_two_states_are_nobodys_guess(ours: dict[str, str], tmp_path: Path) -> None:
    here, there = pair(tmp_path, ours, KEY)
    with pytest.raises(PreconditionError) as refused:
        moved(here, there)
    assert "s3://acme/shop/pulumi" in refused.value.what
    assert str(tmp_path) in refused.value.what
    assert any(f"{name} ({made})" in refused.value.why for name, made in ours.items())
    assert "stack export" in refused.value.next_step
    assert (here.state, there.state) == (ours, KEY)


def test_what_did_not_arrive_stays(tmp_path: Path) -> None:
    here, there = pair(tmp_path, KEY, None, loses=True)
    with pytest.raises(RemoteError, match="did not arrive"):
        moved(here, there)
    assert here.state == KEY


@pytest.mark.parametrize("ours", [KEY, {}])
def test_what_is_in_the_middle_stays(ours: dict[str, str], tmp_path: Path) -> None:
    """An import forgets pending operations (pulumi stack import). Killed while it made the bucket:
    there is one now, and nothing else on record."""
    here, there = pair(tmp_path, ours, None)
    here.open = (Pending("creating", "aws:s3:Bucket", "shop"),)
    assert moved(here, there) is here
    assert (here.state, there.state) == (ours, None)


def test_what_is_in_the_middle_is_no_guess_either(tmp_path: Path) -> None:
    here, there = pair(tmp_path, {}, KEY)
    here.open = (Pending("creating", "aws:s3:Bucket", "shop"),)
    with pytest.raises(PreconditionError) as refused:
        moved(here, there)
    assert "aws:s3:Bucket shop (creating)" in refused.value.why


def test_no_copy_of_the_state_is_left_over(tmp_path: Path) -> None:
    here, there = pair(tmp_path, KEY, None)
    moved(here, there)
    assert list(tmp_path.iterdir()) == []


def test_one_at_a_time_and_free_again_afterwards(tmp_path: Path) -> None:
    here, _ = pair(tmp_path, KEY, None)
    with alone(here), pytest.raises(LeasedError, match="another shipit"), alone(here):
        pass
    with alone(here):
        pass
