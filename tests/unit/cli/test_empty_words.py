"""An empty word on the command line: a variable of a script that nobody has set."""

from collections.abc import Sequence

import pytest

from tests.fakes.command import Shipit, contents, refused


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (["pipeline", "--to", ""], "--to"),
        (["deploy", "--env", "qa", "--release", ""], "--release"),
        (["deploy", "--env", "qa", "-r", ""], "--release"),
        (["promote", "qa", "--release="], "--release"),
        (["promote", "qa", "--override", ""], "--override"),
        (["plan", "--env", "qa", "--release", ""], "--release"),
        (["rollback", "--env", "qa", "--to", ""], "--to"),
        (["resume", "--env", ""], "--env"),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, list) else "",
)
def test_it_is_no_default(words: Sequence[str], option: str, shipit: Shipit) -> None:
    """`--to ""` would go to production, and `--release ""` take whatever runs upstream."""
    before = contents(shipit.folder)
    refused(shipit(*words), option, "it is empty; is a variable not set?")
    assert contents(shipit.folder) == before


def test_words_of_a_person_may_be_empty(shipit: Shipit) -> None:
    ran = shipit("approve", "nothing", "--env", "qa", "--comment", "")
    refused(ran, "there is no release 'nothing'")
