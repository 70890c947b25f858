"""A stack whose state is on this machine, and belongs in a bucket that may not be there yet."""

from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from shipit.delivery import relocating
from shipit.delivery.relocating import Relocating
from shipit.errors import NoBucketError, RemoteError
from shipit.model.progress import Mark, Progress, Stage
from shipit.model.stack import Provisioned
from shipit.provision.home import Home
from tests.fakes.moto import CREDENTIALS
from tests.fakes.objects import Answer, ObjectServer, object_server

NO_BUCKET = Answer(404, "NoSuchBucket", "The specified bucket does not exist.")
DONE = Provisioned("account", "account", {"create": 3})


class Kept:
    """A stack with its state. `then` is what happens while it is brought up."""

    project, name, folder, locks, cancel = "account", "account", Path("infra"), "locks", "cancel"

    def __init__(self, url: str, folder: Path | None, then: Callable[[], None]) -> None:
        self.home = Home(url, str(folder or url))
        self.state: frozenset[tuple[str, str]] = frozenset()
        self._then = then

    @property
    def is_kept_here(self) -> bool:
        return bool(self.state)

    def require(self) -> None:
        """It is there."""

    def exists(self) -> bool:
        return bool(self.state)

    def known(self) -> frozenset[tuple[str, str]]:
        return self.state

    def pending(self) -> tuple[()]:
        return ()

    def exported(self) -> str:
        return "the state"

    def take(self, exported: Path) -> None:
        assert exported.read_text() == "the state"
        self.state = frozenset({("aws:kms:Key shop", "k1")})

    def forget(self) -> None:
        self.state = frozenset()

    def up(self) -> Generator[Progress, None, Provisioned]:
        yield Progress(Stage.PROVISION, Mark.RUNNING, "aws:kms:Key shop", "create")
        self.state = frozenset({("aws:kms:Key shop", "k1")})
        self._then()
        return DONE


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectServer]:
    with object_server() as server:
        for name, value in CREDENTIALS.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.endpoint)
        monkeypatch.setattr(relocating, "_APPEARS", 0.0)
        server.everywhere = NO_BUCKET
        yield server


def run(work: Any) -> Any:
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


def opened_of(
    folder: Path, then: Callable[[], None], environment: str = ""
) -> tuple[Any, list[Any]]:
    here = Kept(f"file://{folder}", folder, then)
    there = Kept("s3://acme/shop/pulumi", None, then)
    recorded: list[Any] = []
    ledger = SimpleNamespace(commit=lambda decide: recorded.append(decide(None)))
    project = SimpleNamespace(root=folder, ledger=ledger)
    return Relocating(
        cast("Any", project), environment, *cast("Any", (there, here, there))
    ), recorded


def test_as_soon_as_the_bucket_is_there_it_has_the_state(
    tmp_path: Path, bucket: ObjectServer
) -> None:
    def made() -> None:
        bucket.everywhere = None

    opened, recorded = opened_of(tmp_path, made)
    run(opened.begin())
    assert opened.stack is opened.here
    assert run(opened.up()) == DONE
    assert opened.stack is opened.there
    assert (opened.here.known(), len(opened.there.known()), len(recorded)) == (frozenset(), 1, 1)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (NO_BUCKET, "infra/ has made no bucket of that name"),
        (Answer(301, "PermanentRedirect"), "another region"),
    ],
)
def test_what_is_wrong_with_the_bucket_is_not_found_before_anything_was_changed(
    found: Answer, said: str, tmp_path: Path, bucket: ObjectServer
) -> None:
    """Exit code 1, not 2: and the state stays where it is whole."""

    def made() -> None:
        bucket.everywhere = found

    opened, recorded = opened_of(tmp_path, made)
    run(opened.begin())
    with pytest.raises(RemoteError) as refused:
        run(opened.up())
    assert said in refused.value.why
    assert "stack account is up, and" in refused.value.what
    assert "`shipit provision --infra` again" in refused.value.next_step
    assert opened.here.known()
    assert recorded == []


def test_what_failed_after_the_bucket_is_moved_too(tmp_path: Path, bucket: ObjectServer) -> None:
    def failed() -> None:
        bucket.everywhere = None
        raise RemoteError("the quota is used up")

    opened, recorded = opened_of(tmp_path, failed)
    run(opened.begin())
    with pytest.raises(RemoteError, match="the quota is used up"):
        run(opened.up())
    assert opened.there.known()
    assert not opened.here.known()
    assert recorded == []


def test_an_environment_needs_the_bucket(tmp_path: Path, bucket: ObjectServer) -> None:
    opened, _ = opened_of(tmp_path, lambda: None, "staging")
    with pytest.raises(NoBucketError, match="cannot be used"):
        run(opened.begin())


def test_what_an_environment_had_before_goes_to_the_bucket(
    tmp_path: Path, bucket: ObjectServer
) -> None:
    """The ledger was on this machine, and with it the state: nothing is made a second time."""
    bucket.everywhere = None
    opened, recorded = opened_of(tmp_path, lambda: None, "staging")
    opened.here.state = frozenset({("aws:kms:Key shop", "k1")})
    (said,) = opened.begin()
    assert "what is applied moves it to s3://acme/shop/pulumi" in said.message
    assert opened.stack is opened.here
    run(opened.up())
    assert opened.stack is opened.there
    assert not opened.here.known()
    assert len(recorded) == 1
