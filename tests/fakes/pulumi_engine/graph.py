"""The resources that a Pulumi program would make, by the SDK's own mocks: no engine, no cloud.

`python -m tests.fakes.pulumi_engine.graph` writes the snapshots of the reference pipelines anew.
"""

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pulumi
import yaml
from pulumi.runtime import mocks, set_mocks

from tests.fakes.pulumi_engine.known import answer, computed

ROOT = Path(__file__).parents[3]
SNAPSHOTS = ROOT / "tests" / "unit" / "stacks" / "snapshots"
PIPELINES = ROOT / "pipelines"


class Resource(msgspec.Struct, frozen=True):
    type: str
    name: str
    inputs: dict[str, Any]
    protect: bool = False
    parent: str = ""
    ignored: tuple[str, ...] = ()  # properties of which a change is left as it is


class Graph(msgspec.Struct):
    """In the order of their names; components and providers included."""

    resources: list[Resource] = []
    outputs: dict[str, Any] = {}

    def of(self, kind: str) -> list[Resource]:
        return [r for r in self.resources if r.type == kind]

    def one(self, kind: str) -> Resource:
        (found,) = self.of(kind)
        return found

    def text(self) -> str:
        """For a snapshot: what a reviewer reads."""
        made = msgspec.to_builtins(self)
        for resource in made["resources"]:
            if not resource["ignored"]:
                del resource["ignored"]
        return json.dumps(made, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


class _Cloud(mocks.Mocks):
    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        made = f"{args.name}-id"
        if not args.custom or args.typ.startswith("pulumi:"):
            return made, args.inputs
        return made, {**args.inputs, **computed(args.typ, args.name, made, args.inputs)}

    def call(self, args: mocks.MockCallArgs) -> Any:
        return answer(args.token, args.args) or {}, []


class _Monitor(mocks.MockMonitor):
    """Remembers what the mocks are not told: protection, and what is ignored."""

    def __init__(self) -> None:
        super().__init__(_Cloud())
        self.made: list[Resource] = []

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - the protocol's name
        answered = super().RegisterResource(request)  # type: ignore[no-untyped-call]
        if request.type != "pulumi:pulumi:Stack":
            inputs = _plain(dict(request.object))
            root = "::pulumi:pulumi:Stack::" in request.parent
            parent = "" if root else request.parent.rpartition("::")[2]
            ignored = tuple(request.ignoreChanges)
            self.made.append(
                Resource(request.type, request.name, inputs, request.protect, parent, ignored)
            )
        return answered


def _plain(value: Any) -> Any:
    from google.protobuf import json_format, struct_pb2

    if isinstance(value, struct_pb2.Struct | struct_pb2.ListValue):
        return json_format.MessageToDict(value)
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return value


@contextmanager
def program(folder: str) -> Iterator[None]:
    """stacks/ or infra/ on the path, and its modules forgotten afterwards."""
    sys.path.insert(0, str(ROOT / folder))
    try:
        yield
    finally:
        sys.path.remove(str(ROOT / folder))


def of_environment(shipit_yaml: Path, environment: str) -> Graph:
    """What stacks/ makes for it."""
    with program("stacks"):
        settings = importlib.import_module("foundation.settings")
        found = settings.load(environment, shipit_yaml.parent)
        build = importlib.import_module(f"foundation.{found.kind}").build
        return _recorded(lambda: build(found), environment)


def of_settings(
    folder: Path,
    stack: str,
    beside: str = "",
    *,
    app: str = "shop",
    environment: str = "qa",
    own: str = "deadline: 5m",
    later: str = "",
) -> Graph:
    """What stacks/ makes for an environment with these settings of its stack. It is the last one
    but for `later`; `own` are settings beside its stack, `beside` those of the pipeline."""
    path = folder / "shipit.yaml"
    path.write_text(
        f"app: {app}\n{beside}\nenvironments:\n  dev: {{target: {{docker: {{}}}}}}\n"
        f"  {environment}: {{after: dev, target: {{docker: {{}}}}, {own}, stack: {{{stack}}}}}\n"
        + (f"  {later}: {{after: {environment}, target: {{docker: {{}}}}}}\n" if later else "")
    )
    return of_environment(path, environment)


def of_account(shipit_yaml: Path) -> Graph:
    """What infra/ makes."""
    with program("infra"):
        found = importlib.import_module("account.settings").load(shipit_yaml.parent)
        parts = [
            (importlib.import_module(f"account.{cloud}").build, getattr(found, cloud))
            for cloud in ("aws", "gcp")
            if getattr(found, cloud)
        ]
        return _recorded(
            lambda: {k: v for build, part in parts for k, v in build(found, part).items()},
            "account",
        )


def _recorded(build: Callable[[], dict[str, Any]], stack: str) -> Graph:
    monitor = _Monitor()
    set_mocks(_Cloud(), project="shop", stack=stack, preview=False, monitor=monitor)
    outputs: dict[str, Any] = {}

    @pulumi.runtime.test  # type: ignore[untyped-decorator]
    def run() -> Any:
        return pulumi.Output.from_input(build()).apply(outputs.update)

    run()
    return Graph(sorted(monitor.made, key=lambda r: (r.type, r.name)), outputs)


def references() -> Iterator[tuple[str, str]]:
    """(pipeline, environment) of every reference pipeline's environments that have a stack."""
    for path in sorted(PIPELINES.glob("*.yaml")):
        for name, environment in yaml.safe_load(path.read_text())["environments"].items():
            if environment.get("stack"):
                yield path.stem, name


def prepared(pipeline: str, folder: Path, app: str = "shop") -> Path:
    """The reference pipeline as `shipit init` leaves it in a folder."""
    path = folder / "shipit.yaml"
    path.write_text((PIPELINES / f"{pipeline}.yaml").read_text().replace("APP", app))
    return path


def snapshot(pipeline: str, environment: str) -> Path:
    return SNAPSHOTS / f"{pipeline}-{environment}.json"


if __name__ == "__main__":
    from tempfile import TemporaryDirectory

    SNAPSHOTS.mkdir(exist_ok=True)
    for reference, stack in references():
        with TemporaryDirectory() as made:
            graph = of_environment(prepared(reference, Path(made)), stack)
        snapshot(reference, stack).write_text(graph.text())
