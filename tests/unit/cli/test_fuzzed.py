"""Whatever is in shipit.yaml, the command ends with 0 or 2, and never with a fault of its own."""

import random
from collections import Counter
from pathlib import Path

import pytest
import yaml

from shipit.cli.app import run
from tests.unit.config.test_fuzz import PLAIN, mutated_bytes, mutated_values

DOCUMENTS = 300
# Where the record is kept is left to the folder: a bucket would be asked over the network.
LOCAL = {key: value for key, value in PLAIN.items() if key != "ledger"}


def document(seed: int) -> bytes:
    """Every second one has a changed structure, the others changed bytes."""
    chance = random.Random(seed)
    changed = mutated_values(chance, LOCAL) if seed % 2 else LOCAL
    text: bytes = yaml.dump(changed, Dumper=yaml.CSafeDumper).encode("utf-8", "surrogatepass")
    return text if seed % 2 else mutated_bytes(chance, text)


def test_a_status_or_one_clear_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    codes: Counter[int] = Counter()
    for seed in range(DOCUMENTS):
        content = document(seed)
        if b"://" in content.partition(b"environments")[0]:
            continue
        Path("shipit.yaml").write_bytes(content)
        codes[run(["status", "--json"])] += 1
        said = capsys.readouterr().err
        assert "fault" not in said, (seed, said)
        assert said.count("error: ") <= 1, (seed, said)
    assert set(codes) == {0, 2}
    assert min(codes.values()) > DOCUMENTS // 20
