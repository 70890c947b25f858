"""The documentation does not drift: made pages are as they would be made, links lead somewhere."""

import re
from pathlib import Path

import click
import pytest

from shipit import errors
from shipit.cli.app import group
from shipit.cli.ending import CutShortError
from shipit.cli.reference import reference

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
_LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
_COMMAND = re.compile(r"(?:^\$ |^ *- (?:run: )?|`)shipit ([a-z]+)(?=[ `\n])", re.MULTILINE)


def test_the_command_reference_is_as_it_would_be_made() -> None:
    page = ROOT / "docs" / "reference" / "cli.md"
    assert page.read_text(encoding="utf-8") == reference(), "run `make docs`"


def test_every_exit_code_has_its_line() -> None:
    codes = {kind.exit_code for kind in vars(errors).values() if hasattr(kind, "exit_code")}
    for page in (ROOT / "docs" / "reference" / "exit-codes.md", ROOT / "README.md"):
        told = {int(code) for code in re.findall(r"^\| (\d+) \|", page.read_text(), re.MULTILINE)}
        assert told == codes | {0, CutShortError.exit_code}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files(page: Path) -> None:
    links = _LINK.findall(page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_exist(page: Path) -> None:
    named = set(_COMMAND.findall(page.read_text(encoding="utf-8")))
    assert named - set(group.list_commands(click.Context(group))) == set()


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    pages = [str(page.relative_to(ROOT / "docs")) for page in PAGES if "docs" in page.parts]
    assert [page for page in pages if page != "index.md" and f"({page})" not in index] == []
