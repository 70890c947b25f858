"""shipit.yaml into a Pipeline: what is found, and what a correct file means."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from shipit.config.file import find, load
from shipit.config.reference import EXAMPLE
from shipit.errors import ConfigurationError
from shipit.model.pipeline import EksTarget, Pipeline, SwarmTarget

Load = Callable[[str | bytes], Pipeline]

ONE = "app: shop\nenvironments:\n  dev: {target: {docker: {}}}\n"


def test_it_is_found_in_a_folder_above(tmp_path: Path) -> None:
    (tmp_path / "shipit.yaml").write_text(ONE)
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    assert find(below) == tmp_path / "shipit.yaml"


def test_the_nearest_one_is_found(tmp_path: Path) -> None:
    inner = tmp_path / "a"
    inner.mkdir()
    for folder in (tmp_path, inner):
        (folder / "shipit.yaml").write_text(ONE)
    assert find(inner) == inner / "shipit.yaml"


def test_none_found_names_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as raised:
        find(tmp_path)
    assert raised.value.what == f"there is no shipit.yaml in {tmp_path} or a folder above it"
    assert "shipit init" in raised.value.next_step


def test_the_other_ending_is_pointed_out(tmp_path: Path) -> None:
    (tmp_path / "shipit.yml").write_text(ONE)
    with pytest.raises(ConfigurationError) as raised:
        find(tmp_path)
    assert raised.value.next_step == f"rename {tmp_path / 'shipit.yml'} to shipit.yaml"


def test_the_designs_example(loaded: Load) -> None:
    pipeline = loaded(EXAMPLE)
    assert pipeline.app == "shop"
    assert pipeline.ledger == "s3://acme-shipit/shop"
    assert [*pipeline.environments] == ["dev", "qa", "staging", "production"]
    assert pipeline.first.name == "dev"
    qa = pipeline.environments["qa"]
    assert qa.targets["default"].settings == SwarmTarget(host="ssh://deploy@qa.example.com")
    assert qa.verify[0].http == "http://qa.example.com/healthz"
    production = pipeline.environments["production"]
    assert production.after == "staging"
    assert [*production.targets] == ["eu", "us"]
    assert production.targets["eu"].settings == EksTarget(
        region="eu-west-1", cluster="prod", namespace="shop"
    )
    assert (production.gates.approvals, production.gates.soak) == (2, "24h")
    assert production.strategy.canary is not None
    assert production.strategy.canary.steps == (10, 50)


def test_root_is_absolute_and_the_file_is_named_as_the_user_would(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shipit.yaml").write_text(ONE)
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    pipeline = load(find(Path()))
    assert (pipeline.root, pipeline.file) == (str(tmp_path), "../shipit.yaml")


def test_promotion_order_is_the_graphs_and_then_the_files(loaded: Load) -> None:
    target = "target: {docker: {}}"
    pipeline = loaded(
        "app: shop\nenvironments:\n"
        f"  live-us: {{after: staging, {target}}}\n"
        f"  live-eu: {{after: staging, {target}}}\n"
        f"  staging: {{after: dev, {target}}}\n"
        f"  dev: {{{target}}}\n"
        f"  demo: {{after: dev, {target}}}\n"
    )
    assert [*pipeline.environments] == ["dev", "staging", "live-us", "live-eu", "demo"]


def test_thousands_of_environments_back_to_front(loaded: Load) -> None:
    names = [f"e{n}" for n in range(2_000)]
    lines = [
        f"  {name}: {{after: {before}, target: {{docker: }}}}\n" for before, name in pairwise(names)
    ]
    head = "app: shop\nenvironments:\n"
    text = head + "".join(reversed(lines)) + "  e0: {target: {docker: }}\n"
    assert [*loaded(text).environments] == names


def test_an_empty_kind_of_target_has_its_defaults(loaded: Load) -> None:
    pipeline = loaded("app: shop\nenvironments:\n  dev:\n    target:\n      docker:\n")
    assert pipeline.first.targets["default"].kind == "docker"


def test_free_keys_anchors_and_merges(loaded: Load) -> None:
    pipeline = loaded(
        "x-defaults: &defaults\n"
        "  deadline: 9m\n"
        "  gates: {approvals: 1}\n"
        "app: shop\n"
        "environments:\n"
        "  x-note: {anything: [goes]}\n"
        "  dev: {<<: *defaults, target: {docker: {x-why: here}}, gates: {x-a: 1, approvals: 3}}\n"
        "  qa: {<<: [*defaults], after: dev, target: {docker: {}}}\n"
    )
    assert [*pipeline.environments] == ["dev", "qa"]
    dev, qa = pipeline.environments.values()
    assert (dev.deadline, dev.gates.approvals) == ("9m", 3)
    assert (qa.deadline, qa.gates.approvals) == ("9m", 1)


@pytest.mark.parametrize(
    "written", ["no", "on", "1:30", "2024-01-01", "1.10", "007", "0x1F", "true", "é", "1_000", "~x"]
)
def test_text_is_what_was_written(loaded: Load, written: str) -> None:
    pipeline = loaded(
        "app: shop\nenvironments:\n  dev:\n    target: {docker: {}}\n"
        f"    verify: [{{http: 'http://x/', contains: {written}}}]\n"
    )
    assert pipeline.first.verify[0].contains == written


def test_names_that_yaml_1_1_would_turn_into_booleans(loaded: Load) -> None:
    pipeline = loaded(
        "app: on\nenvironments:\n  no: {target: {docker: {}}}\n"
        "  y: {after: no, target: {docker: {}}}\n"
    )
    assert (pipeline.app, [*pipeline.environments]) == ("on", ["no", "y"])


def test_stack_settings_keep_their_types(loaded: Load) -> None:
    pipeline = loaded(
        "app: shop\nenvironments:\n  dev:\n    target: {docker: {}}\n"
        "    stack: {nodes: 3, spot: true, zones: [a, no], ratio: 0.5, none: null, mode: 0o17,"
        ' said: "3", huge: 1e999}\n'
    )
    assert pipeline.first.stack == {
        "nodes": 3,
        "spot": True,
        "zones": ["a", "no"],
        "ratio": 0.5,
        "none": None,
        "mode": 15,
        "said": "3",
        "huge": "1e999",
    }


@pytest.mark.parametrize(
    "registry",
    [
        "acme",
        "acme/shop",
        "localhost:5000",
        "127.0.0.1:5000/shop",
        "[::1]:5000/shop",
        "europe-docker.pkg.dev/acme/shop/shop",
    ],
)
def test_registries(loaded: Load, registry: str) -> None:
    assert loaded(f'{ONE}registry: "{registry}"\n').registry == registry


@pytest.mark.parametrize("ledger", [".shipit/ledger", "/var/x", "memory://", "s3://b", "gs://b/p"])
def test_ledgers(loaded: Load, ledger: str) -> None:
    assert loaded(f"{ONE}ledger: {ledger}\n").ledger == ledger


def test_a_byte_order_mark_is_no_matter(loaded: Load) -> None:
    assert loaded(b"\xef\xbb\xbf" + ONE.encode()).app == "shop"
    assert loaded(ONE.replace("\n", "\r\n")).app == "shop"
