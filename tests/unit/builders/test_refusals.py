import json
from pathlib import Path
from typing import Any

import pytest

from shipit import errors
from shipit.builders.refusals import Failure, judge

CASES = json.loads((Path(__file__).parent / "refusals.json").read_text())


@pytest.mark.parametrize("case", CASES, ids=[case["from"] for case in CASES])
def test_a_recorded_refusal_becomes_the_error_that_it_is(case: Any) -> None:
    error = judge(
        Failure("web", "127.0.0.1:5988/shop", case["step"], case["error"], tail="the last line")
    )
    assert type(error) is getattr(errors, case["kind"])
    assert case["says"] in str(error)
    assert error.what.startswith("web: ")
    assert error.next_step


def test_a_failed_build_shows_its_last_lines_and_why() -> None:
    failure = Failure("web", "r.example/shop", "[2/3] RUN make", "exit code: 2", tail="no rule")
    assert judge(failure).why == "no rule\nexit code: 2"
