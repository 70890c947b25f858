"""Own manifests from the checkout into a release, and from there to a target, by digest."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from msgspec.structs import replace

from shipit.builders.buildkit import Built
from shipit.delivery.build import build
from shipit.delivery.check import check
from shipit.delivery.deploy import deploy
from shipit.delivery.desired import desire
from shipit.delivery.diff import diff
from shipit.delivery.repositories import needed
from shipit.delivery.request import Request
from shipit.errors import ConfigurationError, PreconditionError, RemoteError
from shipit.model import codec, source
from shipit.model.deployment import Desired
from shipit.model.digest import Digest
from shipit.model.image import Image, Reference
from shipit.model.pipeline import (
    DockerTarget,
    EcsTarget,
    Environment,
    ImageField,
    KubernetesTarget,
    SourceFiles,
    TargetSettings,
)
from shipit.model.release import Release
from shipit.targets.kubernetes.render import Setting, render
from tests.fakes.project import HOME, FakeProject, Repositories, environment, fails, run, told

COMPOSE = """\
services:
  web: {build: ., image: acme/front}
  worker: {image: acme/front}
  db: {image: "postgres:17"}
  migrate: {image: acme/front, depends_on: [db], x-shipit: {run: before}}
"""
MANIFESTS = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: front}
spec:
  replicas: 2
  template:
    spec:
      initContainers: [{name: wait, image: "busybox:1.36"}]
      containers:
        - {name: app, image: "acme/front:v7"}
        - {name: proxy, image: "envoy@sha256:ENVOY"}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec: {template: {spec: {containers: [{name: db, image: "postgres:17"}]}}}
""".replace("ENVOY", Digest.of(b"envoy").hex)
CLUSTER = TargetSettings(kubernetes=KubernetesTarget(context="c"))


class Registry(Repositories):
    """Every image is there but those in `absent`; its digest is of its name."""

    def __init__(self) -> None:
        super().__init__()
        self.absent: set[str] = set()
        self.resolved: list[str] = []

    def resolve(self, reference: Reference) -> Image:
        self.resolved.append(reference.typed)
        if reference.typed in self.absent:
            raise RemoteError(f"{reference.repository} is not known", status=404)
        digest = reference.digest or Digest.of(reference.typed.encode())
        return Image(reference.repository, digest)

    def put_index(self) -> None:
        """For buildx, which is not asked here."""


