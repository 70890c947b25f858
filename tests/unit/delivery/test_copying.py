"""What a copy tells while it goes on: each layer that takes its time, bytes, and the time left."""

from datetime import UTC, datetime
from threading import Event
from types import SimpleNamespace

import pytest

from shipit.delivery import copying
from shipit.delivery.copying import followed
from shipit.model.digest import Digest
from shipit.model.image import Image
from shipit.model.progress import Mark, Progress, Stage
from shipit.registry.copying import Copied
from shipit.registry.transfers import AbandonedError, Report, State, Transfer

LARGE, SMALL, OLD = (Digest.of(text) for text in (b"large", b"small", b"old"))
DONE = Copied(Image("registry.example/shop/web", LARGE), manifests=1)
MB = 1_000_000


def _say(mark: Mark, subject: str, message: str) -> Progress:
    return Progress(
        stage=Stage.COPY, mark=mark, subject=subject, message=message, at=datetime.now(UTC)
    )


def _told(monkeypatch: pytest.MonkeyPatch, *moments: tuple[float, Transfer]) -> list[str]:
    """What is said of reports, each taken at its second."""
    seconds = iter([0.0, *(at for at, _ in moments)])  # the first is the beginning
    monkeypatch.setattr(copying, "time", SimpleNamespace(monotonic=lambda: next(seconds)))

    def run(report: Report) -> Copied:
        for _, transfer in moments:
            report(transfer)
        return DONE

    return [f"{p.mark.value}|{p.subject}|{p.message}" for p in followed(run, _say)]


def test_a_layer_and_the_whole_with_bytes_and_the_time_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    large, small = (LARGE, 100 * MB), (SMALL, 10)
    told = _told(
        monkeypatch,
        (0.0, Transfer(large[0], State.WAITING, 0, large[1])),
        (0.0, Transfer(small[0], State.WAITING, 0, small[1])),
        (0.1, Transfer(large[0], State.SENDING, 1 * MB, large[1])),
        (0.2, Transfer(small[0], State.SENT, small[1], small[1])),
        (2.0, Transfer(large[0], State.SENDING, 20 * MB, large[1])),
        (2.1, Transfer(large[0], State.SENDING, 21 * MB, large[1])),
        (5.0, Transfer(large[0], State.SENDING, 50 * MB, large[1])),
        (5.2, Transfer(large[0], State.SENT, 100 * MB, large[1])),
    )

    assert told == [
        f"running|{LARGE.short}|20.0 MB of 100.0 MB",
        "running||20.0 MB of 100.0 MB, 8s left",
        f"running|{LARGE.short}|50.0 MB of 100.0 MB",
        "running||50.0 MB of 100.0 MB, 5s left",
        f"done|{LARGE.short}|100.0 MB",
    ]


def test_what_was_there_counts_for_no_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    told = _told(
        monkeypatch,
        (0.0, Transfer(LARGE, State.WAITING, 0, 100 * MB)),
        (0.1, Transfer(OLD, State.PRESENT, 300 * MB, 300 * MB)),
        (10.0, Transfer(LARGE, State.SENDING, 50 * MB, 100 * MB)),
    )

    assert told[0] == f"skipped|{OLD.short}|300.0 MB was there"
    assert told[-1] == "running||350.0 MB of 400.0 MB, 10s left"


def test_whoever_stops_listening_stops_the_copy() -> None:
    ended = Event()

    def run(report: Report) -> Copied:
        try:
            for done in range(10_000_000):
                report(Transfer(LARGE, State.SENT, done, 2 * MB))
        except AbandonedError:
            ended.set()
            raise
        return DONE

    steps = followed(run, _say)
    next(steps)
    steps.close()

    assert ended.wait(10)
