"""Secrets that only exist on the way: in upload sessions, in redirects to object storage, in what a
credential helper prints. Planted, every fault of the proxy, and a search through stdout, stderr,
logs, exceptions and the whole of the ledger.
"""

import json
import logging
import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote_plus

import msgspec
import pytest

from shipit.cli.app import run
from shipit.delivery.deploy import deploy
from shipit.delivery.project import Registries
from shipit.delivery.request import Request
from shipit.errors import ShipitError
from shipit.ledger.store import open_store
from shipit.model.events import ReleaseCreated
from shipit.model.image import Image
from shipit.model.release import ReleaseImage, summarize
from shipit.registry import connections, retry, transport
from shipit.registry.client import Client
from tests.fakes import registry_images as images
from tests.fakes.faults import (
    Act,
    Exchange,
    Fault,
    FaultProxy,
    answer,
    flip,
    redirect,
    reset_answer,
    reset_request,
    stall,
    truncate,
)
from tests.fakes.project import FakeProject, environment, make_release
from tests.fakes.registry import FakeRegistry
from tests.fakes.scoped_registry import encoded

PASSWORD = "planted-password-4711"
STORAGE = "X-Amz-Credential=PLANTEDKEY%2F20261124&X-Amz-Signature=planted%2Bstorage%3D4721"
SESSION = "_state=planted-session-4722&sig=planted%2Fsession%2B4723"
FRAGMENTS = ("planted", "PLANTED")  # every secret is made so, whatever is done to it


def _quoting(status: int) -> Act:
    """Says back all that it was told, as it came and decoded."""

    def act(exchange: Exchange) -> bool:
        said = f"{exchange.path} {unquote_plus(exchange.path)} {exchange.headers['Authorization']}"
        error = {"code": "DENIED", "message": f"what is {said}?"}
        body = json.dumps({"errors": [error]}).encode()
        exchange.close_connection = True
        exchange.send_response_only(status)
        exchange.send_header("Content-Type", "application/json")
        exchange.send_header("Content-Length", str(len(body)))
        exchange.end_headers()
        exchange.wfile.write(body)
        return True

    return act


def _mislaid(location: str) -> Act:
    """An address with a signature in it, at which nobody can be asked: of an upload, or of where a
    blob is."""
    return lambda e: e.reply(202 if e.command == "POST" else 307, "", Location=location)


ACTS: dict[str, Act] = {
    "reset": reset_answer(0.5),
    "reset while sending": reset_request(0.5),
    "truncated": truncate(0.5),
    "flipped": flip,
    "stall": stall,
    **{str(status): answer(status) for status in (400, 401, 403, 404, 500, 502, 503, 507)},
    "429": answer(429, "TOOMANYREQUESTS", Retry_After="0"),
    "quotes what it refuses": _quoting(403),
    "quotes what it fails at": _quoting(500),
    "leads to a space": _mislaid(f"/v2/a b?{STORAGE}"),
    "leads to no ASCII": _mislaid(f"/v2/\xe9?{STORAGE}"),
    "leads to no port": _mislaid(f"http://planted:planted-4724@127.0.0.1:x/?{STORAGE}"),
    "leads nowhere": _mislaid(f"http://127.0.0.1:9/?{STORAGE}"),
    "leads in a circle": _mislaid(f"/v2/shop/web/blobs/round?{STORAGE}"),
}


@dataclass
class Way:
    """`source` redirects to `storage`; `destination` signs its uploads."""

    source: str
    destination: str
    image: Image
    storage: FaultProxy
    up: FaultProxy
    tokens: set[str]

    def break_at(self, where: str, act: str) -> None:
        if where == "storage":
            self.storage.faults = [Fault(ACTS[act], count=10_000)]
        else:
            method = "POST" if act.startswith("leads") else "PUT"
            part = "/blobs/uploads/"
            self.up.faults = [Fault(ACTS[act], method=method, part=part, count=10_000)]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "_pause", lambda *_: 0.0)
    monkeypatch.setattr(connections, "_EARLY", 0.2)
    monkeypatch.setattr(connections, "STALL_DEADLINE", 0.3)
    monkeypatch.setattr(transport.Call, "answer", 0.3, raising=False)