def cluster(name: str, after: str | None = None, **source: Any) -> Environment:
    made = environment(name, after)
    return replace(
        made, targets={"default": CLUSTER}, source=SourceFiles(**source) if source else None
    )


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Stands for buildx; the services that it was asked for, each time."""
    asked: list[str] = []

    def build_images(project: dict[str, Any], *, registry: str, **_: Any) -> Iterator[Built]:
        names = [n for n, s in project["services"].items() if s.get("build")]
        asked.extend(names)
        yield Built({n: Image(f"{registry}/{n}", Digest.of(n.encode())) for n in names})

    monkeypatch.setattr("shipit.delivery.build.build_images", build_images)
    return asked


def made(tmp_path: Path, *environments: Environment) -> FakeProject:
    (tmp_path / "compose.yaml").write_text(COMPOSE)
    (tmp_path / "k8s.yaml").write_text(MANIFESTS)
    project = FakeProject(tmp_path, *environments)
    project.repositories = Registry()
    return project


@pytest.fixture
def shop(tmp_path: Path, built: list[str]) -> FakeProject:
    return made(
        tmp_path,
        cluster("dev", manifests="k8s.yaml"),
        replace(cluster("qa", "dev", manifests="k8s.yaml"), registry="eu.example/shop"),
        environment("local", "qa"),
    )


def release_of(project: FakeProject) -> Release:
    return project.ledger.get_release(run(build(project, force=True)).release.digest)


def desired_in(project: FakeProject, name: str) -> Desired:
    release = release_of(project)
    with project.registries() as registries:
        return desire(release, project.environment(name), registries)


def images_in(objects: tuple[dict[str, Any], ...]) -> dict[str, str]:
    return {
        f"{body['metadata']['name']} {container['name']}": container["image"]
        for body in objects
        for kind in ("initContainers", "containers")
        for container in body["spec"]["template"]["spec"].get(kind, ())
    }


BUSYBOX = f"docker.io/library/busybox@{Digest.of(b'busybox:1.36')}"
ENVOY = f"docker.io/library/envoy@{Digest.of(b'envoy')}"
POSTGRES = f"docker.io/library/postgres@{Digest.of(b'postgres:17')}"
WEB = Digest.of(b"web")


def test_every_image_in_a_release_is_by_digest(shop: FakeProject) -> None:
    """What is built here has the digest that was built, whatever tag the manifest has."""
    release = release_of(shop)
    assert images_in(release.source_of("dev")) == {
        "front wait": BUSYBOX,
        "front app": f"{HOME}/web@{WEB}",
        "front proxy": ENVOY,
        "db db": POSTGRES,
    }
    assert release.version == 2
    assert release.source_of("local") == ()
    kept = {key: (found.origin, found.image.digest) for key, found in release.images.items()}
    assert kept["busybox:1.36"] == ("resolved", Digest.of(b"busybox:1.36"))
    assert kept["web"] == ("built", WEB)
    assert len(kept) == 6


def test_an_image_is_resolved_once_for_all_environments(shop: FakeProject) -> None:
    release_of(shop)
    registry = shop.repositories
    assert isinstance(registry, Registry)
    envoy = f"envoy@{Digest.of(b'envoy')}"
    assert sorted(registry.resolved) == ["busybox:1.36", envoy, "postgres:17"]


def test_its_services_are_the_workloads_and_tasks_stay_composes(shop: FakeProject) -> None:
    desired = desired_in(shop, "dev")
    assert sorted(desired.services) == ["db", "front"]
    assert desired.before == ("migrate",)
    assert desired.images["front"].digest == WEB
    assert desired.images["migrate"].digest == WEB
    assert {str(i.digest) for i in desired.images.values()} == {
        reference.partition("@")[2] for reference in images_in(desired.source).values()
    }


def test_another_environment_runs_what_compose_says(shop: FakeProject) -> None:
    desired = desired_in(shop, "local")
    assert desired.source == ()
    assert sorted(desired.services) == ["db", "web", "worker"]


def test_an_environment_is_served_from_its_own_registry(shop: FakeProject) -> None:
    desired = desired_in(shop, "qa")
    at = "eu.example/shop"
    assert images_in(desired.source) == {
        "front wait": f"{at}/busybox@{Digest.of(b'busybox:1.36')}",
        "front app": f"{at}/web@{WEB}",
        "front proxy": f"{at}/envoy@{Digest.of(b'envoy')}",
        "db db": f"{at}/postgres@{Digest.of(b'postgres:17')}",
    }
    assert {image.repository for image in desired.images.values()} == {
        *(f"{at}/busybox", f"{at}/web", f"{at}/envoy", f"{at}/postgres", f"{at}/migrate")
    }


def test_what_it_is_served_from_is_asked_for_and_copied(shop: FakeProject) -> None:
    run(build(shop))
    run(deploy(shop, Request("dev")))
    run(deploy(shop, Request("qa")))
    at = "eu.example/shop"
    assert {to: source for source, to in shop.repositories.copied} == {
        f"{at}/web": f"{HOME}/web@{WEB}",
        f"{at}/migrate": f"{HOME}/web@{WEB}",
        f"{at}/busybox": BUSYBOX,
        f"{at}/envoy": ENVOY,
        f"{at}/postgres": POSTGRES,
    }
    rendered = {name: yaml.safe_load(COMPOSE) for name in shop.pipeline.environments}
    assert set(needed(shop, rendered)[at]) == {to for _, to in shop.repositories.copied}


def test_a_cluster_applies_them_with_the_images_that_are_proven(shop: FakeProject) -> None:
    desired = desired_in(shop, "qa")
    rendered = render(desired, Setting())
    assert set(rendered.workloads) == set(desired.services)
    assert images_in(rendered.objects) == images_in(desired.source)
    known = {image.reference for image in desired.images.values()}
    assert set(images_in(rendered.objects).values()) <= known


def test_a_workload_with_another_services_name_runs_its_own_image(shop: FakeProject) -> None:
    """A StatefulSet called db that runs web: what is copied to db's place would be other bytes."""
    db = 'name: db, image: "postgres:17"'
    (shop.root / "k8s.yaml").write_text(MANIFESTS.replace(db, "name: db, image: web"))
    run(build(shop))
    run(deploy(shop, Request("dev")))
    run(deploy(shop, Request("qa")))
    assert desired_in(shop, "qa").images["db"].digest == WEB
    sources = {source.partition("@")[2] for source, to in shop.repositories.copied}
    assert str(Digest.of(b"postgres:17")) not in sources


def test_a_task_waits_for_what_is_still_there() -> None:
    compose = {
        "services": {
            "web": {"image": "web"},
            "seed": {"image": "web", "x-shipit": {"run": "before"}},
            "migrate": {
                "image": "web",
                "x-shipit": {"run": "before"},
                "depends_on": {"web": {}, "seed": {}, "front": {}},
            },
            "late": {"image": "web", "x-shipit": {"run": "after"}, "depends_on": ["web"]},
        }
    }
    made = source.project(compose, {"front": {"image": "web"}})
    assert list(made["services"]) == ["seed", "migrate", "late", "front"]
    assert made["services"]["migrate"]["depends_on"] == {"seed": {}, "front": {}}
    assert "depends_on" not in made["services"]["late"]


