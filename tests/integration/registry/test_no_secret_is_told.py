"""Planted secrets, every fault, and a search through all that was said.

Every fault is run with each way of knowing a registry: what an error says, its causes, its
traceback and its repr, what is logged, and what the command line prints.
"""

import json
import logging
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from shipit.delivery.deploy import deploy
from shipit.delivery.project import Registries
from shipit.delivery.request import Request
from shipit.errors import ShipitError
from shipit.ledger.store import open_store
from shipit.model.events import ReleaseCreated
from shipit.model.image import Image
from shipit.model.release import ReleaseImage, summarize
from shipit.registry import retry
from shipit.registry.artifact_registry import ArtifactRegistry
from shipit.registry.client import Client
from shipit.registry.docker_config import DockerConfig
from shipit.registry.ecr import ECR
from shipit.registry.embedded.handler import Handler
from shipit.registry.keychain import Chain
from tests.fakes import moto
from tests.fakes import registry_images as images
from tests.fakes.artifact_registry import HOST as GOOGLE
from tests.fakes.artifact_registry import FakeGoogle
from tests.fakes.command import Shipit
from tests.fakes.ecr import HOST, FakeEcr
from tests.fakes.project import FakeProject, environment, make_release
from tests.fakes.registry import FakeRegistry, answer_error
from tests.fakes.scoped_registry import ScopedRegistry, encoded

PASSWORD = "planted-password-4711"
REFRESH = "planted-refresh-token-4712"
Secrets = Callable[[], set[str]]


class Way(msgspec.Struct, frozen=True):
    """A registry, a client that knows it, and what must not be seen. `secrets` is asked at the end:
    some of them are made on the way."""

    registry: FakeRegistry
    client: Client
    repository: str
    secrets: Secrets


@pytest.fixture(params=["password", "refresh token", "ECR", "Artifact Registry"])
def way(request: pytest.FixtureRequest) -> Iterator[Way]:
    names = {"password": "docker", "refresh token": "refresh", "ECR": "amazons"}
    made: Way = request.getfixturevalue(names.get(request.param, "googles"))
    with made.client:
        yield made


def _login(folder: Path, address: str, **entry: str) -> Chain:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"auths": {address: entry}}))
    return Chain([DockerConfig(folder)])


@pytest.fixture
def docker(tmp_path: Path) -> Iterator[Way]:
    with FakeRegistry(tmp_path / "basic", users={"ci": PASSWORD}) as registry:
        chain = _login(tmp_path / "d", registry.address, auth=encoded("ci", PASSWORD))
        secrets = {PASSWORD, encoded("ci", PASSWORD)}
        yield Way(registry, Client(chain), f"{registry.address}/shop/web", lambda: secrets)


@pytest.fixture
def refresh(tmp_path: Path) -> Iterator[Way]:
    with ScopedRegistry(tmp_path / "scoped", refresh_tokens={REFRESH}) as registry:
        chain = _login(tmp_path / "d", registry.address, identitytoken=REFRESH)
        web = f"{registry.address}/shop/web"
        yield Way(registry, Client(chain), web, lambda: {REFRESH, *registry.given})


