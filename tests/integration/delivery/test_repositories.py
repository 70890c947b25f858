"""The repositories that a pipeline needs: listed, made, and asked for before a build."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shipit.config import compose
from shipit.delivery import access, build, repositories
from shipit.delivery.project import Project
from shipit.errors import PreconditionError
from shipit.model.deployment import Finding
from tests.fakes.artifact_registry import HOST as GOOGLE
from tests.fakes.artifact_registry import FakeGoogle
from tests.fakes.command import COMMAND, Shipit
from tests.fakes.ecr import HOST, FakeEcr

PIPELINE = f"""\
app: shop
registry: {HOST}/shop
environments:
  dev:
    target: {{docker: {{}}}}
  qa:
    after: dev
    registry: {HOST}/qa
    target: {{docker: {{}}}}
  production:
    after: qa
    registry: {GOOGLE}/acme/shop/live
    target: {{docker: {{}}}}
"""
COMPOSE = """\
services:
  web:
    build: .
    image: shop-web
  worker:
    image: shop-web
  cache:
    image: docker.io/library/redis:8
"""
NAMES = [
    f"{HOST}/shop/web",
    f"{HOST}/qa/redis",
    f"{HOST}/qa/web",
    f"{HOST}/qa/worker",
    f"{GOOGLE}/acme/shop",
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "shop"
    root.mkdir()
    (root / "shipit.yaml").write_text(PIPELINE)
    (root / "compose.yaml").write_text(COMPOSE)
    (root / "Dockerfile").write_text("FROM scratch\n")
    return root


@pytest.fixture
def shipit(folder: Path) -> Shipit:
    return Shipit(folder)


@pytest.fixture
def project(folder: Path) -> Project:
    return Project.open(folder / "shipit.yaml")


@pytest.fixture
def ecr(
    tmp_path: Path,
    amazon: Path,
    route: Callable[[str, str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[FakeEcr]:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "nobody"))
    with FakeEcr(tmp_path / "ecr") as fake:
        monkeypatch.setenv("AWS_ENDPOINT_URL", fake.endpoint)
        route(HOST, fake.address)
        yield fake


@pytest.fixture(autouse=True)
def google(
    tmp_path: Path, route: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch
) -> Iterator[FakeGoogle]:
    with FakeGoogle(tmp_path / "google") as fake:
        fake.service_account(tmp_path / "key.json")
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
        monkeypatch.setenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_ARTIFACTREGISTRY", fake.endpoint)
        route(GOOGLE, fake.address)
        yield fake


# What is needed


def test_what_is_pushed_and_what_is_copied(project: Project) -> None:
    needed = repositories.needed(project, compose.render_all(project.pipeline))

    assert needed == {
        f"{HOST}/shop": (f"{HOST}/shop/web",),
        f"{HOST}/qa": tuple(NAMES[1:4]),
        f"{GOOGLE}/acme/shop/live": tuple(
            f"{GOOGLE}/acme/shop/live/{name}" for name in ("redis", "web", "worker")
        ),
    }


# The verb


def test_list_says_what_is_missing_and_makes_nothing(ecr: FakeEcr, shipit: Shipit) -> None:
    ran = shipit("registry", "list", "--json")

    assert ran.code == 0, ran.told()
    assert [(c["repository"], c["action"]) for c in ran.json] == [(n, "create") for n in NAMES]
    assert ecr.repositories == {}


def test_create_shows_and_makes_what_is_missing(
    ecr: FakeEcr, google: FakeGoogle, shipit: Shipit
) -> None:
    ran = shipit("registry", "create", "--yes")

    assert ran.code == 0, ran.told()
    assert list(ecr.repositories) == ["shop/web", "qa/redis", "qa/web", "qa/worker"]
    assert list(google.repositories) == ["projects/acme/locations/europe/repositories/shop"]
    assert f"would make {HOST}/qa/web" in ran.out
    assert "  tags are written once, but for shipit-* and sha256-*" in ran.out
    assert f"made {GOOGLE}/acme/shop" in ran.err

    again = shipit("registry", "create", "--json")
    assert again.code == 0, again.told()
    assert again.json["made"] == []
    assert {c["action"] for c in again.json["changes"]} == {"keep"}


def test_nothing_is_made_where_nobody_can_be_asked(ecr: FakeEcr, shipit: Shipit) -> None:
    ran = shipit("registry", "create")

    assert ran.code == 2, ran.told()
    assert "5 repositories would be made, and nobody can be asked" in ran.err
    assert "--yes" in ran.err
    assert ecr.repositories == {}


@pytest.mark.parametrize(("answer", "made"), [("n", 0), ("", 0), ("y", 4)])
def test_a_person_is_asked(ecr: FakeEcr, shipit: Shipit, answer: str, made: int) -> None:
    """At a terminal, whose other end types."""
    ours, theirs = os.openpty()
    os.write(ours, f"{answer}\n".encode())
    with os.fdopen(theirs) as terminal:
        done = subprocess.run(
            [COMMAND, "registry", "create"],
            cwd=shipit.folder,
            env=shipit.environment(),
            stdin=terminal,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    os.close(ours)

    assert done.returncode == 0, done.stderr
    assert "make them? [y/N]" in done.stderr
    assert ("nothing was made" in done.stderr) is (made == 0)
    assert len(ecr.repositories) == made


def test_a_key_that_would_encrypt_nothing_is_refused(ecr: FakeEcr, shipit: Shipit) -> None:
    ran = shipit("registry", "create", "--yes", "--kms-key", "arn:aws:kms:us-east-1:1:key/k")

    assert ran.code == 2, ran.told()
    assert "would encrypt none of the repositories to be made" in ran.err
    assert ecr.repositories == {}


def test_what_was_made_before_a_failure_stays(
    ecr: FakeEcr, google: FakeGoogle, shipit: Shipit
) -> None:
    google.denied.add("create")

    ran = shipit("registry", "create", "--yes")

    assert ran.code == 2, ran.told()
    assert "Google refuses artifactregistry.repositories.create" in ran.err
    assert len(ecr.repositories) == 4
    google.denied.clear()
    again = shipit("registry", "create", "--yes", "--json")
    assert json.loads(again.out)["made"] == [f"{GOOGLE}/acme/shop"]


# Build and check


def test_a_build_stops_before_it_builds(ecr: FakeEcr, project: Project) -> None:
    with pytest.raises(PreconditionError, match="is not there to push to") as caught:
        list(build.build(project))

    assert caught.value.what.startswith(f"{HOST}/shop/web ")
    assert "shipit registry create" in caught.value.next_step
    assert ecr.repositories == {}
    assert project.ledger.read().releases == ()


def looked(project: Project) -> list[Finding]:
    with project.registries() as registries:
        return list(access.look(project, registries, compose.render_all(project.pipeline)))


def test_check_names_what_is_missing(ecr: FakeEcr, project: Project) -> None:
    errors = [f for f in looked(project) if f.level == "error"]

    assert [f.what for f in errors] == [f"{name} is not there to push to" for name in NAMES]
    assert {f.next_step for f in errors} == {"`shipit registry create` makes it"}
    assert ecr.called("CreateRepository") == []


def test_check_says_whose_credentials_reach_each_registry(
    ecr: FakeEcr, project: Project, tmp_path: Path
) -> None:
    made = repositories.plan(project)
    list(repositories.create(made))

    found = looked(project)

    nobody = f"docker config: there is no {tmp_path}/nobody/config.json"
    account = "shipit@acme.iam.gserviceaccount.com"
    assert [(f.level, f.subject) for f in found] == [
        ("ok", "registry"),
        ("ok", "qa registry"),
        ("ok", "production registry"),
    ]
    assert [f.what for f in found] == [
        f"{HOST}/shop: credentials from ECR (eu-west-1) ({nobody})",
        f"{HOST}/qa: credentials from ECR (eu-west-1) ({nobody})",
        f"{GOOGLE}/acme/shop/live: credentials from Artifact Registry ({account}) ({nobody})",
    ]


def test_check_goes_on_past_a_registry_that_refuses(ecr: FakeEcr, project: Project) -> None:
    ecr.denied.add("GetAuthorizationToken")

    found = looked(project)

    assert [f.level for f in found[:2]] == ["error", "error"]
    assert "ECR: GetAuthorizationToken: AccessDeniedException" in found[0].what
    assert found[-1].subject == "production registry"


def test_without_credentials_reading_may_do_but_pushing_will_not(
    folder: Path, project: Any, route: Callable[[str, str], None], tmp_path: Path
) -> None:
    from tests.fakes.registry import FakeRegistry

    (folder / "shipit.yaml").write_text(
        "app: shop\nregistry: r.example.com/shop\nenvironments: {dev: {target: {docker: {}}}}\n"
    )
    with FakeRegistry(tmp_path / "open") as anonymous:
        route("r.example.com", anonymous.address)
        found = looked(Project.open(folder / "shipit.yaml"))

    assert [(f.level, f.next_step) for f in found] == [
        ("warning", "without credentials nothing can be pushed: docker login r.example.com")
    ]
    assert found[0].what.startswith("r.example.com/shop: no credentials (docker config: ")
