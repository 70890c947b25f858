"""The recordings are of buildx 0.13 over an engine 20.10."""

from pathlib import Path
from typing import Any

import pytest

from shipit.builders.output import Plain, RawJson, Step, Transcript

RECORDED = Path(__file__).parent / "recorded"
COPY = "[1/2] COPY busybox /bin/busybox"


def steps(dialect: Any, lines: Any) -> Any:
    return [step for line in lines for step in dialect.read(line)]


def recorded(name: str) -> Any:
    dialect = RawJson() if name.endswith("rawjson") else Plain()
    return steps(dialect, (RECORDED / name).read_text().splitlines())


@pytest.mark.parametrize("name", ["built.rawjson", "built.plain", "failed.rawjson", "failed.plain"])
def test_each_step_is_told_in_order(name: str) -> None:
    told = [s.name for s in recorded(name) if s.name and not s.internal and not s.line]
    order = list(dict.fromkeys(told))
    assert order[0] == COPY
    assert order[1].startswith('[2/2] RUN ["/bin/busybox", "sh"')
    if name.startswith("built"):
        assert order[2:] == [
            "exporting to image",
            "pushing 127.0.0.1:5987/shop/web:1 with docker",
        ]


@pytest.mark.parametrize("name", ["failed.rawjson", "failed.plain"])
def test_a_failure_names_its_step_and_keeps_each_line_once(name: str) -> None:
    transcript = Transcript()
    for step in recorded(name):
        transcript.add(step)
    assert transcript.step.startswith("[2/2] RUN ")
    assert transcript.error.startswith("executor failed running [/bin/busybox sh -c echo one;")
    assert transcript.error.endswith("exit code: 3")
    written = [line for line in transcript.tail.splitlines() if line in {"one", "two"}]
    assert sorted(written) == ["one", "two"]
    assert "ERROR" not in transcript.tail


@pytest.mark.parametrize("name", ["failed.rawjson", "built.plain"])
def test_a_cached_step_says_so(name: str) -> None:
    assert Step(COPY, cached=True) in recorded(name)


def test_housekeeping_is_internal_also_when_it_is_for_a_platform() -> None:
    assert Step("[internal] load .dockerignore").internal
    assert Step("[linux/arm64 internal] load metadata for docker.io/library/x:1").internal
    assert Step("[auth] library/debian:pull token for registry-1.docker.io").internal
    assert not Step("[linux/arm64 1/2] COPY a b").internal


def test_later_buildx_writes_an_object_a_line() -> None:
    lines = [
        '{"vertexes":[{"digest":"sha256:1","name":"[1/1] RUN x","started":"2026-01-01"}]}',
        '{"logs":[{"vertex":"sha256:1","stream":1,"data":"aGkK"}]}',
        '{"warnings":[{"vertex":"sha256:1","short":"b2xk"}]}',
        "ERROR: it broke",
    ]
    assert steps(RawJson(), lines) == [
        Step("[1/1] RUN x"),
        Step("[1/1] RUN x", line="hi"),
        Step("[1/1] RUN x", line="warning: old"),
        Step("", line="ERROR: it broke"),
    ]


def test_an_error_before_any_step_is_kept() -> None:
    transcript = Transcript()
    for step in steps(Plain(), ["ERROR: Multi-platform build is not supported", "Learn more"]):
        transcript.add(step)
    assert transcript.error == "Multi-platform build is not supported"
    assert transcript.step == ""
    assert transcript.tail == "Learn more"


def test_a_step_that_was_cancelled_is_not_the_one_that_failed() -> None:
    transcript = Transcript()
    transcript.add(Step("[a] load", error="rpc error: code = Canceled desc = context canceled"))
    transcript.add(Step("[b] RUN false", error="exit code: 1"))
    assert transcript.step == "[b] RUN false"


def test_the_failing_steps_lines_are_told_without_those_of_others() -> None:
    transcript = Transcript()
    for step in (
        Step("[a 1/1] RUN x", line="broken"),
        Step("[b 1/1] RUN y", line="fine"),
        Step("[a 1/1] RUN x", error="exit code: 1"),
        Step("", line="Dockerfile:2"),
    ):
        transcript.add(step)
    assert transcript.tail == "broken"


def test_where_the_failing_step_wrote_nothing_all_that_was_said_is_told() -> None:
    transcript = Transcript()
    transcript.add(Step("[a 1/1] COPY x y", error="x: not found"))
    transcript.add(Step("", line="Dockerfile:2"))
    assert transcript.tail == "Dockerfile:2"


def test_only_the_last_lines_are_kept() -> None:
    transcript = Transcript(lines=20)
    for number in range(50):
        transcript.add(Step("[1/1] RUN seq", line=str(number)))
    assert transcript.tail.splitlines() == [str(n) for n in range(30, 50)]
