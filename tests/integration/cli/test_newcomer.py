"""A newcomer on a machine with nothing: `shipit init --pipeline X && shipit check && shipit plan`.

Each time something else is missing. There is a next step every time, and never a traceback."""

import json
import re
import shutil
from pathlib import Path

import pytest

from shipit.cli.init import templates
from shipit.config import file
from shipit.ledger import Ledger
from shipit.ledger.store import open_store
from shipit.model.events import ReleaseCreated
from shipit.model.release import summarize
from tests.fakes.command import Ran, Shipit, git, refused
from tests.fakes.moto import CREDENTIALS
from tests.fakes.project import make_release

TEMPLATES = [t.name for t in templates()]
WITH_STACKS = {
    "ecs-ec2": ("staging", "production"),
    "ecs-fargate": ("staging", "production"),
    "eks": ("staging", "production"),
    "gke": ("staging", "production"),
    "hybrid": ("staging",),
}
_COMPOSE = """\
services:
  web:
    build: .
    mem_limit: 256m
"""


@pytest.fixture
def newcomer(tmp_path: Path) -> Shipit:
    """In a checkout, on a machine that no cloud and no cluster knows; nothing far away answers."""
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "compose.yaml").write_text(_COMPOSE)
    (folder / "Dockerfile").write_text('FROM scratch\nCOPY compose.yaml /\nCMD ["/none"]\n')
    git(folder, "init", "-q", "-b", "main")
    nowhere = "http://127.0.0.1:9"
    unset = (
        "AWS_PROFILE",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "KUBECONFIG",
        "no_proxy",
        *CREDENTIALS,
    )
    return Shipit(
        folder,
        {
            **dict.fromkeys(unset),
            "HOME": str(tmp_path),
            "DOCKER_HOST": f"unix://{tmp_path}/docker.sock",
            "HTTPS_PROXY": nowhere,
            "HTTP_PROXY": nowhere,
            "NO_PROXY": "",
        },
    )


def started(newcomer: Shipit, pipeline: str, *, alone: bool = False) -> list[str]:
    """`shipit init`, committed; the environments, in promotion order.

    `alone`: with the ledger and the registry that need nothing."""
    newcomer.ok("init", "--pipeline", pipeline)
    path = newcomer.folder / "shipit.yaml"
    if alone:
        path.write_text(
            re.sub(r"^(ledger|registry):.*\n", "", path.read_text(), flags=re.MULTILINE)
        )
    git(newcomer.folder, "add", "-A")
    git(newcomer.folder, "commit", "-qm", "begin")
    return list(file.load(path).environments)


def advised(ran: Ran) -> str:
    """Refused with what to do now."""
    said = refused(ran)
    assert "\n  now: " in said, ran.told()
    return said


def checked(newcomer: Shipit) -> list[dict[str, str]]:
    """What `shipit check` finds wrong; each finding has its next step."""
    ran = newcomer("check", "--json")
    assert ran.code in (0, 2), ran.told()
    assert "Traceback" not in ran.out + ran.err, ran.told()
    found, _ = json.JSONDecoder().raw_decode(ran.out)  # the error's own line comes after it
    findings: list[dict[str, str]] = [one for one in found if one["level"] == "error"]
    assert [f for f in findings if not f["next_step"]] == [], ran.told()
    assert findings, ran.told()
    return findings


@pytest.mark.engine
@pytest.mark.parametrize("pipeline", TEMPLATES)
def test_with_nothing_at_all(newcomer: Shipit, pipeline: str) -> None:
    environments = started(newcomer, pipeline)
    assert checked(newcomer)
    for name in environments:
        advised(newcomer("plan", "--env", name))


@pytest.mark.engine
@pytest.mark.parametrize("pipeline", sorted(WITH_STACKS))
def test_with_credentials_and_nothing_that_they_could_open(newcomer: Shipit, pipeline: str) -> None:
    known = newcomer.with_env(**CREDENTIALS)
    environments = started(known, pipeline)
    assert checked(known)
    for name in environments:
        advised(known("plan", "--env", name))


@pytest.mark.parametrize("pipeline", TEMPLATES)
def test_with_a_ledger_and_no_release(newcomer: Shipit, pipeline: str) -> None:
    first, *others = started(newcomer, pipeline, alone=True)
    assert "now: run `shipit build` first" in advised(newcomer("plan", "--env", first))
    for name, before in zip(others, [first, *others], strict=False):
        said = advised(newcomer("plan", "--env", name))
        assert f"now: run `shipit deploy --env {before}` first" in said


@pytest.mark.parametrize("pipeline", TEMPLATES)
def test_with_a_release_and_nowhere_to_run_it(newcomer: Shipit, pipeline: str) -> None:
    environments = started(newcomer, pipeline, alone=True)
    release(newcomer.folder, environments)
    for name in environments:
        said = advised(newcomer("plan", "--env", name, "--release", "r1"))
        if name in WITH_STACKS.get(pipeline, ()):
            assert f"shipit provision --env {name}" in said


@pytest.mark.parametrize("pipeline", sorted(WITH_STACKS))
def test_without_pulumi(newcomer: Shipit, pipeline: str) -> None:
    started(newcomer, pipeline, alone=True)
    folder = newcomer.folder.parent / "bin"
    folder.mkdir()
    for needed in ("git", "sh"):
        found = shutil.which(needed)
        assert found
        (folder / needed).symlink_to(found)
    ran = newcomer.with_env(PATH=str(folder))("provision", "--env", "staging")
    assert "pulumi" in advised(ran)


def release(folder: Path, environments: list[str]) -> None:
    ledger = Ledger(open_store(str(folder / ".shipit" / "ledger"), folder))
    made = make_release("r1", tuple(environments))
    ledger.put_release(made)
    ledger.commit(lambda _: [ReleaseCreated(release=summarize(made))])
