"""ECS: how late a success is told, against boto3's waiter; fifty targets at once against one.

On the simulated ECS, whose clock runs faster than this machine's: times are simulated seconds. A
poll interval is 2 s with 10 % of jitter; the waiter looks every 15 s, as boto3 has it. Each is
measured from what it waits for: ours from COMPLETED, `services_stable` from the moment at which as
many tasks run as are desired, which is earlier and proves less.
"""

import hashlib
import os
import statistics
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from msgspec.structs import replace

from bench.measure import Result
from shipit.model.deployment import Desired
from shipit.model.digest import Digest
from shipit.model.image import Image
from shipit.model.pipeline import EcsTarget
from shipit.model.progress import Succeeded
from shipit.targets.ecs.target import EcsCluster
from tests.fakes.around import Around
from tests.fakes.ecs import SimulatedEcs, runs

SPEED = 6.0  # simulated seconds in one of this machine's
RUNS, AT_ONCE = 8, 50
POLL, WAITER = 2.2, 15.0  # seconds between two looks, at most
PULL = 30.0  # seconds until a container starts, as Fargate may take
REPOSITORY = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/shop/web"
SETTINGS = EcsTarget(
    region="eu-west-1",
    cluster="prod",
    subnets=("subnet-0a1",),
    execution_role="arn:aws:iam::111122223333:role/execution",
)
KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "example",
    "AWS_EC2_METADATA_DISABLED": "true",
}


def run() -> list[Result]:
    with _account() as sim:
        late = _late(sim)
    with _account() as sim:
        alone = _together(sim, 1)
    with _account() as sim:
        together = _together(sim, AT_ONCE)
        busiest = _busiest(sim)
    ours, peer = (statistics.median(times) for times in zip(*late, strict=True))
    worst = max(mine for mine, _ in late)
    return [
        Result("ecs: told after it was so, against services_stable, s", ours, peer, ours / peer, 1),
        # The calls that prove it come on top of the interval.
        Result("ecs: COMPLETED to the end, the longest, in polls", worst, POLL, worst / POLL, 1.25),
        Result(f"ecs: {AT_ONCE} targets at once, s", together, alone, together / alone, 2),
        Result("ecs: reads of services a second, AWS's 20", busiest, 20, busiest / 20, 1),
    ]


@contextmanager
def _account() -> Iterator[SimulatedEcs]:
    """Found through the environment, as any AWS account is."""
    with SimulatedEcs(clusters=["prod"]) as sim, Around() as around, _environment(sim, around):
        sim.images[f"{REPOSITORY}@{_digest('1')}"] = runs(pull=PULL)
        for n in range(RUNS):  # no two deployments take equally long
            pull = PULL + WAITER * n / RUNS
            sim.images[f"{REPOSITORY}@{_digest(f'2.{n}')}"] = runs(pull=pull)
        with sim.clock.running(SPEED):
            yield sim


@contextmanager
def _environment(sim: SimulatedEcs, around: Around) -> Iterator[None]:
    wanted = {**KEYS, "AWS_ENDPOINT_URL": around.endpoint, "AWS_ENDPOINT_URL_ECS": sim.endpoint}
    before = dict(os.environ)
    os.environ.update(wanted)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _late(sim: SimulatedEcs) -> list[tuple[float, float]]:
    """How long each took to know, of one deployment each."""
    pairs = [(f"ours{n}", f"peer{n}") for n in range(RUNS)]
    with ThreadPoolExecutor(2 * RUNS) as pool:
        list(pool.map(lambda name: _deploy(sim, name, "1"), [name for p in pairs for name in p]))
        stable = _noting_stable(sim, [peer for _, peer in pairs])
        mine = [pool.submit(_deploy, sim, ours, f"2.{n}") for n, (ours, _) in enumerate(pairs)]
        others = [pool.submit(_stable, sim, peer, f"2.{n}") for n, (_, peer) in enumerate(pairs)]
        ends = [(m.result(), o.result()) for m, o in zip(mine, others, strict=True)]
    return [
        (end[0] - _completed(sim, ours), end[1] - stable[peer])
        for end, (ours, peer) in zip(ends, pairs, strict=True)
    ]


