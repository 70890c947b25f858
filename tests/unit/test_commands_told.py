"""Every `shipit ...` that users are told to type is one that shipit understands.

In the documentation, in comments of the reference pipelines, in workflows, and in what shipit
itself says. Whole commands stand in blocks; in running text one may be named without all of it.
"""

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from shipit.cli.app import group

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
FILES = [
    *sorted((ROOT / "pipelines").glob("*.yaml")),
    *sorted((ROOT / ".github").rglob("*.yml")),
    *sorted((ROOT / "examples").rglob("*.yaml")),
]
_BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`(shipit [^`]+)`")
# Where a shell would begin a command: on a line, in a list or a key of YAML, after another one.
_BEGUN = re.compile(r"(?:^ *(?:- )?(?:run: )?|[\"\[(]|(?:&&|\|\||;) )(shipit (?=[a-z-]).*)")
_PROMPT = "$ "
_GAP = re.compile(r" {3,}")  # before what is drawn beside it
_NOT_WHOLE = "something is missing"


def understood(command: str) -> str:
    """What is wrong with it, "" when nothing is."""
    words = spoken(command)[1:]
    try:
        context = group.make_context("shipit", list(words))
        command_: click.Command = group
        rest = [*context._protected_args, *context.args]
        while isinstance(command_, click.Group):
            name, found, rest = command_.resolve_command(context, rest)
            assert found is not None
            command_ = found
            context = command_.make_context(name, rest, parent=context)
            rest = [*context._protected_args, *context.args]
    except click.exceptions.Exit:
        return ""  # --help and --version end here
    except (click.MissingParameter, click.exceptions.NoArgsIsHelpError):
        return f"{command}: {_NOT_WHOLE}"
    except click.ClickException as error:
        said = error.format_message()
        return f"{command}: {_NOT_WHOLE if 'requires an argument' in said else said}"
    return ""


def spoken(command: str) -> list[str]:
    """Its words, up to a comment, a wide gap, or where another command or a file begins."""
    lexer = shlex.shlex(_GAP.split(command)[0], posix=True, punctuation_chars="();<>|&")
    lexer.whitespace_split = True
    words: list[str] = []
    for word in lexer:
        if set(word) <= set("();<>|&"):
            which = words[-1:] if word[0] in "<>" else []  # as in 2>&1
            return words[:-1] if "".join(which).isdigit() else words
        words.append(word)
    return words


def in_blocks(text: str) -> Iterator[str]:
    for _, language, block in _BLOCK.findall(text):
        for line in block.splitlines():
            if line.startswith(_PROMPT):
                yield from begun(line.removeprefix(_PROMPT))
            elif language != "console":  # there, it is what the command said
                yield from begun(line)


def begun(line: str) -> Iterator[str]:
    for found in _BEGUN.finditer(line):
        quoted = found[0].lstrip()[:1]
        end = found[1].find({'"': '"', "(": ")", "[": "]"}.get(quoted, "\n"))
        yield found[1][:end] if end >= 0 else found[1]


def in_running_text(text: str) -> Iterator[str]:
    yield from (" ".join(found.split()) for found in _INLINE.findall(_BLOCK.sub("", text)))


def in_messages(source: str) -> Iterator[str]:
    """Of strings, with a word in each place that is filled in."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.JoinedStr):
            parts = (p.value if isinstance(p, ast.Constant) else "x" for p in node.values)
            yield from in_running_text("".join(str(part) for part in parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from in_running_text(node.value)


def wrong(commands: Iterator[str], *, whole: bool) -> list[str]:
    found = [problem for command in commands if (problem := understood(command))]
    return found if whole else [one for one in found if not one.endswith(_NOT_WHOLE)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_tells_to_type(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert wrong(in_blocks(text), whole=True) == []
    assert wrong(in_running_text(text), whole=False) == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_what_a_file_does(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    lines = [line.lstrip("# ") for line in text.splitlines()]
    assert wrong((c for line in lines for c in begun(line)), whole=True) == []
    assert wrong(in_running_text(text), whole=False) == []


def test_what_shipit_itself_says() -> None:
    found = {
        str(file.relative_to(ROOT)): problems
        for file in sorted((ROOT / "shipit").rglob("*.py"))
        if (problems := wrong(in_messages(file.read_text(encoding="utf-8")), whole=False))
    }
    assert found == {}


def test_commands_are_found_at_all() -> None:
    page = (ROOT / "docs" / "how-to" / "ci.md").read_text(encoding="utf-8")
    assert "shipit pipeline --to staging" in list(in_blocks(page))
    assert "shipit resume --env staging" in [" ".join(spoken(c)) for c in in_blocks(page)]
    assert "shipit iam --env staging" in list(in_running_text(page))


@pytest.mark.parametrize(
    "command", ["shipit deploy --to qa", "shipit promote", "shipit resume qa", "shipit nothing"]
)
def test_what_is_not_understood_is_noticed(command: str) -> None:
    assert understood(command)
