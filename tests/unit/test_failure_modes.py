"""The page of failure modes: each of its numbers has a test that carries it."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "explanation" / "failure-modes.md"
_NAMED = re.compile(r"def test_(?:fm)?(\d{1,2})_(?:and_(\d\d)_)?")
_TOLD = re.compile(r"[Ff]ailure modes? ((?:\d+(?:, | and )?)+)")


def test_each_has_a_test_that_carries_its_number() -> None:
    numbers = [int(n) for n in re.findall(r"^\| (\d+) \|", PAGE.read_text("utf-8"), re.MULTILINE)]
    assert numbers == list(range(1, 39))
    tested: set[int] = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        text = path.read_text("utf-8")
        tested |= {int(n) for found in _NAMED.findall(text) for n in found if n}
        tested |= {int(n) for told in _TOLD.findall(text) for n in re.findall(r"\d+", told)}
    assert sorted(set(numbers) - tested) == []
