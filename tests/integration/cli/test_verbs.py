"""The container verbs, the gates and saved plans, as a person types them, on the real engine."""

import json
import subprocess
import threading
from typing import Any

import pytest

from tests.fakes.command import Shipit, refused
from tests.fakes.shop import Shop

pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("shop")]
E = ("--env", "dev")


def states(shipit: Shipit, key: str = "state") -> dict[str, str]:
    """By service, out of `ps`."""
    return {row["service"]: row[key] for row in shipit.ok("ps", *E, "--json").json}


def followed(shop: Shop, *words: str) -> list[str]:
    """What `logs -f` shows until each of `words` was in it; then it is interrupted."""
    process = shop.shipit.start("logs", *E, "--follow", "worker")
    late = threading.Timer(30, process.kill)
    late.start()
    seen: list[str] = []
    wanted = set(words)
    try:
        assert process.stdout is not None
        for line in process.stdout:
            seen.append(line)
            wanted -= {word for word in wanted if word in line}
            if not wanted:
                break
        process.terminate()
        process.communicate(timeout=20)
    finally:
        late.cancel()
    assert not wanted, "".join(seen)
    return seen


def test_containers_as_people_know_them_from_docker(shop: Shop) -> None:
    release = shop.deployed()
    shipit = shop.shipit
    assert states(shipit) == {"web": "running", "worker": "running"}
    assert states(shipit, "health") == {"web": "healthy", "worker": "healthy"}
    table = shipit.ok("ps", *E).out
    assert f"{shop.app}-dev-web-1" in table
    assert f"   {states(shipit, 'digest')['web'][7:19]}   " in table
    assert " ago" in table
    assert f"127.0.0.1:{shop.ports['dev']}->8080/tcp" in table

    said = shipit.ok("logs", *E, "--tail", "1", "web").out
    assert said.startswith(f"{shop.app}-dev-web-1 | ")
    assert len(said.splitlines()) == 1
    line = json.loads(shipit.ok("logs", *E, "--tail", "1", "worker", "--json").out)
    assert line["container"] == f"{shop.app}-dev-worker-1"
    assert "took order" in line["line"] or "one order every" in line["line"]
    followed(shop, "one order every", "took order 2")

    exec_and_run(shop)
    stop_and_start(shop)
    verified = shipit.ok("verify", *E, "--json").json
    assert (verified["healthy"], verified["release_id"]) == (True, release)
    gone(shop)


def exec_and_run(shop: Shop) -> None:
    shipit = shop.shipit
    ran = shipit("exec", *E, "web", "sh", "-c", 'echo "$SHOP_ENVIRONMENT"; exit 7')
    assert (ran.code, ran.out) == (7, "dev\n")
    assert shipit("exec", *E, "web", "--", "true").code == 0
    ran = shipit("exec", *E, "web", "cat", stdin="typed\n")
    assert (ran.code, ran.out) == (0, "typed\n")
    text = refused(shipit("exec", *E, "wbe", "true"), "'wbe'", "did you mean web?")
    assert "Traceback" not in text
    before = shop.containers()
    ran = shipit("run", *E, "worker", "sh", "-c", 'echo "$SHOP_LOG_LEVEL"; exit 9')
    assert (ran.code, ran.out.strip()) == (9, "debug")
    # The service's own command: the migration, again.
    assert "schema 3 is up to date" in shipit.ok("run", *E, "migrate").out
    assert shop.containers() == before
    refused(shipit("run", *E, "nope"), "no service is called 'nope'", "migrate, web, worker")


def stop_and_start(shop: Shop) -> None:
    shipit = shop.shipit
    there = set(shop.containers())
    assert shipit.ok("stop", *E, "worker", "--reason", "a look", "--json").json == {
        "stopped": ["worker"]
    }
    assert states(shipit) == {"web": "running", "worker": "exited"}
    (dev, *_) = shipit.ok("status", "--json").json["environments"]
    assert (dev["health"], dev["detail"]) == ("unhealthy", "a look")
    refused(shipit("exec", *E, "worker", "true"), "worker does not run")
    started = shipit.ok("start", *E)
    assert "`shipit verify --env dev` proves it" in started.err
    assert states(shipit) == {"web": "running", "worker": "running"}
    assert set(shop.containers()) == there


def gone(shop: Shop) -> None:
    shipit = shop.shipit
    before = shop.containers()
    refused(shipit("rm", *E), "dev is not removed without a word from you", "--yes")
    assert shop.containers() == before
    removed = shipit.ok("rm", *E, "--volumes", "--yes", "--json").json["removed"]
    assert f"{shop.app}-dev-web-1" in removed
    assert f"{shop.app}-dev_orders" in removed
    assert shop.containers() == {}
    assert shipit.ok("ps", *E, "--json").json == []
    assert shipit.ok("ps", *E).err == "nothing runs in dev\n"
    assert len(shipit.ok("history", *E, "--json").json) == 1