def test_a_deployment_proves_the_workloads(shop: FakeProject) -> None:
    run(build(shop))
    run(deploy(shop, Request("dev")))
    current = shop.state("dev").current
    assert current is not None
    assert set(shop.target("dev").running) == {"front", "db"}
    calls = [what.split()[0] for call, what in shop.target("dev").calls if call == "run_task"]
    assert calls == ["migrate"]


def test_a_release_needs_no_checkout(shop: FakeProject) -> None:
    run(build(shop))
    (shop.root / "k8s.yaml").unlink()
    (shop.root / "compose.yaml").unlink()
    run(deploy(shop, Request("dev")))
    assert shop.state("dev").current is not None


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("web", "web"),
        ("web:latest", "web"),
        ("shop/web:1", "web"),
        ("acme/front", "web"),
        (f"{HOME}/web:abc", "web"),
        ("eu.example/shop/web", "web"),
        ("worker", "web"),
        ("postgres:17", "db"),
        ("postgres:16", "postgres:16"),
        ("db", "db:latest"),
        ("other/web", "other/web"),
        (f"web@{Digest.of(b'old')}", f"web@{Digest.of(b'old')}"),
    ],
)
def test_what_an_image_stands_for(shop: FakeProject, written: str, key: str) -> None:
    (shop.root / "k8s.yaml").write_text(MANIFESTS.replace("acme/front:v7", written))
    release = release_of(shop)
    app = images_in(release.source_of("dev"))["front app"]
    assert app == release.images[key].image.reference


def test_an_image_that_nobody_has_is_told_with_its_place(shop: FakeProject) -> None:
    (shop.root / "k8s.yaml").write_text(MANIFESTS.replace("acme/front:v7", "fornt:v7"))
    registry = shop.repositories
    assert isinstance(registry, Registry)
    registry.absent = {"fornt:v7"}
    _, error = fails(build(shop), ConfigurationError)
    assert str(error).startswith(
        "k8s.yaml:10:23: spec.template.spec.containers[0].image: fornt:v7 is built here by no"
        " service, and its registry does not have it"
    )
    assert error.next_step.endswith("write the service's name: web")
    assert shop.ledger.read().releases == ()


def test_an_image_that_is_none_is_told_with_its_place(shop: FakeProject) -> None:
    (shop.root / "k8s.yaml").write_text(MANIFESTS.replace("acme/front:v7", "Front:v7"))
    _, error = fails(build(shop), ConfigurationError)
    assert "k8s.yaml:10:23" in str(error)
    assert "'Front:v7' is not an image reference" in str(error)


def test_files_are_read_before_anything_is_built(shop: FakeProject, built: list[str]) -> None:
    (shop.root / "k8s.yaml").write_text("kind: Deployment\n")
    fails(build(shop), ConfigurationError)
    assert built == []


def test_an_image_elsewhere_is_named_by_its_field(tmp_path: Path, built: list[str]) -> None:
    prometheus = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "Prometheus",
        "metadata": {"name": "p"},
        "spec": {"image": "prom:v3"},
    }
    field = ImageField(kind="Prometheus", path="spec/image")
    project = made(tmp_path, cluster("dev", manifests=("k8s.yaml", "p.yaml"), images=(field,)))
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(prometheus))
    release = release_of(project)
    assert release.source_of("dev")[2]["spec"]["image"] == (
        f"docker.io/library/prom@{Digest.of(b'prom:v3')}"
    )
    (tmp_path / "p.yaml").write_text(yaml.safe_dump({**prometheus, "spec": {}}))
    _, error = fails(build(project, force=True), ConfigurationError)
    assert "environments.dev.source.images[0]: no Prometheus has a text at spec/image" in str(error)
    assert built == ["web"]


def test_manifests_of_which_nothing_runs_on_are_refused(shop: FakeProject) -> None:
    (shop.root / "k8s.yaml").write_text("apiVersion: v1\nkind: Service\nmetadata: {name: a}\n")
    _, error = fails(build(shop), ConfigurationError)
    assert "environments.dev.source: nothing in it keeps running" in str(error)


def test_a_workload_of_another_namespace_is_refused_with_its_place(
    tmp_path: Path, built: list[str]
) -> None:
    settings = TargetSettings(kubernetes=KubernetesTarget(namespace="shop"))
    one = replace(cluster("dev", manifests="k8s.yaml"), targets={"default": settings})
    project = made(tmp_path, one)
    text = MANIFESTS.replace("{name: db}", "{name: db, namespace: back}")
    (tmp_path / "k8s.yaml").write_text(text)
    _, error = fails(build(project), ConfigurationError)
    assert "k8s.yaml:15" in str(error)
    assert "it would run in back, and the target's namespace is shop" in str(error)
    assert built == []


