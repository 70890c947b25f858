"""The simulated ECS: a server, its clock, and what tests may do to it."""

import threading
import traceback
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from copy import deepcopy
from functools import cache
from time import monotonic
from types import TracebackType
from typing import Any, NamedTuple

from tests.fakes.ecs import shapes
from tests.fakes.ecs.behaviour import Behaviour
from tests.fakes.ecs.clock import Clock
from tests.fakes.ecs.errors import EcsError, invalid
from tests.fakes.ecs.faults import THROTTLED, Faults, Refusal
from tests.fakes.ecs.operations import OPERATIONS
from tests.fakes.ecs.wire import Wire
from tests.fakes.ecs.world import Cluster, Json, Timings, World

CREDENTIALS = {"aws_access_key_id": "AKIAIOSFODNN7EXAMPLE", "aws_secret_access_key": "example"}


class Request(NamedTuple):
    """`at`: simulated seconds since the epoch; `real`: time.monotonic(). `error`: its code."""

    operation: str
    parameters: Json
    at: float
    real: float
    error: str = ""


class SimulatedEcs:
    """One account in one region, on a loopback port.

        with SimulatedEcs(clusters=["prod"]) as sim:
            sim.images["repo@sha256:…"] = runs()
            ecs = sim.client()                    # or AWS_ENDPOINT_URL_ECS=sim.endpoint
            ecs.create_service(…)
            sim.clock.advance(60)

    `pace`: seconds that every Describe call moves the clock. `requests`: what reached the wire,
    refused or not. `images`: an image that is not in it cannot be pulled. What is wrong in the
    simulation itself fails the test when the `with` ends.
    """

    def __init__(
        self,
        *,
        clusters: Sequence[str] = ("default",),
        region: str = "eu-west-1",
        pace: float = 0,
        timings: Timings | None = None,
    ) -> None:
        self.world = World(region=region, timings=timings or Timings())
        self.pace = pace
        self.faults = Faults()
        self.requests: list[Request] = []
        self.bugs: list[str] = []
        self._lock = threading.RLock()
        self.clock = Clock(self.world, self._lock)
        self._once_written: list[tuple[float, Callable[[], object]]] = []
        self._clients = ExitStack()
        self._wire = Wire(self._answer)
        for name in clusters:
            self.world.clusters[name] = Cluster(name, self.world.arn("cluster", name))

    def __enter__(self) -> "SimulatedEcs":
        self._wire.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._clients.close()
        self._wire.stop()
        if self.bugs and error is None:
            raise AssertionError("the simulation is wrong:\n" + "\n".join(self.bugs))

    @property
    def endpoint(self) -> str:
        return self._wire.endpoint

    @property
    def images(self) -> dict[str, Behaviour]:
        return self.world.images

    def client(self, **config: Any) -> Any:
        """boto3's client, which tries once unless `config` (botocore's) says otherwise."""
        from botocore.config import Config

        settings = {"retries": {"total_max_attempts": 1}, "connect_timeout": 5, "read_timeout": 30}
        client = _session().client(
            "ecs",
            region_name=self.world.region,
            endpoint_url=self.endpoint,
            config=Config(**settings | config),
        )
        self._clients.callback(client.close)
        return client

    def asked(self, operation: str) -> list[Json]:
        """The parameters of every request of an operation, refused ones left out."""
        return [r.parameters for r in self.requests if r.operation == operation and not r.error]

    def call(self, operation: str, **request: Any) -> Json:
        """What somebody else does: not on the wire, not in `requests`, never refused."""
        with self._lock:
            _check(operation, request)
            return deepcopy(OPERATIONS[operation](self.world, request))

    def throttle(self, times: int = 1, *, operations: Collection[str] = ()) -> None:
        self.faults.refusals.append(Refusal(THROTTLED, times, operations))

    def throttle_share(self, share: float) -> None:
        """So large a part of all calls (0.3) from now on, by chance, the same in every run."""
        self.faults.share = share

    def refuse(
        self, operation: str, code: str, message: str, *, times: int = 1, status: int = 400
    ) -> None:
        error = EcsError(code, message, status)
        self.faults.refusals.append(Refusal(error, times, (operation,)))

    def lose_answer(self, operation: str, *, times: int = 1) -> None:
        """It is done, and the connection breaks before the answer."""
        self.faults.refusals.append(Refusal(None, times, (operation,), obeyed=True))

    def stale(self, seconds: float, *, flapping: bool = False) -> None:
        """After a write, reads see the state from before it for so long (every second read
        only, when `flapping`)."""
        self.faults.stale_seconds, self.faults.flapping = seconds, flapping

    def capacity(self, cluster: str, tasks: int | None) -> None:
        """Room for so many tasks; None: for any number."""
        with self._lock:
            self.world.clusters[cluster].room = tasks

    def alarm(self, name: str, *, rings: bool = True) -> None:
        """A CloudWatch alarm's state, as the deployment's alarms see it."""
        with self._lock:
            (self.world.alarms.add if rings else self.world.alarms.discard)(name)

    def once_written(self, seconds: float, action: Callable[[], object]) -> None:
        """`action`, so many seconds after the next CreateService or UpdateService on the wire."""
        self._once_written.append((seconds, action))

    def _answer(self, operation: str, request: Json) -> Json | None:
        with self._lock:
            if self.pace and operation.startswith("Describe"):
                self.clock.advance(self.pace)
            note = Request(operation, request, self.world.now, monotonic())
            try:
                answer = self._obey(operation, request)
            except EcsError as error:
                self.requests.append(note._replace(error=error.code))
                raise
            self.requests.append(note if answer is not None else note._replace(error="hung up"))
            return answer

    def _obey(self, operation: str, request: Json) -> Json | None:
        refusal = self.faults.refusal(operation)
        if refusal is not None and not refusal.obeyed:
            if refusal.error is not None:
                raise refusal.error
            return None
        _check(operation, request)
        answer = self._carry_out(operation, request)
        if operation in ("CreateService", "UpdateService"):
            for seconds, action in self._once_written:
                self.clock.at(seconds, action)
            self._once_written.clear()
        return answer if refusal is None else None

    def _carry_out(self, operation: str, request: Json) -> Json:
        self.faults.before(operation, self.world)
        world = self.faults.seen_by(operation, self.world)
        try:
            answer = deepcopy(OPERATIONS[operation](world, deepcopy(request)))
        except EcsError:
            raise
        except Exception as error:
            raise self._bug(operation, traceback.format_exc()) from error
        wrong = shapes.wrong_answer(operation, answer)
        if wrong:
            raise self._bug(operation, wrong)
        return answer

    def _bug(self, operation: str, why: str) -> EcsError:
        self.bugs.append(f"{operation}: {why}")
        return EcsError("SimulationIsWrong", f"{operation}: {why}")


@cache
def _session() -> Any:
    """One for all: it keeps the API's model, which takes a while to read."""
    import boto3

    return boto3.session.Session(**CREDENTIALS)


def _check(operation: str, request: Json) -> None:
    if operation not in OPERATIONS:
        raise EcsError("UnsupportedFeatureException", f"{operation} is not simulated.")
    wrong = shapes.wrong_request(operation, request)
    if wrong:
        raise invalid(wrong)
