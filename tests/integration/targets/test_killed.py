"""A shipit that is killed while Compose works: the next one finds what there is and goes on."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from shipit.errors import PreconditionError
from shipit.model import codec
from shipit.model.deployment import Action
from shipit.model.progress import Succeeded
from shipit.targets.docker.target import DockerEngine
from tests.fakes.engine import Shop, deploy, docker, wait_for, web

pytestmark = pytest.mark.engine

# Applies, says so, and waits for its end.
_DEPLOY = """
import pathlib, sys, time
from shipit.model import codec
from shipit.model.deployment import Desired
from shipit.model.pipeline import DockerTarget
from shipit.targets.docker.target import DockerEngine
desired = codec.decode(pathlib.Path(sys.argv[1]).read_bytes(), Desired)
target = DockerEngine("default", DockerTarget(), "dev", desired.app, sys.argv[2])
target.apply(target.plan(desired, target.observe()))
print("applied", flush=True)
time.sleep(1000)
"""


def test_the_next_one_waits_for_what_was_left_and_finishes(
    shop: Shop, engine: Callable[..., DockerEngine], tmp_path: Path
) -> None:
    # Compose waits for db, which is healthy only once it is told to be.
    db = web(command=["sh", "-c", "exec sleep 1000"])
    db["healthcheck"]["test"] = ["CMD", "/bin/busybox", "test", "-e", "/go"]
    db["healthcheck"]["retries"] = 1000
    needs = {"db": {"condition": "service_healthy", "required": True}}
    desired = shop.desired({"db": db, "web": web(depends_on=needs)})
    (tmp_path / "desired.json").write_bytes(codec.encode(desired))
    words = [sys.executable, "-c", _DEPLOY, str(tmp_path / "desired.json"), str(tmp_path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == b"applied\n"
        name = f"{shop.project}-db-1"
        wait_for(lambda: name in docker("ps", "--format", "{{.Names}}").split())
        with pytest.raises(PreconditionError, match="another shipit is bringing dev up"):
            apply_again(engine(), shop)
        first.send_signal(signal.SIGKILL)
    docker("exec", name, "/bin/busybox", "touch", "/go")
    # Compose may have gone on for a while without its shipit: its end is waited for.
    plan, _, outcome = deploy(engine(), desired)
    assert next(c for c in plan.changes if c.service == "db").action is Action.KEEP
    assert outcome == Succeeded(dict.fromkeys(("db", "web"), shop.images["1"].digest))


def apply_again(target: DockerEngine, shop: Shop) -> None:
    target.apply(target.plan(shop.desired({"web": web()}), target.observe()))