@pytest.fixture
def amazons(
    tmp_path: Path,
    amazon: Path,
    route: Callable[[str, str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Way]:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "planted-session-token-4713")
    with FakeEcr(tmp_path / "ecr") as registry:
        monkeypatch.setenv("AWS_ENDPOINT_URL", registry.endpoint)
        route(HOST, registry.address)
        registry.create("ecr", {"repositoryName": "shop/web"})
        own = {"planted-session-token-4713", moto.CREDENTIALS["AWS_SECRET_ACCESS_KEY"]}
        yield Way(
            registry,
            Client(Chain([ECR()])),
            f"{HOST}/shop/web",
            lambda: own | {s for p in registry.given for s in (p, encoded("AWS", p))},
        )


@pytest.fixture
def googles(
    tmp_path: Path, route: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Way]:
    with FakeGoogle(tmp_path / "google") as registry:
        route(GOOGLE, registry.address)
        pem = registry.service_account(tmp_path / "key.json")
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
        yield Way(
            registry,
            Client(Chain([ArtifactRegistry()])),
            f"{GOOGLE}/acme/shop/web",
            lambda: {*pem.splitlines()[1:-1], *registry.given, *registry.tokens},
        )


def _echo(request: Handler) -> None:
    """The worst of servers: it quotes what it refuses."""
    words = request.headers.get("Authorization", "")
    error = {"code": "DENIED", "message": f"what is {words!r}?"}
    request.answer(403, json.dumps({"errors": [error]}).encode(), media_type="application/json")


def _hang_up(request: Handler) -> None:
    request.close_connection = True
    request.connection.close()


def _redirect(request: Handler) -> None:
    request.answer(307, headers={"Location": "http://127.0.0.1:9/elsewhere?signature=planted-4714"})


def _garbage(request: Handler) -> None:
    request.answer(200, b"\x00 not what was asked for", media_type="text/plain")


FAULTS: dict[str, Callable[[Handler], None]] = {
    "401": lambda r: answer_error(r, 401, "UNAUTHORIZED", {"WWW-Authenticate": 'Basic realm="x"'}),
    "403": lambda r: answer_error(r, 403, "DENIED"),
    "404": lambda r: answer_error(r, 404, "NAME_UNKNOWN"),
    "429": lambda r: answer_error(r, 429, "TOOMANYREQUESTS", {"Retry-After": "0"}),
    "500": lambda r: answer_error(r, 500, "UNKNOWN"),
    "503": lambda r: answer_error(r, 503, "UNAVAILABLE"),
    "a server that quotes": _echo,
    "a reset": _hang_up,
    "a redirect to nowhere": _redirect,
    "garbage": _garbage,
    "an unsafe token service": lambda r: answer_error(
        r, 401, "UNAUTHORIZED", {"WWW-Authenticate": 'Bearer realm="http://evil.example/t"'}
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_no_error_no_cause_and_no_log_holds_a_secret(
    way: Way, fault: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "_pause", lambda *_: 0.0)
    caplog.set_level(logging.INFO)
    said: list[str] = []
    way.client.head_manifest(way.repository, "v1")  # whatever there is to know is known now
    way.registry.faults.append(lambda request: FAULTS[fault](request) or True)

    for work in (
        lambda: way.client.get_manifest(way.repository, "v1"),
        lambda: way.client.tags(way.repository),
        lambda: images.push(way.client, way.repository, "a"),
    ):
        try:
            work()
        except ShipitError as error:
            said += [repr(error), str(vars(error)), *traceback.format_exception(error)]

    assert said, "nothing failed: the fault was no fault"
    _hold_nothing("\n".join([*said, caplog.text]), way.secrets())


class Served(FakeProject):
    """Its environment is served from the registry of a way."""

    def __init__(self, root: Path, way: Way, home: str, ledger: Path) -> None:
        served = environment("dev", registry=way.repository.rpartition("/")[0])
        super().__init__(root, served, store=open_store(str(ledger), root))
        self._way, self._home = way, home

    @contextmanager
    def registries(self) -> Iterator[Registries]:
        yield Registries(self._way.client, self._home, embedded=True)


@pytest.mark.parametrize("fault", FAULTS)
def test_the_ledger_keeps_none(
    way: Way, fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deployment whose copy the fault ends: what is on record for ever, and what was shown."""
    monkeypatch.setattr(retry, "_pause", lambda *_: 0.0)
    ledger = tmp_path / "ledger"
    with FakeRegistry(tmp_path / "built") as built:
        project = Served(tmp_path, way, f"{built.address}/shop", ledger)
        repository = f"{built.address}/shop/web"
        image = Image(repository, images.push(way.client, repository, "a").digest)
        made = make_release("a")
        made = msgspec.structs.replace(made, images={"web": ReleaseImage(image)})
        project.ledger.put_release(made)
        project.say(ReleaseCreated(release=summarize(made)))
        way.registry.faults.append(lambda request: FAULTS[fault](request) or True)
        said: list[str] = []
        try:
            said += [repr(step) for step in deploy(project, Request("dev"))]
        except ShipitError as error:
            said += traceback.format_exception(error)

    kept = [path.read_text() for path in ledger.rglob("*") if path.is_file()]
    ended = ("deployment.failed", "deployment.interrupted")
    assert any(end in text for text in kept for end in ended), "\n".join(said)
    _hold_nothing("\n".join([*said, *kept]), way.secrets())


def test_credentials_themselves_say_nothing(way: Way) -> None:
    host = way.repository.partition("/")[0]
    found = way.client.keychain.resolve(host)
    answers = way.client.keychain.answers(host)

    assert found is not None
    _hold_nothing(f"{found!r} {found} {answers!r} {way.client.keychain!r}", way.secrets())


def test_the_command_line_prints_none(
    amazons: Way, googles: Way, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Debugging, in JSON, against clouds that refuse."""
    assert isinstance(amazons.registry, FakeEcr)
    assert isinstance(googles.registry, FakeGoogle)
    endpoint = googles.registry.endpoint
    monkeypatch.setenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_ARTIFACTREGISTRY", endpoint)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "nobody"))
    project = tmp_path / "shop"
    project.mkdir()
    (project / "compose.yaml").write_text("services: {web: {build: .}}\n")
    said = ""
    environments = "environments: {dev: {target: {docker: {}}}}"
    for registry in (f"{HOST}/new", f"{GOOGLE}/acme/new"):
        pipeline = f"app: shop\nregistry: {registry}\n{environments}\n"
        (project / "shipit.yaml").write_text(pipeline)
        for denied in ({"CreateRepository", "create"}, {"DescribeRepositories", "get"}):
            amazons.registry.denied = googles.registry.denied = denied
            for words in (("--debug",), ("--json",)):
                ran = Shipit(project)("registry", "create", "--yes", *words)
                assert ran.code == 2, ran.told()
                said += ran.out + ran.err

    assert "Traceback" in said
    assert "AccessDeniedException" in said
    assert "Google refuses" in said
    _hold_nothing(said, amazons.secrets() | googles.secrets())


def _hold_nothing(said: str, secrets: set[str]) -> None:
    assert secrets
    assert [secret for secret in secrets | {"planted-4714"} if secret in said] == []
