"""promote.yml with the real shipit: its jobs on machines of their own, one registry, one ledger.

How GitHub's part of it is played is in tests/fakes/actions.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.actions.runner import Job, Runner, pull_request, python
from tests.fakes.command import COMMAND, Shipit
from tests.fakes.debian_registry import debian_registry
from tests.fakes.engine import docker
from tests.fakes.shop import ENVIRONMENTS, Shop, opened_shop

pytestmark = [
    pytest.mark.engine,
    pytest.mark.registry,
    pytest.mark.slow,
    pytest.mark.xdist_group("shop"),
]
DEPLOYING = ("first", "second", "third", "fourth")
_SHIPIT = """\
app: {app}
registry: {registry}/{app}
ledger: {ledger}
environments:
  dev: {{target: {{docker: {{}}}}, deadline: 60s}}
  qa: {{after: dev, target: {{docker: {{}}}}, deadline: 60s}}
  staging: {{after: qa, target: {{docker: {{}}}}, deadline: 60s}}
  production: {{after: staging, target: {{docker: {{}}}}, deadline: 60s, gates: {{approvals: 1}}}}
"""
_COMPOSE = """\
services:
  web:
    build: .
    init: true
    healthcheck: {test: [CMD, /bin/busybox, "true"], interval: 200ms}
"""
_DOCKERFILE = """\
FROM scratch
COPY base/bin/busybox /bin/busybox
COPY . /src
ENTRYPOINT ["/bin/busybox", "sleep", "3600"]
"""
# Kills itself when it has the lease, the first time that it goes to qa.
_CUT_OFF = """\
#!/bin/sh
if [ "$1 $3" = "deploy qa" ] && [ ! -e {once} ]; then
    touch {once}
    exec {killed} "$PWD" qa "$5" 3
fi
exec {shipit} "$@"
"""


class Origin:
    """The user's repository, and its runs on GitHub."""

    def __init__(self, shop: Shop, registry: str, folder: Path) -> None:
        self.shop, self.folder = shop, folder
        for file in shop.folder.glob("compose.*.yaml"):
            file.unlink()
        settings = _SHIPIT.format(app=shop.app, registry=registry, ledger=folder / "ledger")
        files = {"shipit.yaml": settings, "compose.yaml": _COMPOSE, "Dockerfile": _DOCKERFILE}
        for name, text in {**files, ".gitignore": ".shipit/\n", ".dockerignore": ".git\n"}.items():
            (shop.folder / name).write_text(text)
        self.release = self.commit("1")
        self.comments = folder / "comments.json"
        self.comments.write_text("[]")
        self.runner = Runner(
            folder / "machines",
            shop.folder,
            {
                "shipit": f'#!/bin/sh\nexec {COMMAND} "$@"\n',
                "gh": python("tests.fakes.actions.gh"),
            },
            env={"GH_COMMENTS": str(self.comments)},
        )
        self.shipit = Shipit(shop.folder)

    def commit(self, version: str) -> str:
        """That version; the id of its release."""
        (self.shop.folder / "version").write_text(f"{version}\n")
        return self.shop.commit(f"version {version}")

    def running(self) -> list[str]:
        """The version that each environment's container holds, in order; "" where none is up."""
        return [self._inside(name, "cat", "/src/version") for name in ENVIRONMENTS]

    def sources(self) -> list[str]:
        """What `COPY . /src` has taken into dev's image."""
        return self._inside("dev", "ls", "-A", "/src").split()

    def planned(self) -> Job:
        """The job that plans a pull request for qa."""
        jobs = self.runner.run(event=pull_request(), inputs={"plan": '["qa"]'})
        return jobs["plan (qa)"]

    def _inside(self, environment: str, *words: str) -> str:
        label = f"label=com.docker.compose.project={self.shop.project(environment)}"
        found = docker("ps", "--quiet", "--filter", label).split()
        return docker("exec", *found, "/bin/busybox", *words).strip() if found else ""


@pytest.fixture
def origin(tmp_path: Path) -> Iterator[Origin]:
    with opened_shop(tmp_path) as shop, debian_registry(tmp_path / "registry") as registry:
        yield Origin(shop, registry, tmp_path)


