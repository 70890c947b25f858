"""What a deployment says and keeps holds no value that came from outside of the release."""

import pytest

from shipit.delivery.deploy import deploy
from shipit.delivery.planning import plan
from shipit.delivery.request import Request
from shipit.errors import RolledBackError
from shipit.model import codec
from shipit.model.progress import Reason
from tests.fakes.project import FakeProject, fails, run

SECRET = "hunter2-in-the-environment"


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a CI job has them: in variables of every kind that a shipit reads or passes on."""
    for name in ("AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "DB_PASSWORD", "DOCKER_AUTH_CONFIG"):
        monkeypatch.setenv(name, SECRET)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_RUN_ID", "7")


def test_the_ledger_a_plan_and_progress_hold_no_secret(project: FakeProject) -> None:
    project.release("a", before=("migrate",))
    run(deploy(project, Request("dev")))
    b = project.release("b")
    saved = codec.encode(plan(project, Request("dev")).saved).decode()
    project.target().failures[str(b.digest)] = (Reason("web", "is sick"),)
    said, error = fails(deploy(project, Request("dev")), RolledBackError)
    kept = [
        (project.store.get(f"{folder}/{name}") or b"").decode()
        for folder in ("log", "state", "releases", "heartbeats")
        for name in project.store.list(folder)
    ]
    assert len(kept) > 5
    told = [codec.encode(p).decode() for p in said]
    for text in (*kept, saved, *told, str(error)):
        assert SECRET not in text
