"""How a command line ends: the exit code, the words on stderr, the object on stdout."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from shipit import errors
from shipit.cli import status
from shipit.cli.app import run
from shipit.cli.session import Session
from tests.fakes.command import COMMAND, Shipit, refused

CODES = {
    errors.ShipitError: 1,
    errors.UsageError: 2,
    errors.ConfigurationError: 2,
    errors.UnknownNameError: 2,
    errors.PreconditionError: 2,
    errors.NoBucketError: 2,
    errors.HeldError: 3,
    errors.RolledBackError: 4,
    errors.SupersededError: 5,
    errors.StaleTokenError: 5,
    errors.LeasedError: 6,
    errors.DeploymentFailedError: 1,
    errors.RemoteError: 1,
    errors.StoreError: 1,
}


def every_error() -> set[type[errors.ShipitError]]:
    return {
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.ShipitError)
    }


def raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """`shipit status` raises this."""

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(status, "build_matrix", fail)


@pytest.fixture(autouse=True)
def _here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.delenv("SHIPIT_FILE", raising=False)


@pytest.mark.parametrize("kind", sorted(every_error(), key=str))
def test_every_kind_of_error_has_its_exit_code(
    kind: type[errors.ShipitError],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    raising(monkeypatch, kind("it broke", why="it was thin", next_step="glue it"))
    assert run(["status"]) == CODES[kind]
    shown = capsys.readouterr()
    assert shown.err == "error: it broke\n  why: it was thin\n  now: glue it\n"
    assert shown.out == ""


def test_with_json_the_last_line_is_the_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raising(monkeypatch, errors.LeasedError("qa is leased by bob", "since noon", "wait"))
    assert run(["status", "--json"]) == 6
    shown = capsys.readouterr()
    assert json.loads(shown.out.splitlines()[-1]) == {
        "event": "error",
        "kind": "Leased",
        "what": "qa is leased by bob",
        "why": "since noon",
        "next": "wait",
        "exit_code": 6,
    }
    assert shown.err.startswith("error: qa is leased by bob\n")


def test_several_lines_stay_under_their_label(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raising(monkeypatch, errors.ShipitError("it broke", "one\ntwo"))
    run(["status"])
    assert capsys.readouterr().err == "error: it broke\n  why: one\n       two\n"


def test_a_fault_of_our_own_says_so_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raising(monkeypatch, KeyError("web"))
    assert run(["status", "--json"]) == 1
    shown = capsys.readouterr()
    assert "Traceback" not in shown.err
    assert "error: KeyError: 'web'\n" in shown.err
    assert "a fault in shipit itself" in shown.err
    assert "--debug" in shown.err
    assert json.loads(shown.out)["exit_code"] == 1


@pytest.mark.parametrize("words", [["--debug", "status"], ["status", "--debug"]])
@pytest.mark.parametrize("error", [KeyError("web"), errors.HeldError("held")])
def test_debug_shows_the_traceback(
    words: list[str],
    error: Exception,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    raising(monkeypatch, error)
    assert run(words) in (1, 3)
    shown = capsys.readouterr().err
    assert "Traceback (most recent call last)" in shown
    assert 'status.py", line ' in shown
    assert "\nerror: " in shown


@pytest.mark.parametrize(
    ("words", "way_on"), [(["status"], False), (["deploy", "--env", "dev"], True)]
)
def test_an_interruption_is_said_with_the_way_on(
    words: list[str],
    way_on: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupt(_: Session) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Session, "project", property(interrupt))
    assert run([*words, "--json"]) == 130
    shown = capsys.readouterr()
    assert "error: interrupted\n" in shown.err
    assert ("`shipit resume`" in shown.err) is way_on
    assert json.loads(shown.out)["exit_code"] == 130


def test_json_and_debug_of_what_is_executed_are_not_ours(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["exec", "-e", "nowhere", "web", "cat", "--json", "--debug"]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("error: no environment is called 'nowhere'")


@pytest.mark.parametrize("words", [["xyzzy"], ["deploy", "--xyzzy"], ["exec", "-e", "dev"]])
def test_wrong_words_are_an_object_too(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*words, "--json"]) == 2
    said = json.loads(capsys.readouterr().out)
    assert (said["event"], said["kind"], said["exit_code"]) == ("error", "Usage", 2)


def test_a_full_disk_is_no_fault_of_ours(shipit: Shipit) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [COMMAND, "schema"],
            cwd=shipit.folder,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=30,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.startswith("error: No space left on device\n")
    assert "fault" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.parametrize(
    "words", [["schema"], ["--help"], ["status"], ["status", "--json"], ["history"]]
)
def test_a_reader_that_goes_away_is_no_failure(words: list[str], shipit: Shipit) -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    try:
        done = subprocess.run(
            [COMMAND, *words],
            cwd=shipit.folder,
            stdout=theirs,
            stderr=subprocess.PIPE,
            text=True,
            timeout=30,
            check=False,
        )
    finally:
        os.close(theirs)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_broken_connection_is_never_taken_for_a_reader_that_went_away(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    raising(monkeypatch, BrokenPipeError(32, "Broken pipe"))
    assert run(["status"]) == 1
    assert "a connection was closed by its other side" in capfd.readouterr().err


@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "2>&-"])
def test_a_closed_stream_is_no_fault(closed: str, shipit: Shipit) -> None:
    done = subprocess.run(
        ["sh", "-c", f'"$0" status {closed}', COMMAND],
        cwd=shipit.folder,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


WAITS = """
import sys, time
from shipit.cli import app, status
def wait(*_):
    print("waiting", flush=True)
    time.sleep(60)
status.build_matrix = wait
sys.exit(app.run(["status"]))
"""


def test_ctrl_c_ends_it_with_130_and_no_traceback(shipit: Shipit) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", WAITS],
        cwd=shipit.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting\n"
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert said.strip() == "error: interrupted"


IMPORTS = """
import sys
from shipit.__main__ import main
class Interrupting:
    def find_spec(self, name, *_):
        if name == "click":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupting())
main()
"""


def test_ctrl_c_while_imports_are_read() -> None:
    argv = [sys.executable, "-c", IMPORTS]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (130, "")


def test_the_file_is_named_by_an_option_or_the_environment(
    shipit: Shipit, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    outside = Shipit(elsewhere)
    file = str(shipit.folder / "shipit.yaml")
    refused(outside("status"), f"there is no shipit.yaml in {elsewhere}", "shipit init")
    assert outside.ok("--file", file, "status", "--json").json["app"] == "shop"
    by_variable = outside.with_env(SHIPIT_FILE=file)
    assert by_variable.ok("status", "--json").json["app"] == "shop"
    # The option says it last.
    refused(by_variable("--file", "nope.yaml", "status"), "nope.yaml: there is no such file")


def test_a_folder_below_finds_it(shipit: Shipit) -> None:
    below = shipit.folder / "web" / "src"
    below.mkdir(parents=True)
    assert Shipit(below).ok("status", "--json").json["app"] == "shop"
