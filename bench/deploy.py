"""How long a deployment takes, against `docker compose up -d --wait` of the same project.

Both have the shop's web and worker (its migration is left out: Compose would not run it), built
once; they take turns, and each brings up the same change from the same state.
"""

import json
import re
import shutil
import statistics
import tempfile
from pathlib import Path

from bench.measure import ROOT, SHIPIT, Result, seconds
from shipit import process

RUNS = 7
OURS, PEER = "benchours", "benchpeer"  # projects of their own, away from a demo's
PORTS = {OURS: "18981", PEER: "18982"}
_GIT = ["git", "-c", "user.name=bench", "-c", "user.email=bench@localhost"]


def run() -> list[Result]:
    with tempfile.TemporaryDirectory() as folder:
        shop = Path(folder) / "shop"
        _prepare(shop)
        try:
            return _measured(shop)
        finally:
            seconds([SHIPIT, "rm", "--env", "dev", "--volumes", "--yes"], cwd=shop)
            seconds([*_peer(shop), "down", "--volumes"], cwd=shop)


def _measured(shop: Path) -> list[Result]:
    changed = []
    for version in range(RUNS + 1):
        _release(shop, version)
        ours = seconds([SHIPIT, "deploy", "--env", "dev"], cwd=shop)
        (shop / "peer.json").write_text(_rendered(shop), encoding="utf-8")
        changed.append((ours, seconds(_up(shop), cwd=shop)))
    again = [
        (seconds([SHIPIT, "deploy", "--env", "dev"], cwd=shop), seconds(_up(shop), cwd=shop))
        for _ in range(RUNS)
    ]
    return [
        _result("shipit deploy, unchanged, ms", again, 1.3),
        _result("shipit deploy, one service changed, ms", changed[1:], 1.2),
    ]


def _result(name: str, pairs: list[tuple[float, float]], limit: float) -> Result:
    ours, peer = (statistics.median(times) * 1000 for times in zip(*pairs, strict=True))
    return Result(name, ours, peer, ours / peer, limit)


def _prepare(shop: Path) -> None:
    shutil.copytree(ROOT / "examples" / "shop", shop, ignore=shutil.ignore_patterns(".shipit"))
    (shop / "shipit.yaml").write_text(
        f"app: {OURS}\nenvironments:\n  dev: {{target: {{docker: {{}}}}}}\n", encoding="utf-8"
    )
    compose = shop / "compose.yaml"
    whole = compose.read_text(encoding="utf-8")
    task = whole[whole.index("  # Runs to its end") : whole.index("\nvolumes:")]
    compose.write_text(whole.replace(task, ""), encoding="utf-8")
    overlay = shop / "compose.dev.yaml"
    text = overlay.read_text(encoding="utf-8")
    overlay.write_text(text.replace("8081", PORTS[OURS]), encoding="utf-8")
    seconds(["./prepare"], cwd=shop)
    seconds(["git", "init", "--quiet", "."], cwd=shop)


def _release(shop: Path, version: int) -> None:
    compose = shop / "compose.yaml"
    text = re.sub(r'VERSION: "[^"]*"', f'VERSION: "{version}"', compose.read_text(encoding="utf-8"))
    compose.write_text(text, encoding="utf-8")
    seconds([*_GIT, "add", "--all"], cwd=shop)
    seconds([*_GIT, "commit", "--quiet", "--message", f"version {version}"], cwd=shop)
    seconds([SHIPIT, "build"], cwd=shop)


def _rendered(shop: Path) -> str:
    """What shipit brought up, as a project of its own on a port of its own."""
    text = (shop / ".shipit" / "environments" / "dev.json").read_text(encoding="utf-8")
    project = json.loads(text.replace(PORTS[OURS], PORTS[PEER]).replace(f"{OURS}-dev", PEER))
    return json.dumps(project)


def _peer(shop: Path) -> list[str]:
    file = str(shop / "peer.json")
    return [*process.compose(), "--project-name", PEER, "--project-directory", ".", "--file", file]


def _up(shop: Path) -> list[str]:
    return [*_peer(shop), "up", "--detach", "--wait"]
