"""What a person sees when a deployment does not work, and what is left behind, on a real engine."""

import subprocess
import time
from typing import Any

import pytest

from tests.fakes.command import refused
from tests.fakes.shop import HEALTH, Shop

pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("shop")]
E = ("--env", "dev")


def test_an_unhealthy_release_is_undone_and_held(shop: Shop) -> None:
    shipit = shop.shipit
    good = shop.deployed()
    shop.replace("compose.yaml", HEALTH, HEALTH.replace("healthz", "nowhere"))
    bad = shop.commit("a wrong address")
    shop.build()

    ran = shipit("deploy", *E)
    message = refused(ran, f"{bad} failed in dev, which is back on {good}", code=4)
    assert "web: its health check fails: wget: server returned error: HTTP/1.1 404" in message
    assert "`shipit unfreeze dev`" in message
    # The failing container's last lines, once: busybox's httpd says what it answered.
    assert "response:404" in ran.err
    assert ran.err.count("last log lines of web:") == 1
    assert ran.err.count("\nerror: ") == 1

    assert shop.running("dev") == good
    test = shop.inspect("dev", "web")["Config"]["Healthcheck"]["Test"]
    assert test[-1] == HEALTH
    (dev, *_) = shipit.ok("status", "--json").json["environments"]
    assert (dev["release_id"], dev["health"]) == (good, "healthy")
    assert bad in dev["hold"]["reason"]
    latest = shipit.ok("history", *E, "--json").json[0]
    assert (latest["release_id"], latest["outcome"]) == (bad, "rolled_back")
    held_until_it_is_mended(shop, bad)


def held_until_it_is_mended(shop: Shop, bad: str) -> None:
    shipit = shop.shipit
    there = shop.containers()
    refused(shipit("deploy", *E), f"{bad} may not enter dev", "`shipit unfreeze dev`", code=3)
    refused(shipit("promote", "qa", "--release", bad), code=3)
    assert shop.containers() == there
    shop.replace("compose.yaml", HEALTH.replace("healthz", "nowhere"), HEALTH)
    mended = shop.commit("the right address")
    shop.build()
    refused(shipit("deploy", *E), f"{mended} may not enter dev", code=3)
    shipit.ok("unfreeze", "dev")
    assert shipit.ok("deploy", *E, "--json").result["release_id"] == mended


def test_a_first_release_that_fails_leaves_nothing(shop: Shop) -> None:
    shop.replace("compose.yaml", HEALTH, HEALTH.replace("healthz", "nowhere"))
    bad = shop.commit("a wrong address")
    ran = shop.shipit("pipeline", "--json")
    refused(ran, f"{bad} failed in dev", "web: its health check fails", code=1)
    assert ran.result["kind"] == "DeploymentFailed"
    (failed,) = [line for line in ran.lines if line.get("mark") == "failed" and line.get("logs")]
    assert failed["subject"].startswith("web")
    assert 0 < len(failed["logs"]) <= 20
    assert shop.containers() == {}
    assert shop.running("dev") == ""


def test_a_failing_migration_changes_nothing(shop: Shop) -> None:
    shop.deployed()
    there, ran_before = shop.containers(), shop.running("dev")
    shop.replace("compose.yaml", '["/srv/migrate"]', '["sh", "-c", "echo no room left; exit 3"]')
    shop.replace("compose.dev.yaml", "Hello, developer", "Good morning")
    bad = shop.commit("a migration that fails")
    shop.build()
    ran = shop.shipit("deploy", *E)
    refused(
        ran, f"{bad} did not enter dev", "migrate", "exit code 3", "nothing has changed", code=1
    )
    assert "no room left" in ran.err
    assert shop.containers() == there
    assert shop.running("dev") == ran_before
    assert "SHOP_GREETING=Hello, developer" in shop.inspect("dev", "web")["Config"]["Env"]
    # Nothing is held: mend it, and deploy again.
    assert shop.state("dev").hold is None


def wait_for_lease(shop: Shop, process: "subprocess.Popen[str]") -> Any:
    """The deployment that is under way in dev."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        active = shop.state("dev").active
        if active:
            return active
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    pytest.fail("nobody took the lease within 60 s")


def test_of_two_deployments_at_once_one_works(shop: Shop) -> None:
    """The other one exits with 6, at once, and names the owner."""
    # The first look at its health comes after one interval: so long is the first one under way.
    shop.replace("compose.yaml", "interval: 300ms", "interval: 5s")
    release = shop.commit("a slow start")
    shop.build()
    bob = shop.shipit.with_env(SHIPIT_ACTOR="bob@example.com", SHIPIT_LEASE_TTL="3s")
    first = bob.start("deploy", *E, "--json")
    try:
        token = wait_for_lease(shop, first).token
        ran = shop.shipit("deploy", *E, "--json")
        refused(ran, "dev is leased by bob@example.com", f"deployment {token} of {release}", code=6)
        assert ran.result["kind"] == "Leased"
        refused(shop.shipit("stop", *E), "dev is leased by bob@example.com", code=6)
        refused(shop.shipit("rm", *E, "--yes"), "dev is leased by bob@example.com", code=6)
        said, wrong = first.communicate(timeout=60)
    finally:
        first.kill()
        first.communicate()
    assert first.returncode == 0, said + wrong
    history = shop.shipit.ok("history", *E, "--json").json
    assert [(h["token"], h["outcome"]) for h in history] == [(token, "succeeded")]
    assert shop.state("dev").active is None


def test_ctrl_c_leaves_what_resume_finishes(shop: Shop) -> None:
    shop.replace("compose.yaml", "interval: 300ms", "interval: 4s")
    release = shop.commit("a slow start")
    shop.build()
    process = shop.shipit.start("deploy", *E)
    try:
        wait_for_lease(shop, process)
        end = time.monotonic() + 60
        while not shop.containers():
            assert time.monotonic() < end
            time.sleep(0.05)
        process.send_signal(2)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert said.rstrip().endswith(
        "error: interrupted\n  now: `shipit resume` finishes what was under way"
    )
    (dev, *_) = shop.shipit.ok("status", "--json").json["environments"]
    assert dev["interrupted"]["release_id"] == release
    ran = shop.shipit.ok("resume", "--json")
    assert all(line["event"] in ("progress", "result") for line in ran.lines[:-1])
    assert shop.running("dev") == release
    assert shop.shipit.ok("resume").err == "nothing was interrupted\n"
