"""`shipit provision` where something that it needs is not there. It runs where no engine is."""

from pathlib import Path

import pytest

from tests.fakes.command import Shipit, contents, refused
from tests.fakes.pulumi_engine.shop import PROGRAM, SHIPIT_YAML


@pytest.fixture
def bare(tmp_path: Path) -> Shipit:
    """No program is found, whatever this machine has."""
    folder, programs = tmp_path / "shop", tmp_path / "programs"
    (folder / "stacks").mkdir(parents=True)
    programs.mkdir()
    (folder / "shipit.yaml").write_text(SHIPIT_YAML)
    (folder / "stacks" / "Pulumi.yaml").write_text("name: shop\nruntime: python\n")
    (folder / "stacks" / "__main__.py").write_text(PROGRAM)
    return Shipit(folder, {"PATH": str(programs), "PULUMI_CONFIG_PASSPHRASE": "of the test"})


@pytest.mark.parametrize(
    "words",
    [
        ("provision", "--env", "staging", "--yes"),
        ("provision", "--env", "staging", "--preview", "--json"),
        ("destroy", "--env", "staging", "--confirm", "staging"),
    ],
    ids=" ".join,
)
def test_without_the_program_one_sentence_says_how_to_get_it(
    bare: Shipit, words: tuple[str, ...]
) -> None:
    before = contents(bare.folder)
    ran = bare(*words)
    if "--json" in words:
        assert (ran.code, ran.result["event"]) == (2, "error")
        assert "https://www.pulumi.com/docs/install" in ran.result["next"]
    else:
        said = refused(ran, "there is no pulumi program on this machine")
        assert "https://www.pulumi.com/docs/install" in said
    assert contents(bare.folder) == before


def test_without_a_project(bare: Shipit) -> None:
    (bare.folder / "stacks" / "Pulumi.yaml").unlink()
    said = refused(bare("provision", "--env", "staging", "--yes"), "no Pulumi project in stacks/")
    assert "`shipit init --stacks`" in said
    assert "infra/" in refused(bare("provision", "--infra", "--yes"))


def test_without_anything_that_protects_secrets(bare: Shipit) -> None:
    shop = bare.with_env(PULUMI_CONFIG_PASSPHRASE=None)
    refused(shop("provision", "--env", "staging", "--yes"), "PULUMI_CONFIG_PASSPHRASE")


def test_one_stack_is_named(bare: Shipit) -> None:
    refused(bare("provision"), "which stack?")
    refused(bare("provision", "--env", "staging", "--infra"), "which stack?")
    refused(bare("provision", "--env", "stagin"), "did you mean staging?")
