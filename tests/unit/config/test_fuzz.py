"""Whatever bytes are in shipit.yaml, `load` gives a Pipeline or a ConfigurationError."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from shipit.config.file import load
from shipit.config.reference import EXAMPLE
from shipit.errors import ConfigurationError
from shipit.model.pipeline import Pipeline

DOCUMENTS = 2_000
PLAIN = yaml.safe_load(EXAMPLE)
VALUES: tuple[Any, ...] = (
    *(None, True, 0, -1, 2**70, 1.5, float("inf"), "", "no", "é\u2028", "x" * 300, "90s", "\ud7ff"),
    *(
        [],
        {},
        [None],
        {"": None},
        {"docker": {}},
        {"x-a": 1},
        [[[]]],
        {"<<": 1},
        "https://[",
        "dev",
    ),
)
FRAGMENTS = (
    *(b"\x00", b"\t", b"\xff\xfe", b"\xef\xbb\xbf", b"&a ", b"*a", b"<<: ", b"- ", b"? ", b": "),
    *(b"{", b"}", b"[", b"]", b"'", b'"', b"|", b">", b"%", b"!!str ", b"!x ", b"---\n", b"...\n"),
    *(b"\r", b"\n", b"#", b"\xe2\x80\xa8", b"\\U0010ffff", b'"\\ud800"', b"9" * 400, b"@", b"`"),
)


def mutated_bytes(random_: random.Random, text: bytes) -> bytes:
    for _ in range(random_.randint(1, 6)):
        at, size = random_.randrange(len(text) + 1), random_.choice((0, 0, 1, 1, 3, 40))
        new = random_.choice((random_.choice(FRAGMENTS), random_.randbytes(1), b""))
        moved = text[at : at + size] if random_.random() < 0.2 else b""
        text = text[:at] + new + moved + text[at + size :]
    return text


def mutated_values(random_: random.Random, node: Any) -> Any:
    """One place of the document changed, taken out, doubled or given another's name."""
    if not isinstance(node, dict | list) or not node or random_.random() < 0.15:
        return random_.choice(VALUES)
    if isinstance(node, list):
        at = random_.randrange(len(node))
        return [*node[:at], mutated_values(random_, node[at]), *node[at + random_.randint(0, 1) :]]
    key = random_.choice([*node])
    changed = {k: v for k, v in node.items() if k != key or random_.random() < 0.9}
    name = random_.choice((key, key, key, key[:-1], key.upper(), "x-" + key, "after", "targets"))
    changed[name] = mutated_values(random_, node[key])
    return changed


def by_bytes(random_: random.Random) -> bytes:
    return mutated_bytes(random_, EXAMPLE.encode())


def by_structure(random_: random.Random) -> bytes:
    document = PLAIN
    for _ in range(random_.randint(1, 3)):
        document = mutated_values(random_, document)
    return yaml.dump(document, Dumper=yaml.CSafeDumper, allow_unicode=True).encode(
        "utf-8", "surrogatepass"
    )


@pytest.mark.parametrize("mutate", [by_bytes, by_structure])
def test_a_pipeline_or_one_clear_error(
    mutate: Callable[[random.Random], bytes], tmp_path: Path
) -> None:
    path = tmp_path / "shipit.yaml"
    pipelines, errors = 0, []
    for seed in range(DOCUMENTS // 2):
        path.write_bytes(mutate(random.Random(seed)))
        try:
            pipelines += isinstance(load(path), Pipeline)
        except ConfigurationError as error:
            errors.append(error)
    assert pipelines + len(errors) == DOCUMENTS // 2
    assert [e for e in errors if "shipit.yaml" not in e.what or len(str(e)) > 5_000] == []
    # The mutations are worth something: neither outcome is rare.
    assert min(pipelines, len(errors)) > DOCUMENTS // 100
