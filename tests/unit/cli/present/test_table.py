import io
from datetime import UTC, datetime, timedelta

import pytest

from shipit.cli.present.table import layout, short, since, table
from shipit.model.digest import Digest

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def test_columns_are_aligned_and_headers_upper_case() -> None:
    assert layout(["name", "state"], [["web", "running"], ["a-worker", ""]]) == [
        "NAME       STATE",
        "web        running",
        "a-worker   -",
    ]


def test_colours_and_wide_characters_count_as_they_are_shown() -> None:
    rows = [["\x1b[32mok\x1b[0m", "x"], ["日本", "x"], ["e\u0301a", "x"]]
    assert [line[-4:] for line in layout(["n", "m"], rows)[1:]] == ["   x", "   x", "   x"]
    assert layout(["n", "m"], rows)[2] == "日本   x"


def test_no_rows_are_no_table() -> None:
    stream = io.StringIO()
    table(["name"], [], stream=stream, environ={})
    assert stream.getvalue() == ""


def test_rows_are_written_for_the_stream() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", write_through=True)
    table(["name", "why"], [["web", "≠ dev"]], stream=stream, environ={})
    assert stream.buffer.getvalue() == b"NAME   WHY\nweb    != dev\n"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-5, "0s"),
        (0, "0s"),
        (119, "119s"),
        (180, "3m"),
        (7199, "119m"),
        (7200, "2h"),
        (200000, "2d"),
    ],
)
def test_since(seconds: int, said: str) -> None:
    assert since(NOW - timedelta(seconds=seconds), NOW) == f"{said} ago"


def test_what_is_not_there_is_a_dash() -> None:
    assert since(None, NOW) == "-"
    assert short(None) == "-"
    assert short(Digest.of(b"")) == "e3b0c44298fc"
