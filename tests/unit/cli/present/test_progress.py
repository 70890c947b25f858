"""What each kind of reader sees of the one stream of events."""

import io
import json
import os
from datetime import UTC, datetime, timedelta

import pytest

from shipit.cli.present.progress import listener
from shipit.model.digest import Digest
from shipit.model.progress import (
    Failed,
    Mark,
    Outcome,
    Progress,
    Reason,
    RolledBack,
    Stage,
    Succeeded,
    Superseded,
)

NOON = datetime(2026, 3, 1, 12, 3, 4, tzinfo=UTC)
WEB = Digest.of(b"web")


def step(
    stage: Stage = Stage.FOLLOW,
    mark: Mark = Mark.DONE,
    subject: str = "web",
    message: str = "healthy",
    *,
    target: str = "",
    logs: tuple[str, ...] = (),
    at: datetime | None = None,
) -> Progress:
    return Progress(stage, mark, subject, message, "dev", target, logs, at)


def shown(
    *events: Progress | Outcome, as_json: bool = False, environ: dict[str, str] | None = None
) -> str:
    stream = io.StringIO()
    with listener(
        as_json=as_json, stream=stream, environ=environ or {}, clock=lambda: NOON
    ) as listen:
        for event in events:
            listen(event)
    return stream.getvalue()


def local(at: datetime = NOON) -> str:
    return at.astimezone().strftime("%H:%M:%S")


def test_a_line_of_a_log_has_time_environment_stage_subject_and_message() -> None:
    assert shown(step()) == f"{local()} dev      follow   web          healthy\n"


def test_a_stage_without_environment_or_subject_keeps_its_columns() -> None:
    line = shown(Progress(Stage.BUILD, Mark.RUNNING))
    assert line == f"{local()} -        build    -            started\n"


def test_the_time_is_the_events_own_when_it_has_one() -> None:
    assert shown(step(at=NOON + timedelta(hours=1))).startswith(local(NOON + timedelta(hours=1)))


def test_a_target_is_named_unless_it_is_the_only_one() -> None:
    assert " eu/web " in shown(step(target="eu"))
    assert " web " in shown(step(target="default"))


def test_failing_and_skipping_are_words() -> None:
    assert shown(step(mark=Mark.FAILED, message="exited (1)")).endswith("failed: exited (1)\n")
    assert shown(step(mark=Mark.SKIPPED, message="")).endswith("skipped\n")


def test_log_lines_are_indented_once_and_cannot_drive_the_terminal() -> None:
    logs = ("\x1b[2Jcleared\x07", "\tat main")
    text = shown(
        step(mark=Mark.FAILED, message="exited (1)", logs=logs),
        Failed((Reason("web", "exited (1)", logs),)),
    )
    assert text.count("         | cleared\n         |     at main\n") == 1
    assert "\x1b" not in text


def test_a_failure_that_the_runbook_repeats_is_one_line() -> None:
    seen = step(mark=Mark.FAILED, message="exited (1)")
    again = step(stage=Stage.PROVE, mark=Mark.FAILED, message="exited (1)")
    assert shown(seen, again).count("exited (1)") == 1


def test_the_last_words_that_come_with_the_repetition_are_shown() -> None:
    seen = step(mark=Mark.FAILED, message="exited (1)")
    again = step(stage=Stage.PROVE, mark=Mark.FAILED, message="exited (1)", logs=("no database",))
    assert shown(seen, again, again).splitlines()[1:] == [
        "         last log lines of web:",
        "         | no database",
    ]


def test_what_is_still_running_is_said_every_ten_seconds_at_most() -> None:
    events = [
        step(mark=Mark.RUNNING, message=f"{n}s", at=NOON + timedelta(seconds=n)) for n in range(25)
    ]
    said = [line.split()[-1] for line in shown(*events).splitlines()]
    assert said == ["0s", "10s", "20s"]


@pytest.mark.parametrize(
    ("outcome", "line"),
    [
        (Succeeded({"web": WEB}), f"proven   -            web {WEB.short}"),
        (Failed((Reason("web", "exited (1)"),)), "failed   web          exited (1)"),
        (Failed(()), "failed   -            no reason was given"),
        (RolledBack((Reason("", "breaker"),)), "failed   -            breaker"),
        (Superseded("deployment 12"), "ended    -            superseded by deployment 12"),
    ],
)
def test_an_outcome_is_the_last_line_of_its_environment(outcome: Outcome, line: str) -> None:
    assert shown(step(), outcome).splitlines()[-1] == f"{local()} dev      {line}"


def test_json_is_the_events_own_form_with_the_time_filled_in() -> None:
    lines = shown(step(), Succeeded({"web": WEB}), as_json=True).splitlines()
    assert [json.loads(line) for line in lines] == [
        {
            "event": "progress",
            "stage": "follow",
            "mark": "done",
            "subject": "web",
            "message": "healthy",
            "environment": "dev",
            "at": "2026-03-01T12:03:04Z",
        },
        {"event": "succeeded", "proven": {"web": str(WEB)}, "at": "2026-03-01T12:03:04Z"},
    ]


def test_json_goes_to_standard_output_and_lines_to_standard_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for as_json in (True, False):
        with listener(as_json=as_json, environ={}) as listen:
            listen(step())
    out, err = capsys.readouterr()
    assert json.loads(out)["subject"] == "web"
    assert "web" in err
    assert "{" not in err


GITHUB = {"GITHUB_ACTIONS": "true", "CI": "true"}


def test_on_github_a_failure_is_an_annotation_with_its_title_escaped() -> None:
    text = shown(
        step(mark=Mark.FAILED, message="100% gone,\nreally", logs=("boom",)), environ=GITHUB
    )
    assert "::error title=shipit dev%3A web::100%25 gone,%0Areally%0Aboom\n" in text


def test_on_github_an_outcome_is_not_annotated_again() -> None:
    failure = Failed((Reason("web", "exited (1)"),))
    text = shown(step(mark=Mark.FAILED, message="exited (1)"), failure, environ=GITHUB)
    assert text.count("::error") == 1


def test_on_github_logs_are_a_group_in_which_no_command_is_obeyed() -> None:
    text = shown(step(mark=Mark.FAILED, logs=("::add-mask::e",)), environ=GITHUB)
    group = text[text.index("::group::") : text.index("::endgroup::")].splitlines()
    assert group[0] == "::group::web: last 1 log lines"
    stopped = group[1].removeprefix("::stop-commands::")
    assert group[2] == "         | ::add-mask::e"
    assert group[3] == f"::{stopped}::"
    assert len(stopped) == 32


def test_beside_json_annotations_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    with listener(as_json=True, environ=GITHUB) as listen:
        listen(step(mark=Mark.FAILED, message="exited (1)"))
    out, err = capsys.readouterr()
    assert json.loads(out)["mark"] == "failed"
    assert err.startswith("::error ")


def test_a_reader_that_goes_away_does_not_stop_the_work() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with (
        os.fdopen(writing, "w") as stream,
        listener(as_json=True, stream=stream, environ={}) as listen,
    ):
        listen(step())
        listen(step())


def test_what_the_encoding_lacks_is_replaced() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    with listener(as_json=False, stream=stream, environ={}, clock=lambda: NOON) as listen:
        listen(step(message="läuft"))
    assert raw.getvalue().endswith(b"l?uft\n")
