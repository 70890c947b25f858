"""What `shipit start` says when it is done."""

from pathlib import Path

import pytest

from shipit.cli.app import run
from shipit.delivery import containers

PIPELINE = "app: shop\nenvironments: {dev: {target: {docker: {}}}}\n"


@pytest.mark.parametrize("names", [["web"], []])
def test_what_was_started_is_to_be_proven(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    names: list[str],
) -> None:
    """Where nothing is there to start, nothing is."""
    (tmp_path / "shipit.yaml").write_text(PIPELINE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(containers, "start", lambda *_: names)
    assert run(["start", "--env", "dev"]) == 0
    said = capsys.readouterr()
    assert said.out == f"started: {', '.join(names) or '-'}\n"
    assert ("shipit verify --env dev" in said.err) is bool(names)