def test_a_task_and_a_workload_of_one_name_are_refused(shop: FakeProject) -> None:
    (shop.root / "k8s.yaml").write_text(MANIFESTS.replace("name: front", "name: migrate"))
    _, error = fails(build(shop), ConfigurationError)
    assert "services.migrate: the environment's own manifests have a migrate too" in str(error)


def test_a_secret_in_a_variable_is_warned_of(shop: FakeProject) -> None:
    env = "{name: app, env: [{name: DB_PASSWORD, value: hunter2}], "
    (shop.root / "k8s.yaml").write_text(MANIFESTS.replace("{name: app, ", env))
    said = " ".join(p.message for p in told(build(shop))[0])
    assert "deployment.front app: DB_PASSWORD looks like a secret" in said
    assert "hunter2" not in said


def test_what_compose_does_not_run_there_is_not_remarked_on(shop: FakeProject) -> None:
    """A variable of web, which does not run as compose.yaml has it, and one of migrate."""
    secret = "environment: {DB_PASSWORD: hunter2}"
    text = COMPOSE.replace("build: .,", f"build: ., {secret},")
    shop.pipeline = replace(
        shop.pipeline,
        environments={n: e for n, e in shop.pipeline.environments.items() if n != "local"},
    )
    (shop.root / "compose.yaml").write_text(text)
    said = " ".join(p.message for p in told(build(shop))[0])
    assert "DB_PASSWORD" not in said
    text = COMPOSE.replace("depends_on: [db],", f"{secret},")
    (shop.root / "compose.yaml").write_text(text)
    said = " ".join(p.message for p in told(build(shop, force=True))[0])
    assert "services.migrate.environment.DB_PASSWORD looks like a secret" in said


def test_a_release_for_another_kind_of_target_is_refused(shop: FakeProject) -> None:
    release = release_of(shop)
    for kind in (TargetSettings(ecs=EcsTarget()), TargetSettings(docker=DockerTarget())):
        moved = replace(shop.environment("dev"), targets={"default": kind})
        with shop.registries() as registries, pytest.raises(PreconditionError) as error:
            desire(release, moved, registries)
        assert "has Kubernetes manifests for dev, and its target default is of the kind" in str(
            error.value
        )


def test_no_reference_without_a_digest_reaches_a_target(shop: FakeProject) -> None:
    release = release_of(shop)
    objects = codec.plain(release.source_of("dev"))
    objects[0]["spec"]["template"]["spec"]["containers"].append({"name": "x", "image": "late:1"})
    damaged = replace(release, sources={"dev": tuple(objects)})
    with shop.registries() as registries, pytest.raises(PreconditionError, match="late:1"):
        desire(damaged, shop.environment("dev"), registries)


def test_a_difference_is_shown_without_the_images(shop: FakeProject) -> None:
    one = run(build(shop)).release.id
    text = MANIFESTS.replace("replicas: 2", "replicas: 3").replace("1.36", "1.37")
    (shop.root / "k8s.yaml").write_text(text)
    other = run(build(shop, force=True)).release.id
    found = diff(shop, one, other)
    assert [line.strip(" ,") for line in found.configuration if line[:2] in ("- ", "+ ")] == [
        '-        "replicas": 2',
        '+        "replicas": 3',
    ] * 2
    changed = {s.service: (s.a is not None, s.b is not None) for s in found.services if s.a != s.b}
    assert changed == {"busybox:1.36": (True, False), "busybox:1.37": (False, True)}


def test_check_says_what_runs_and_what_is_wrong(
    shop: FakeProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shipit.delivery.check._builder", lambda _: iter(()))
    monkeypatch.setattr("shipit.delivery.check._registry", lambda *_: iter(()))
    found = {f.subject: f for f in check(shop, "dev")}
    assert found["dev source"].what == "2 objects, which run front, db"
    assert "busybox:1.36 is no service's" in found["dev source busybox:1.36"].what

    registry = shop.repositories
    assert isinstance(registry, Registry)
    registry.absent = {"busybox:1.36"}
    found = {f.subject: f for f in check(shop, "dev")}
    assert found["dev source"].level == "error"
    assert "k8s.yaml:8:37" in found["dev source"].what

    (shop.root / "k8s.yaml").unlink()
    found = {f.subject: f for f in check(shop, "dev")}
    assert found["dev source"].level == "error"
    assert "there is no file or folder k8s.yaml" in found["dev source"].what