def outcomes(jobs: dict[str, Job]) -> list[str]:
    return [jobs[name].outcome for name in DEPLOYING]


def well(jobs: dict[str, Job]) -> dict[str, Job]:
    assert outcomes(jobs) == ["success"] * 4, "\n".join(jobs[name].log for name in DEPLOYING)
    return jobs


def test_what_is_approved_is_what_is_shipped(origin: Origin) -> None:
    """And failure mode 30: what is approved too late does not go back behind what is newer."""
    first = origin.release
    of_first = well(origin.runner.run())
    assert origin.running() == ["1", "1", "1", ""]
    held = of_first["fourth"]
    assert f"{first} waits before production" in held.summary
    assert f"⏸ **{first} may not enter production" in held.summary
    assert f"| release | `{first}` | `{first}` | `{first}` | - |" in held.summary
    assert "::notice title=shipit::" in held.log
    assert "::error" not in held.log
    assert sorted(origin.sources()) == sorted(
        path.name for path in origin.shop.folder.iterdir() if path.name != ".git"
    )

    second = origin.commit("2")
    of_second = well(origin.runner.run())
    assert origin.running() == ["2", "2", "2", ""]

    # The first is approved while the second runs upstream.
    origin.shipit.ok("approve", first, "--env", "production")
    well(origin.runner.run(before=of_first, only=["fourth"]))
    assert origin.running()[-1] == "1"
    origin.shipit.ok("approve", second, "--env", "production")
    well(origin.runner.run(before=of_second, only=["fourth"]))
    assert origin.running()[-1] == "2"

    # And approved too late, it does not come back.
    late = well(origin.runner.run(before=of_first, only=["fourth"]))
    assert f"{first} is older than {second}" in late["fourth"].summary
    assert origin.running()[-1] == "2"
    released = origin.shipit.ok("releases", "--json").json
    assert [row["release"]["id"] for row in released] == [second, first]


def test_a_run_that_was_cut_off_goes_on_when_it_is_run_again(origin: Origin) -> None:
    """Failure mode 26, on a build server."""
    origin.runner.install("killed", python("tests.fakes.killed"))
    killed = origin.runner.programs / "killed"
    once = origin.folder / "once"
    origin.runner.install("shipit", _CUT_OFF.format(once=once, killed=killed, shipit=COMMAND))
    jobs = origin.runner.run(inputs={"third": "", "fourth": ""})
    assert outcomes(jobs) == ["success", "failure", "skipped", "skipped"], jobs["second"].log
    assert "[exit code 137]" in jobs["second"].log

    again = origin.runner.run(before=jobs, only=["second"], inputs={"third": "", "fourth": ""})
    assert again["second"].outcome == "success", again["second"].log
    assert origin.running() == ["1", "1", "", ""]
    history = origin.shipit.ok("history", "--env", "qa", "--json").json
    assert [row["outcome"] for row in history][-2:] == ["succeeded", "interrupted"]
    assert len(json.loads(origin.shipit.ok("releases", "--json").out)) == 1


@pytest.mark.skipif(not shutil.which("jq"), reason="no jq, which gh's filters are")
def test_a_pull_request_is_told_the_plan(origin: Origin) -> None:
    empty = origin.planned()
    assert empty.outcome == "success", empty.log
    (comment,) = json.loads(origin.comments.read_text())
    assert "nothing runs in dev yet, which qa comes after" in comment["body"]
    assert "::error" not in empty.log
    assert empty.summary == ""

    assert origin.runner.run(inputs={"second": ""})["first"].outcome == "success"
    job = origin.planned()
    assert job.outcome == "success", job.log
    (comment,) = json.loads(origin.comments.read_text())
    assert "+ web  create  not there yet" in comment["body"]

    (origin.shop.folder / "shipit.yaml").write_text("app: shop\nenvironments: {qa: {}}\n")
    origin.shop.commit("broken")
    broken = origin.planned()
    assert broken.outcome == "failure"
    assert "::error title=shipit::no plan for qa: shipit.yaml" in broken.log
