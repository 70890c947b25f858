"""Pulumi is imported where it runs, and nowhere else."""

import json
import subprocess
import sys

import pytest

_LOADED = """
import json, sys
import shipit
from shipit.cli.app import run
code = run(sys.argv[1:]) if sys.argv[1:] else 0
print()
print(json.dumps([code, sorted(m for m in sys.modules if m.split(".")[0].startswith("pulumi"))]))
"""


@pytest.mark.parametrize(
    "words", [(), ("provision", "--help"), ("destroy", "--help"), ("provision",)], ids=" ".join
)
def test_nothing_of_pulumi_is_loaded(words: tuple[str, ...]) -> None:
    argv = [sys.executable, "-c", _LOADED, *words]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True)
    code, names = json.loads(done.stdout.splitlines()[-1])
    assert code == (2 if words == ("provision",) else 0), done.stderr
    assert names == []
