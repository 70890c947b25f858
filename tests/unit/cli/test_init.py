"""`shipit init`, run as a user runs it."""

import json
import re
from pathlib import Path

import pytest

from shipit.cli.app import run
from shipit.cli.init import begin, name_from, templates
from shipit.config.file import load
from shipit.model.naming import account_id


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    here = tmp_path / "My Shop"
    here.mkdir()
    monkeypatch.chdir(here)
    return here


TEMPLATES = [t.name for t in templates()]


def test_there_is_a_pipeline_for_each_kind_of_shop() -> None:
    expected = {"docker", "ecs-ec2", "ecs-fargate", "eks", "gke", "hybrid", "kubernetes"}
    assert {*TEMPLATES} == expected


@pytest.mark.parametrize("template", TEMPLATES)
def test_every_template_is_a_valid_pipeline(folder: Path, template: str) -> None:
    assert run(["init", "--pipeline", template]) == 0
    pipeline = load(folder / "shipit.yaml")
    assert pipeline.app == "my-shop"
    assert list(pipeline.environments) == ["dev", "qa", "staging", "production"]
    assert [e.after for e in pipeline.environments.values()] == [None, "dev", "qa", "staging"]
    assert "APP" not in (folder / "shipit.yaml").read_text()


@pytest.mark.parametrize("template", TEMPLATES)
def test_what_a_template_has_commented_out_is_valid_too(folder: Path, template: str) -> None:
    assert run(["init", "--pipeline", template]) == 0
    path = folder / "shipit.yaml"
    settings = re.compile(r"^( *)# (?=(?:registry|ledger|verify|deadline):)", re.MULTILINE)
    path.write_text(settings.sub(r"\1", path.read_text()))
    pipeline = load(path)
    assert pipeline.registry.endswith("my-shop")
    assert pipeline.environments["production"].deadline in ("10m", "15m")


@pytest.mark.parametrize("app", ["shop", "a-shop-with-a-long-name-of-its-own"])
def test_who_deploys_to_gke_is_called_as_infra_calls_it(folder: Path, app: str) -> None:
    """By a name of Google Cloud's length."""
    begin(folder, pipeline="gke", app=app, force=False)
    for environment in ("staging", "production"):
        said = f"serviceAccount:{account_id(app, environment)}@acme.iam"
        assert said in (folder / "shipit.yaml").read_text()
        assert len(account_id(app, environment)) <= 30
        assert account_id(app, environment).endswith(environment)
    assert len(account_id(app, "of-a-customer-with-a-long-name")) == 30


@pytest.mark.parametrize("template", TEMPLATES)
def test_what_has_stacks_brings_the_programs_that_make_them(folder: Path, template: str) -> None:
    assert run(["init", "--pipeline", template]) == 0
    stacks = any(e.stack for e in load(folder / "shipit.yaml").environments.values())
    assert (folder / "stacks" / "Pulumi.yaml").exists() is stacks
    assert (folder / "infra" / "Pulumi.yaml").exists() is stacks


def test_stacks_alone_leave_the_rest_as_it_is(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["init", "--stacks"]) == 0
    assert capsys.readouterr().out == "wrote stacks/ and infra/\n"
    assert sorted(p.name for p in folder.iterdir()) == ["infra", "stacks"]
    (folder / "stacks" / "__main__.py").write_text("# ours now\n")
    assert run(["init", "--stacks"]) == 0
    assert (folder / "stacks" / "__main__.py").read_text() == "# ours now\n"


def test_it_says_what_it_wrote_and_what_to_do_next(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["init", "--app", "shop"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "wrote shipit.yaml: shop in dev, qa, staging, production",
        "next:",
        "  write a compose.yaml: it says which services run, and what each is built from",
        "  give each environment its own ports, in compose.dev.yaml and so on",
        "  shipit check",
        "  shipit build",
        "  shipit deploy --env dev",
        "  shipit promote qa",
    ]


def test_ports_are_a_matter_of_engines_alone(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a cluster each environment has a namespace, and its Services their own addresses."""
    assert run(["init", "--pipeline", "kubernetes"]) == 0
    assert "ports" not in capsys.readouterr().out


def test_a_compose_file_is_found(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "docker-compose.yml").touch()
    for name in ("dev", "qa", "staging", "production"):
        (folder / f"compose.{name}.yaml").touch()
    assert run(["init"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[1:4] == ["found docker-compose.yml", "next:", "  shipit check"]


def test_json_says_the_same(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / ".git").mkdir()
    assert run(["init", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["app"] == "my-shop"
    assert said["pipeline"] == "docker"
    assert said["wrote"] == ["shipit.yaml", ".gitignore"]
    assert said["compose"] == ""
    assert said["next"][-1] == "shipit promote qa"


def test_in_a_git_repository_the_record_is_ignored_once(folder: Path) -> None:
    (folder.parent / ".git").mkdir()
    ignored = folder / ".gitignore"
    ignored.write_text("node_modules")
    assert run(["init"]) == 0
    assert ignored.read_text() == "node_modules\n.shipit/\n"
    assert run(["init", "--force"]) == 0
    assert ignored.read_text() == "node_modules\n.shipit/\n"


def test_outside_git_nothing_else_is_written(folder: Path) -> None:
    assert run(["init"]) == 0
    assert [path.name for path in folder.iterdir()] == ["shipit.yaml"]


def test_what_is_there_is_not_overwritten(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "shipit.yaml"
    path.write_text("mine")
    assert run(["init"]) == 2
    assert path.read_text() == "mine"
    assert "shipit init --force" in capsys.readouterr().err
    assert run(["init", "--force"]) == 0
    assert path.read_text() != "mine"


def test_an_unknown_pipeline_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["init", "--pipeline", "dokcer"]) == 2
    assert "did you mean docker?" in capsys.readouterr().err
    assert list(folder.iterdir()) == []


def test_a_name_that_no_target_takes_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["init", "--app", "My_Shop"]) == 2
    assert "try --app my-shop" in capsys.readouterr().err
    assert list(folder.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_said(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "shipit.yaml").mkdir()
    assert run(["init", "--force"]) == 2
    assert "cannot be written: Is a directory" in capsys.readouterr().err


def test_the_pipelines_are_listed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["init", "--list"]) == 0
    assert "docker        One Docker engine, four environments" in capsys.readouterr().out
    assert run(["init", "--list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["name"] == "docker"
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("folder_name", "app"),
    [("Shop", "shop"), ("my_shop.v2", "my-shop-v2"), ("--", "app"), ("a" * 80, "a" * 63)],
)
def test_a_folders_name_made_an_applications(folder_name: str, app: str) -> None:
    assert name_from(folder_name) == app


def test_in_a_git_repository_the_files_are_to_be_committed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / ".git").mkdir()
    assert run(["init"]) == 0
    steps = capsys.readouterr().out.splitlines()
    asked = steps.index("  commit these files: a release is named after its commit")
    assert steps[asked + 1] == "  shipit build"


def test_a_shipit_yaml_above_is_told_of(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    above = folder.parent / "shipit.yaml"
    above.touch()
    assert run(["init"]) == 0
    said = f"{above} is there too: in this folder it does not count any more"
    assert said in capsys.readouterr().out.splitlines()
