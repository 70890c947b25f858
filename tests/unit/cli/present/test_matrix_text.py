"""The matrix as a person sees it, whole."""

import io
import subprocess
import sys

from msgspec.structs import replace

from shipit.cli.present.ink import Ink, width
from shipit.cli.present.matrix import Matrix, build_matrix
from shipit.cli.present.matrix_text import draw, lines
from tests.fakes.recorded import Shop


def matrix(shop: Shop, names: tuple[str, ...] = ("dev", "qa", "staging")) -> Matrix:
    state = shop.state(
        [shop.release("r2", web="w2", worker="k")],
        dev=shop.running("r2", minutes=2, web="w2", worker="k"),
        qa=replace(shop.running("r1", minutes=300, web="w1", worker="k"), hold=shop.hold()),
    )
    return build_matrix(shop.pipeline(names), state, shop.now)


def test_whole(shop: Shop) -> None:
    w1, w2, k = (shop.digest(text).short for text in ("w1", "w2", "k"))
    assert lines(matrix(shop), Ink()) == [
        "shop   newest release r2, built 3m ago (Faster checkout)",
        "",
        "         dev             qa                staging",
        "release  r2              r1                -",
        "since    2m ago          5h ago            -",
        "health   ✓ healthy       ✓ healthy         ○ nothing yet",
        "checked  2m ago          5h ago            -",
        "now                      held",
        "",
        f"web      {w2} A  {w1} B ≠  -",
        f"worker   {k} A  {k} A    -",
        "",
        "qa: held by ana (laptop pid 12): r2 was rolled back; lift it with `shipit unfreeze qa`",
    ]


def test_nothing_is_built(shop: Shop) -> None:
    found = build_matrix(shop.pipeline(("dev",)), shop.state(), shop.now)
    assert lines(found, Ink())[0] == "shop   no release yet: run `shipit build`"
    assert lines(found, Ink())[1:] == ["", "        dev", "health  ○ nothing yet"]


def test_narrow_terminals_get_shorter_digests_then_several_blocks(shop: Shop) -> None:
    wide = lines(matrix(shop), Ink(width=80))
    short = lines(matrix(shop), Ink(width=55))
    split = lines(matrix(shop), Ink(width=40))
    assert shop.digest("w1").short in "\n".join(wide)
    assert f"  {shop.digest('w1').hex[:7]} B ≠" in "\n".join(short)
    assert shop.digest("w1").short not in "\n".join(short)
    assert sum(line.startswith("release") for line in short) == 1
    assert sum(line.startswith("release") for line in split) == 2
    table = split[: split.index(next(line for line in split if line.startswith("qa: held"))) - 1]
    assert max(width(line) for line in table[1:]) <= 40


def test_many_environments_all_appear(shop: Shop) -> None:
    names = tuple(f"region-{n}" for n in range(30))
    text = "\n".join(lines(matrix(shop, names), Ink(width=80)))
    assert [name for name in names if name not in text.split()] == []


def test_without_unicode(shop: Shop) -> None:
    text = "\n".join(lines(matrix(shop), Ink(unicode=False)))
    assert text.isascii()
    assert "B !=" in text


def test_equal_digests_have_one_colour(shop: Shop) -> None:
    text = lines(matrix(shop), Ink(colour=True))
    k = shop.digest("k").short
    assert next(line for line in text if k in line).count(f"\x1b[32m{k} A\x1b[0m") == 2
    assert f"\x1b[33m{shop.digest('w1').short} B\x1b[0m\x1b[31;1m ≠\x1b[0m" in "\n".join(text)


def test_colours_are_for_those_who_see_them(shop: Shop) -> None:
    plain: dict[str, str] = {}
    for environ, coloured in ((plain, False), ({"FORCE_COLOR": "1"}, True)):
        stream = io.StringIO()
        draw(matrix(shop), stream=stream, environ=environ)
        assert ("\x1b[" in stream.getvalue()) is coloured


def test_a_subject_cannot_drive_the_terminal(shop: Shop) -> None:
    release = shop.release("r1", web="w")
    release = replace(release, source=replace(release.source, subject="\x1b[2Jgone"))
    found = build_matrix(shop.pipeline(), shop.state([release]), shop.now)
    assert lines(found, Ink())[0].endswith("(gone)")


def test_status_needs_no_rich() -> None:
    code = (
        "import sys, shipit.cli.present.matrix_text, shipit.cli.present.progress\n"
        "print([m for m in sys.modules if m.partition('.')[0] in ('rich', 'yaml', 'docker')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_long_subject_does_not_break_the_title(shop: Shop) -> None:
    title = "shop   newest release r2, built 3m ago"
    assert lines(matrix(shop), Ink(width=56))[0] == f"{title} (Faster checkout)"
    assert lines(matrix(shop), Ink(width=55))[0] == f"{title} (Faster checko…)"
    assert lines(matrix(shop), Ink(width=45))[0] == title
