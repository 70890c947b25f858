"""What is no YAML, or more of it than people write: a place and a sentence, no traceback."""

from collections.abc import Callable

import pytest

from shipit.config.document import Mapping, parse, plain
from shipit.errors import ConfigurationError

Refused = Callable[[str | bytes], ConfigurationError]

BOMB = "x-a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"x-{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
ENVIRONMENT = "app: shop\nenvironments:\n  dev:\n    target: {docker: {}}\n"

CASES: list[tuple[str, str | bytes, str]] = [
    ("empty", "", "shipit.yaml:1:1: empty"),
    ("only a comment", "# nothing\n", "shipit.yaml:1:1: empty"),
    (
        "a list at the top",
        "- app\n",
        "shipit.yaml:1:1: expected a mapping (app: and environments:) at the top, found a list",
    ),
    (
        "text at the top",
        "shop\n",
        "shipit.yaml:1:1: expected a mapping (app: and environments:) at the top",
    ),
    (
        "an unclosed bracket",
        "app: [shop\nenvironments: 1\n",
        "shipit.yaml:2:13: not YAML: ",
    ),
    ("a bad indent", "app: shop\n environments: x\n", "shipit.yaml:2:14: not YAML: mapping values"),
    ("a tab", "app: shop\nenvironments:\n\tdev: 1\n", "shipit.yaml:3:1: not YAML: found character"),
    (
        "the same key twice",
        "app: a\nregistry: b\napp: c\n",
        "shipit.yaml:3:1: the key app is here again; the first is on line 1",
    ),
    ("a number as key", "app: a\n1: b\n", "shipit.yaml:2:1: a key is text, and 1 is not;"),
    ("no key", "app: a\n? \n: b\n", "shipit.yaml:2:2: a key is text, and this key is not;"),
    ("a list as key", "? [a]\n: b\n", "shipit.yaml:1:3: a key is text, and this key is not;"),
    ("two documents", "app: a\n---\napp: b\n", "shipit.yaml:2:1: a second document starts here"),
    (
        "a tag",
        "app: !!python/object/apply:os.system [id]\n",
        "shipit.yaml:1:6: the tag tag:yaml.org,2002:python/object/apply:os.system is not used here",
    ),
    ("an unknown alias", "app: *nobody\n", "shipit.yaml:1:6: *nobody refers to no anchor above it"),
    (
        "an alias within itself",
        "x: &a [*a]\n",
        "shipit.yaml:1:8: *a stands within the value that it refers to",
    ),
    ("merging a list", "<<: [1]\n", "shipit.yaml:1:1: << merges mappings, and this is none"),
    ("NUL", b"app: sh\x00op\n", "shipit.yaml:1:8: not YAML: it holds the character U+0000"),
    ("an escape", 'app: "a\\0b"\n', "shipit.yaml:1:6: the character U+0000 is not text"),
    ("not UTF-8", b"app: shop\nx: \xff\n", "shipit.yaml:2: not UTF-8 text: the byte 0xFF"),
    ("UTF-16", "app: shop\n".encode("utf-16"), "shipit.yaml:1: not UTF-8 text"),
    ("huge", "# " + "x" * (1 << 20), "shipit.yaml: larger than 1 MiB"),
    ("deep", "x: " + "[" * 100_000, "shipit.yaml:1:67: nested more than 64 levels deep"),
    ("deep in blocks", "".join(" " * n + "a:\n" for n in range(99)), "shipit.yaml:64:64: nested"),
    ("very wide", "x: [" + "1," * 200_000 + "]", "shipit.yaml:1:199999: more than 100,000 values"),
    (
        "a bomb",
        BOMB + f"{ENVIRONMENT}    stack: {{x: *i}}\n",
        "shipit.yaml:9:6: environments.dev.stack.x: more than 100,000 values once aliases are read",
    ),
    (
        "a tower of aliases",
        "x-0: &a0 1\n" + "".join(f"x-{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 9999)),
        "shipit.yaml:64:13: nested more than 64 levels deep",
    ),
]


@pytest.mark.parametrize(("text", "said"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_a_place_and_a_sentence(refused: Refused, text: str | bytes, said: str) -> None:
    assert str(refused(text)).startswith(said)


def test_a_bomb_that_nothing_uses_does_no_harm(refused: Refused) -> None:
    assert str(refused(BOMB + "app: shop\n")) == (
        "shipit.yaml:1:1: environments: missing; it has to be here"
    )


def test_merging_the_same_thousands_of_times_is_refused(refused: Refused) -> None:
    keys = "".join(f"  k{n}: 1\n" for n in range(1000))
    text = f"x-a: &a\n{keys}x-b:\n  <<: [{'*a, ' * 1000}]\n"
    assert "more than 100,000 values, counted with what is merged" in str(refused(text))


def test_a_tab_comes_with_the_way_out(refused: Refused) -> None:
    error = refused("app: shop\nenvironments:\n\tdev: 1\n")
    assert error.next_step == "indent with spaces: YAML does not allow tabs there"


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path: object) -> None:
    from pathlib import Path

    from shipit.config.file import load

    folder = Path(str(tmp_path))
    with pytest.raises(ConfigurationError, match="there is no such file"):
        load(folder / "shipit.yaml")
    with pytest.raises(ConfigurationError, match="cannot be read: Is a directory"):
        load(folder)


def test_earlier_merges_win_and_own_keys_win_over_both() -> None:
    node = parse(
        "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc: {<<: [*a, *b], z: 3}\nd: {'<<': 1}\n", "f"
    )
    assert isinstance(node, Mapping)
    assert plain(node.entries["c"].value) == {"x": 1, "y": 1, "z": 3}
    assert plain(node.entries["d"].value) == {"<<": 1}
