"""The reference pipelines are planned: their stacks' outputs as the stacks give them, their targets
as fakes that speak the real protocols."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from shipit.config import file
from shipit.delivery.planning import plan
from shipit.delivery.project import Project
from shipit.delivery.request import Request
from shipit.ledger import Ledger
from shipit.ledger.store import open_store
from shipit.model.deployment import Action
from shipit.model.events import ReleaseCreated, StackProvisioned
from shipit.model.release import summarize
from shipit.policy.verdict import Held
from tests.fakes.around import Around
from tests.fakes.ecs import SimulatedEcs
from tests.fakes.moto import CREDENTIALS
from tests.fakes.project import make_release
from tests.fakes.pulumi_engine.graph import of_environment, prepared


@pytest.fixture
def amazon(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedEcs]:
    names = [f"shop-{name}" for name in ("staging", "production")]
    with SimulatedEcs(clusters=[*names, "prod"]) as sim, Around() as around:
        for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": around.endpoint}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_ENDPOINT_URL_ECS", sim.endpoint)
        yield sim


def provisioned(pipeline: str, environment: str, folder: Path) -> Project:
    """A release on record, and the outputs that the environment's stack gives."""
    path = prepared(pipeline, folder)
    project = Project(file.load(path))
    project.ledger = Ledger(open_store("memory://", folder))
    made = make_release("r1", tuple(project.pipeline.environments))
    sized = {
        name: {
            **rendered,
            "services": {
                n: {**s, "mem_limit": "268435456"} for n, s in rendered["services"].items()
            },
        }
        for name, rendered in made.environments.items()
    }
    made = msgspec.structs.replace(made, environments=sized, registry=project.pipeline.registry)
    project.ledger.put_release(made)
    outputs = of_environment(path, environment).outputs
    project.ledger.commit(
        lambda _: [
            ReleaseCreated(release=summarize(made)),
            StackProvisioned(stack=environment, environment=environment, outputs=outputs),
        ]
    )
    return project


@pytest.mark.parametrize("pipeline", ["ecs-fargate", "ecs-ec2"])
@pytest.mark.parametrize("environment", ["staging", "production"])
def test_ecs(pipeline: str, environment: str, amazon: SimulatedEcs, tmp_path: Path) -> None:
    project = provisioned(pipeline, environment, tmp_path)
    planned = plan(project, Request(environment, release="r1"))
    (made,) = planned.saved.plans.values()
    assert [(c.service, c.action) for c in made.changes] == [("web", Action.CREATE)]
    assert made.changes[0].image.rpartition("@")[2].startswith("sha256:")
    assert any(isinstance(v, Held) for v in planned.verdicts), "nothing runs upstream"