@pytest.fixture(autouse=True)
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that is known of the registries is what a credential helper prints."""
    folder = tmp_path / "docker"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"credsStore": "planted"}))
    program = folder / "docker-credential-planted"
    said = json.dumps({"Username": "ci", "Secret": PASSWORD})
    program.write_text(f"#!/bin/sh\nread server\necho '{said}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


@pytest.fixture
def way(tmp_path: Path) -> Iterator[Way]:
    users = {"ci": PASSWORD}
    with (
        FakeRegistry(tmp_path / "one", users=users, bearer=True) as source,
        FakeRegistry(tmp_path / "open") as behind,
        FakeRegistry(tmp_path / "two", users=users, bearer=True) as destination,
        FaultProxy(behind.address) as storage,
        FaultProxy(source.address) as down,
        FaultProxy(destination.address, signature=SESSION) as up,
        Client() as client,
    ):
        for registry in (source, behind):  # the storage holds the same blobs
            image = images.push(client, f"{registry.address}/shop/web", "web", size=400_000)
        away = redirect(storage.address, STORAGE)
        down.faults = [Fault(away, method="GET", part="/blobs/sha256", count=10_000)]
        source_repository = f"{down.address}/shop/web"
        tokens = source.tokens | destination.tokens
        yield Way(
            source_repository,
            f"{up.address}/shop/web",
            Image(source_repository, image.digest),
            storage,
            up,
            tokens,
        )


def _hold_nothing(said: str, way: Way) -> None:
    secrets = {encoded("ci", PASSWORD), *FRAGMENTS, *way.tokens}
    said = said.replace("docker-credential-planted", "the helper")
    assert [secret for secret in secrets if secret in said] == []


def _copied(way: Way, *words: str) -> int:
    return run(["copy", f"{way.image.reference}", f"{way.destination}:released", *words])


def test_what_is_planted_is_used(way: Way) -> None:
    """Or the tests below would find nothing for another reason."""
    assert _copied(way) == 0

    assert any("planted%2Bstorage" in request for request, _ in way.storage.seen)
    puts = way.up.asked("PUT", "/blobs/uploads/")
    assert puts
    assert all("planted-session-4722" in request for request in puts)


@pytest.mark.parametrize("where", ["storage", "upload"])
@pytest.mark.parametrize("act", ACTS)
def test_the_command_and_its_debugging_show_none(
    way: Way,
    where: str,
    act: str,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    way.break_at(where, act)

    codes = [_copied(way, *words) for words in (("--debug",), ("--json", "--debug"))]

    shown = capfd.readouterr()
    harmless = where == "upload" and act in ("flipped", "truncated", "reset")  # nothing to break
    if not harmless:
        assert 0 not in codes
        assert "Traceback" in shown.err
    _hold_nothing(shown.out + shown.err + caplog.text, way)


class Served(FakeProject):
    """Its environment is served from the destination; its release was built in the source."""

    def __init__(self, root: Path, way: Way, client: Client, ledger: Path) -> None:
        served = environment("dev", registry=way.destination.rpartition("/")[0])
        super().__init__(root, served, store=open_store(str(ledger), root))
        self._home, self._client = way.source.rpartition("/")[0], client

    @contextmanager
    def registries(self) -> Iterator[Registries]:
        yield Registries(self._client, self._home, embedded=True)


@pytest.mark.parametrize("where", ["storage", "upload"])
@pytest.mark.parametrize("act", [a for a in ACTS if a not in ("flipped", "truncated", "reset")])
def test_the_ledger_keeps_none(way: Way, where: str, act: str, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    said: list[str] = []
    with Client() as client:
        project = Served(tmp_path, way, client, ledger)
        made = msgspec.structs.replace(make_release("a"), images={"web": ReleaseImage(way.image)})
        project.ledger.put_release(made)
        project.say(ReleaseCreated(release=summarize(made)))
        way.break_at(where, act)
        try:
            said += [repr(step) for step in deploy(project, Request("dev"))]
        except ShipitError as error:
            said += [repr(vars(error)), *traceback.format_exception(error)]

    kept = [path.read_text() for path in ledger.rglob("*") if path.is_file()]
    ended = ("deployment.failed", "deployment.interrupted")
    assert any(end in text for text in kept for end in ended), "\n".join(said)
    _hold_nothing("\n".join([*said, *kept]), way)


@pytest.mark.parametrize(
    "script",
    [
        f"""echo '{{"Username": "ci", "Secret": "{PASSWORD}"'""",
        f"""echo '{{"Username": "ci", "Secret": "{PASSWORD}"}}'; exit 1""",
        f"""echo '{{"Username": ["ci"], "Secret": "{PASSWORD}"}}'""",
    ],
    ids=["half an answer", "an answer and a failure", "an answer of another form"],
)
def test_a_helper_that_fails_with_a_secret_in_its_hands(
    way: Way, script: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    program = tmp_path / "docker" / "docker-credential-planted"
    program.write_text(f"#!/bin/sh\nread server\n{script}\n")

    assert _copied(way, "--debug") == 2

    shown = capfd.readouterr()
    assert "docker-credential-planted" in shown.err
    _hold_nothing(shown.out + shown.err, way)