def _noting_stable(sim: SimulatedEcs, names: Sequence[str]) -> dict[str, float]:
    """When each was last found to have one deployment, and all of its tasks running."""
    since: dict[str, float] = {}

    def note(_: Any) -> None:
        for name in names:
            service = sim.world.services["prod", f"{name}-web"]
            running = sum(t.last == "RUNNING" for t in sim.world.tasks_of(service))
            if len(service.deployments) == 1 and running == service.desired:
                since.setdefault(name, sim.world.now)
            else:
                since.pop(name, None)

    sim.clock.listeners.append(note)
    return since


def _completed(sim: SimulatedEcs, name: str) -> float:
    return sim.world.services["prod", f"{name}-web"].primary.updated


def _deploy(sim: SimulatedEcs, name: str, version: str) -> float:
    """When it was proven."""
    target = EcsCluster(name, _settings(name), name, "shop", "/", clock=_clock(sim), pause=_wait)
    plan = target.plan(_desired(name, version), target.observe())
    *_, outcome = target.follow(target.apply(plan))
    if outcome != Succeeded({"web": _digest(version)}):
        raise AssertionError(f"{name}: {outcome}")
    return sim.world.now


def _stable(sim: SimulatedEcs, name: str, version: str) -> float:
    """The same deployment, waited for by boto3."""
    ecs = sim.client()
    service = f"{name}-web"
    found = ecs.describe_services(cluster="prod", services=[service])["services"][0]
    body = ecs.describe_task_definition(taskDefinition=found["taskDefinition"])["taskDefinition"]
    kept = ("family", "networkMode", "cpu", "memory", "executionRoleArn", "containerDefinitions")
    definition: dict[str, Any] = {k: body[k] for k in kept}
    definition["requiresCompatibilities"] = ["FARGATE"]
    definition["containerDefinitions"][0]["image"] = f"{REPOSITORY}@{_digest(version)}"
    made = ecs.register_task_definition(**definition)["taskDefinition"]["taskDefinitionArn"]
    ecs.update_service(cluster="prod", service=service, taskDefinition=made)
    waiter = ecs.get_waiter("services_stable")
    pace = {"Delay": WAITER / SPEED, "MaxAttempts": 60}
    waiter.wait(cluster="prod", services=[service], WaiterConfig=pace)
    return sim.world.now


def _together(sim: SimulatedEcs, count: int) -> float:
    """So many environments, each with a service of its own, in one cluster of one account."""
    began = sim.world.now
    with ThreadPoolExecutor(count) as pool:
        ends = list(pool.map(lambda n: _deploy(sim, f"e{n:02}", "1"), range(count)))
    return max(ends) - began


def _busiest(sim: SimulatedEcs) -> float:
    """Of DescribeServices and ListServices, which polling asks for: over ten seconds."""
    asked = [r.at for r in sim.requests if r.operation in ("DescribeServices", "ListServices")]
    return max(Counter(int(at // 10) for at in asked).values()) / 10


def _settings(name: str) -> EcsTarget:
    return replace(SETTINGS, prefix=name)


def _desired(name: str, version: str) -> Desired:
    image = Image(REPOSITORY, _digest(version))
    port = {"target": 8080, "protocol": "tcp"}
    return Desired(
        app="shop",
        environment=name,
        release=Digest.of(version.encode()),
        release_id=f"r{version}",
        project={"name": name, "services": {"web": {"image": image.reference, "ports": [port]}}},
        images={"web": image},
        services=("web",),
        deadline=1800,
    )


def _digest(version: str) -> Digest:
    return Digest(f"sha256:{hashlib.sha256(version.encode()).hexdigest()}")


_clocks: dict[int, Any] = {}


def _clock(sim: SimulatedEcs) -> Any:
    """One for all targets, as a process has."""
    return _clocks.setdefault(id(sim), lambda: sim.world.now)


def _wait(seconds: float) -> None:
    time.sleep(seconds / SPEED)
