"""How a service stands in its deployment, from one description of it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shipit.targets.ecs.standing import End, stand

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
OURS = "ecs-svc/2"
FAILED = f"(service web) (deployment {OURS}) deployment failed: tasks failed to start."


def deployment(name: str, rollout: str, *, at: float = 0, **more: Any) -> dict[str, Any]:
    made = {
        "id": name,
        "status": "PRIMARY",
        "rolloutState": rollout,
        "createdAt": NOON + timedelta(seconds=at),
        "taskDefinition": f"arn:aws:ecs:eu-west-1:1:task-definition/web:{name[-1]}",
        "desiredCount": 2,
        "runningCount": 2,
    }
    return made | more


def service(*deployments: dict[str, Any], events: tuple[str, ...] = ()) -> dict[str, Any]:
    told = [{"id": str(n), "message": m, "createdAt": NOON} for n, m in enumerate(events)]
    return {"status": "ACTIVE", "deployments": list(deployments), "events": told}


BACK = "ECS deployment circuit breaker: rolling back to deploymentId ecs-svc/1."
OLD = deployment("ecs-svc/1", "COMPLETED", at=-100)
CASES = [
    ("not there yet", None, End.MISSING),
    ("deleted meanwhile", {"status": "DRAINING"}, End.FAILED),
    (
        "under way",
        service(deployment(OURS, "IN_PROGRESS"), OLD | {"status": "ACTIVE"}),
        End.WAITING,
    ),
    (
        "running equals desired and is not COMPLETED",
        service(deployment(OURS, "IN_PROGRESS")),
        End.WAITING,
    ),
    ("COMPLETED", service(deployment(OURS, "COMPLETED")), End.COMPLETED),
    (
        "COMPLETED and short of tasks",
        service(deployment(OURS, "COMPLETED", runningCount=1)),
        End.WAITING,
    ),
    ("given up", service(deployment(OURS, "FAILED"), OLD | {"status": "ACTIVE"}), End.FAILED),
    ("an old answer: stable on what ran before", service(OLD), End.WAITING),
    (
        "gone back to the deployment there was, with its id and time",
        service(OLD, events=(FAILED,)),
        End.ROLLED_BACK,
    ),
    (
        "a way back in place of ours",
        service(deployment("ecs-svc/3", "IN_PROGRESS", at=5, rolloutStateReason=BACK)),
        End.ROLLED_BACK,
    ),
    (
        "an old answer in which an earlier way back is under way",
        service(deployment("ecs-svc/1", "IN_PROGRESS", at=-9, rolloutStateReason=BACK)),
        End.WAITING,
    ),
    (
        "ours failed beside a way back",
        service(
            deployment("ecs-svc/3", "IN_PROGRESS", at=5),
            deployment(OURS, "FAILED", status="DRAINING"),
        ),
        End.ROLLED_BACK,
    ),
    (
        "somebody else's beside ours",
        service(
            deployment("ecs-svc/3", "IN_PROGRESS", at=5),
            deployment(OURS, "IN_PROGRESS", status="DRAINING"),
        ),
        End.SUPERSEDED,
    ),
    (
        "somebody else's in place of ours",
        service(deployment("ecs-svc/3", "COMPLETED", at=5)),
        End.SUPERSEDED,
    ),
]


@pytest.mark.parametrize(("seen", "end"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_how_it_stands(seen: dict[str, Any] | None, end: End) -> None:
    assert stand(seen, OURS, NOON).end is end


def test_superseded_names_the_other_deployment() -> None:
    seen = service(deployment("ecs-svc/3", "COMPLETED", at=5))
    assert stand(seen, OURS, NOON).words == "ecs-svc/3 (web:3)"


def test_rolled_back_says_why() -> None:
    words = stand(service(OLD, events=(FAILED,)), OURS, NOON).words
    assert words == "ECS rolled it back: tasks failed to start."
