"""What `shipit --help` shows and what it costs."""

import json
import subprocess
import sys
from collections.abc import Sequence

import click
import pytest

import shipit
from shipit.cli.app import group, run
from shipit.cli.verbs import SECTIONS
from tests.fakes.command import Shipit, refused

VERBS = [verb for verbs in SECTIONS.values() for verb in verbs]
# DESIGN.md's command line, but for what is of a later version: provision, metrics, dashboard.
DESIGNED = [
    *("init", "check", "build", "deploy", "promote", "pipeline", "plan", "status", "history"),
    *("releases", "explain", "approve", "reject", "freeze", "unfreeze", "rollback", "resume"),
    *("diff", "ps", "logs", "exec", "run", "start", "stop", "rm", "verify"),
]
HEAVY = (
    *("boto3", "botocore", "google", "lightkube", "docker", "obstore", "urllib3", "requests"),
    *("rich", "yaml", "http.client", "ssl", "asyncio"),
)
_LOADED = """
import json, sys
from shipit.cli.app import run
code = run(sys.argv[2:])
print()
print(json.dumps([code, [name for name in json.loads(sys.argv[1]) if name in sys.modules]]))
"""


def _spoken(verb: str) -> list[list[str]]:
    """The verb itself, or each command of a group of its own."""
    command = group.get_command(click.Context(group), verb)
    if isinstance(command, click.Group):
        return [[verb, name] for name in command.commands]
    return [[verb]]


def loaded(words: Sequence[str], cwd: str = ".") -> tuple[int, list[str]]:
    """The exit code, and which of the heavy modules a command has imported."""
    argv = [sys.executable, "-c", _LOADED, json.dumps(HEAVY), *words]
    done = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, timeout=60, check=True)
    code, names = json.loads(done.stdout.splitlines()[-1])
    return code, names


def test_every_verb_of_the_design_is_listed_with_what_it_does(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["--help"]) == 0
    said = capsys.readouterr().out
    lines = {line.split()[0]: line for line in said.splitlines() if line.startswith("  ")}
    assert [verb for verb in DESIGNED if len(lines.get(verb, "").split()) < 3] == []
    assert "3 held by a gate" in said
    assert "6 leased by somebody else" in " ".join(said.split())


def test_h_is_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    long = capsys.readouterr().out
    assert run(["-h"]) == 0
    assert capsys.readouterr().out == long


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_and_json(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([verb, "--help"]) == 0
    long = capsys.readouterr().out
    assert long.startswith(f"Usage: shipit {verb} ")
    for words in _spoken(verb):
        assert run([*words, "--help"]) == 0
        assert "--json" in capsys.readouterr().out
    assert "--debug" not in long
    assert run([verb, "-h"]) == 0
    assert capsys.readouterr().out == long


@pytest.mark.parametrize("verb", VERBS)
def test_the_list_says_what_the_verb_itself_says(verb: str) -> None:
    """The table of verbs is written by hand so that nothing is imported for it."""
    with group.make_context("shipit", ["--help"], resilient_parsing=True) as context:
        command = group.get_command(context, verb)
    assert command is not None
    assert command.name == verb
    assert command.get_short_help_str(200)


def test_without_words_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 2
    shown = capsys.readouterr()
    assert shown.err.startswith("Usage: shipit ")
    assert shown.out == ""


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"shipit {shipit.__version__}\n"


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["deploy", "--help"], ["stauts"]])
def test_help_imports_no_sdk_and_nothing_that_draws(words: list[str]) -> None:
    assert loaded(words) == (2 if words == ["stauts"] else 0, [])


@pytest.mark.usefixtures("keep")
def test_status_imports_only_what_reads_a_file_and_a_ledger(shipit: Shipit) -> None:
    code, names = loaded(["status"], str(shipit.folder))
    assert code == 0
    assert set(names) <= {"yaml", "obstore"}


@pytest.mark.parametrize(
    ("typed", "meant"), [("stauts", "status"), ("deplyo", "deploy"), ("release", "releases")]
)
def test_an_unknown_verb_is_answered_with_the_nearest(
    typed: str, meant: str, shipit: Shipit
) -> None:
    refused(shipit(typed), f"No such command '{typed}'. Did you mean {meant}?", "shipit --help")


def test_a_verb_like_no_other_is_refused_without_a_guess(shipit: Shipit) -> None:
    assert "Did you mean" not in refused(shipit("xyzzy"), "No such command 'xyzzy'.")


def test_an_unknown_option_is_answered_with_the_nearest(shipit: Shipit) -> None:
    refused(shipit("deploy", "--evn", "dev"), "--evn", "--env", "shipit deploy --help")
