"""One digest from build to production, through the real commands, on the real engine."""

import subprocess
import urllib.request
from typing import Any

import pytest

from shipit import process
from tests.fakes.command import ACTOR, Ran
from tests.fakes.shop import ENVIRONMENTS, Shop

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.xdist_group("shop")]

GREETINGS = {
    "dev": "Hello, developer",
    "qa": "Hello, tester",
    "staging": "Welcome (rehearsal)",
    "production": "Welcome to the shop",
}


def stages(ran: Ran, environment: str = "") -> list[str]:
    """The stages in the order in which they were first heard of."""
    seen = [
        e["stage"] for e in ran.lines if e.get("environment", "") == environment and "stage" in e
    ]
    return list(dict.fromkeys(seen))


def every_line_is_an_event(ran: Ran) -> None:
    assert [line for line in ran.lines[:-1] if line["event"] != "progress"] == []
    assert all(line["at"] for line in ran.lines[:-1])
    assert ran.lines[-1]["event"] == "result"


def digests(status: dict[str, Any], service: str) -> dict[str, str]:
    """By environment."""
    row = next(row for row in status["services"] if row["service"] == service)
    return {name: cell["digest"] for name, cell in row["cells"].items()}


def compose(*words: str) -> str:
    argv = [*process.compose(), *words]
    return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60).stdout


def test_one_digest_travels_from_build_to_production(shop: Shop) -> None:
    shipit = shop.shipit
    ran = shipit.ok("build", "--json")
    every_line_is_an_event(ran)
    release = ran.result["release"]
    assert release["source"]["subject"] == "the shop"
    assert sorted(release["images"]) == ["migrate", "web", "worker"]
    assert release["images"]["migrate"] == release["images"]["worker"]

    ran = shipit.ok("pipeline", "--json")
    every_line_is_an_event(ran)
    assert ran.result["reused"] is True
    assert [d["environment"] for d in ran.result["deployments"]] == list(ENVIRONMENTS)
    for name in ENVIRONMENTS:
        assert stages(ran, name) == [
            *("gates", "lease", "before", "apply", "follow", "prove", "verify", "record")
        ]

    status = shipit.ok("status", "--json").json
    assert [e["health"] for e in status["environments"]] == ["healthy"] * 4
    for service in ("web", "worker"):
        assert digests(status, service) == dict.fromkeys(ENVIRONMENTS, release["images"][service])
    image = shop.inspect("production", "web")["Config"]["Image"]
    assert image.endswith(f"/{shop.app}/web@{release['images']['web']}")
    the_environments_differ_in_their_settings_alone(shop)
    compose_sees_the_projects_as_its_own(shop)
    the_record_says_what_was_done(shop, release)
    nothing_is_done_twice(shop, release)


def the_environments_differ_in_their_settings_alone(shop: Shop) -> None:
    for name, port in shop.ports.items():
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
            assert answer.status == 200
        settings = shop.inspect(name, "web")["Config"]["Env"]
        assert f"SHOP_GREETING={GREETINGS[name]}" in settings
    # compose.production.yaml asks for two.
    assert shop.inspect("production", "worker", 2)["State"]["Running"]
    shown = shop.shipit.ok("diff", "dev", "production").out
    assert "Hello, developer" in shown
    assert "differs" not in shown
    found = shop.shipit.ok("diff", "dev", "production", "--json").json
    assert [s["a"] == s["b"] for s in found["services"]] == [True] * 3
    assert any("Welcome to the shop" in line for line in found["configuration"])


def compose_sees_the_projects_as_its_own(shop: Shop) -> None:
    listed = compose("ls").splitlines()
    ours = [line for line in listed if line.startswith(shop.app)]
    assert [line.split()[0] for line in ours] == sorted(map(shop.project, ENVIRONMENTS))
    assert all("running(" in line for line in ours)
    production = ("--project-name", shop.project("production"))
    assert sorted(compose(*production, "ps", "--services").split()) == ["web", "worker"]
    assert "worker: one order every 5 s" in compose(*production, "logs", "worker")


def the_record_says_what_was_done(shop: Shop, release: dict[str, Any]) -> None:
    history = shop.shipit.ok("history", "--json").json
    assert [(h["environment"], h["outcome"]) for h in history] == [
        (name, "succeeded") for name in reversed(ENVIRONMENTS)
    ]
    assert {h["by"]["name"] for h in history} == {ACTOR}
    assert {h["release"] for h in history} == {release["digest"]}
    (built,) = shop.shipit.ok("releases", "--json").json
    assert (built["release"], built["runs_in"]) == (release, list(ENVIRONMENTS))
    explained = shop.shipit.ok("explain", "--env", "production", "--json").json
    assert (explained["allowed"], explained["release_id"]) == (True, release["id"])
    verified = shop.shipit.ok("verify", "--env", "production", "--json").json
    assert verified["healthy"]
    assert [p for p in verified["proofs"] if p.get("trouble")] == []


def nothing_is_done_twice(shop: Shop, release: dict[str, Any]) -> None:
    there = shop.containers()
    ran = shop.shipit.ok("build", "--json")
    assert (ran.result["reused"], ran.result["release"]) == (True, release)
    assert "has release" in ran.lines[0]["message"]
    result = shop.shipit.ok("pipeline", "--json").result
    assert [d["changed"] for d in result["deployments"]] == [False] * 4
    assert shop.containers() == there


def test_what_a_release_is_called(shop: Shop) -> None:
    """A commit once; again by --force; and marked where the commit does not name the bytes."""
    first = shop.build()
    assert first == shop.commit_id
    assert shop.shipit.ok("build").out == f"{first}\n"
    again = shop.shipit.ok("build", "--force", "--json").result
    assert (again["release"]["id"], again["reused"]) == (f"{first}.2", False)
    (shop.folder / "web/www/new.html").write_text("<p>new</p>")
    dirty = shop.shipit.ok("build", "--json").result["release"]
    assert (dirty["id"], dirty["source"]["dirty"]) == (f"{first}-dirty", True)
    assert dirty["images"]["web"] != again["release"]["images"]["web"]
    listed = [row["release"]["id"] for row in shop.shipit.ok("releases", "--json").json]
    assert listed == [f"{first}-dirty", f"{first}.2", first]