def test_gates_holds_and_plans(shop: Shop) -> None:
    shop.replace("shipit.yaml", "    after: dev\n", "    after: dev\n    gates: {approvals: 2}\n")
    shop.commit("two approvals")
    release = shop.deployed()
    approvals(shop, release)
    shop.replace("compose.dev.yaml", "Hello, developer", "Good morning")
    newer = shop.commit("another greeting")
    shop.build()
    holds(shop, newer)
    plans(shop, release, newer)


def approvals(shop: Shop, release: str) -> None:
    shipit = shop.shipit
    before = shop.containers()
    refused(shipit("promote", "qa"), f"{release} may not enter qa", "approv", code=3)
    assert shop.containers() == before
    assert shop.state("qa").current is None
    bob, eve = shipit.with_env(SHIPIT_ACTOR="bob"), shipit.with_env(SHIPIT_ACTOR="eve")
    bob.ok("approve", release, "--env", "qa")
    bob.ok("approve", release, "--env", "qa")  # a person counts once
    refused(shipit("promote", "qa"), "may not enter qa", code=3)
    assert verdicts(shop)["approvals"] == "held"
    eve.ok("reject", release, "--env", "qa", "--comment", "the colours")
    refused(shipit("promote", "qa"), "eve", code=3)
    eve.ok("approve", release, "--env", "qa", "--comment", "better")
    assert set(verdicts(shop).values()) == {"allowed"}
    assert shipit.ok("promote", "qa", "--json").result["release_id"] == release


def verdicts(shop: Shop) -> dict[str, str]:
    found = shop.shipit.ok("explain", "--env", "qa", "--json").json
    return {v["gate"]: "held" if "reason" in v else "allowed" for v in found["verdicts"]}


def holds(shop: Shop, newer: str) -> None:
    """What runs already may be brought up again; nothing new comes in."""
    shipit = shop.shipit
    assert shipit.ok("freeze", "dev", "--reason", "the fair", "--json").json == {"held": ["dev"]}
    before = shop.containers()
    ran = shipit("deploy", *E, "--json")
    refused(ran, f"{newer} may not enter dev", "the fair", "`shipit unfreeze dev`", code=3)
    assert ran.result["kind"] == "Held"
    assert shop.containers() == before
    shipit.ok("deploy", *E, "--release", shop.running("dev"))
    assert "the fair" in shipit.ok("status").out
    assert shipit.ok("unfreeze", "--json").json == {"lifted": ["dev"]}


def plans(shop: Shop, release: str, newer: str) -> None:
    """Exactly what was shown is applied, or nothing."""
    shipit = shop.shipit
    there = shop.containers()
    shown = shipit.ok("plan", *E, "-o", "dev.plan")
    assert "update" in shown.out
    assert "Good morning" in shown.out or "environment" in shown.out
    assert shop.containers() == there
    saved: dict[str, Any] = json.loads((shop.folder / "dev.plan").read_bytes())
    assert saved["release_id"] == newer
    result = shipit.ok("deploy", "--plan", "dev.plan", "--json").result
    assert (result["release_id"], result["changed"]) == (newer, True)
    assert "SHOP_GREETING=Good morning" in shop.inspect("dev", "web")["Config"]["Env"]
    # The plan was for what ran before.
    record, there = shop.record(), shop.containers()
    refused(shipit("deploy", "--plan", "dev.plan"), "the plan does not hold any more", "plan again")
    assert (shop.record(), shop.containers()) == (record, there)
    back = shipit.ok("rollback", *E, "--json").result
    assert (back["release_id"], back["kind"]) == (release, "rollback")
    refused(shipit("deploy", *E), "may not enter dev", "unfreeze", code=3)
    assert "SHOP_GREETING=Hello, developer" in shop.inspect("dev", "web")["Config"]["Env"]


def test_engines_by_address_and_by_context(shop: Shop) -> None:
    """The same engine under other names: DOCKER_HOST, the current context, one of shipit.yaml."""
    alias = shop.folder.parent / "engine.sock"
    alias.symlink_to("/var/run/docker.sock")
    by_host = shop.shipit.with_env(DOCKER_HOST=f"unix://{alias}")
    release = by_host.ok("pipeline", "--to", "dev", "--json").result["release_id"]
    found = by_host.ok("check", *E, "--json").json
    assert f"unix://{alias} (DOCKER_HOST)" in next(
        f["what"] for f in found if "engine" in f["subject"]
    )

    settings = shop.folder.parent / "docker"
    create = ["docker", "--config", str(settings), "context", "create", "elsewhere"]
    create += ["--docker", f"host=unix://{alias}"]
    subprocess.run(create, check=True, capture_output=True)
    shop.replace("shipit.yaml", "docker: {}", "docker: {context: elsewhere}")
    by_context = shop.shipit.with_env(DOCKER_CONFIG=str(settings), DOCKER_HOST="unix:///nowhere")
    result = by_context.ok("deploy", *E, "--release", release, "--json").result
    assert (result["release_id"], result["changed"]) == (release, False)
    assert by_context("exec", *E, "web", "true").code == 0
    unknown = by_context.with_env(DOCKER_CONFIG=str(shop.folder))
    refused(unknown("deploy", *E), "there is no Docker context named elsewhere")
