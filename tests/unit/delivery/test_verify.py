"""Proven again: what runs, whole in its registry, answering. And what happens when it is not."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from shipit.delivery.deploy import deploy
from shipit.delivery.project import Registries
from shipit.delivery.request import Request
from shipit.delivery.verify import Verified, verify
from shipit.errors import HeldError, UsageError
from shipit.model.deployment import Health, ObservedService
from shipit.model.digest import Digest
from shipit.model.events import ReleaseCreated
from shipit.model.image import Image, Reference
from shipit.model.progress import Succeeded
from shipit.model.release import ReleaseImage, summarize
from shipit.registry.client import Client
from tests.fakes import registry_images
from tests.fakes.project import HOME, FakeProject, environment, fails, make_release, run
from tests.fakes.registry import FakeRegistry
from tests.fakes.site import Site


@pytest.fixture
def deployed(project: FakeProject) -> FakeProject:
    project.release("a")
    run(deploy(project, Request("dev")))
    return project


def troubles(verified: Verified) -> list[str]:
    return [f"{p.subject}: {p.trouble}" for p in verified.proofs if p.trouble]


def held_downstream(project: FakeProject, trouble: str) -> None:
    """It is unhealthy on record, and the gate of the next environment says so."""
    current = project.state().current
    assert current is not None
    assert not current.healthy
    assert trouble in current.note
    _, error = fails(deploy(project, Request("qa", release="a")), HeldError)
    assert error.what.startswith("a may not enter qa: a runs in dev but is not healthy there: ")
    assert error.next_step == "mend it and run `shipit verify --env dev`"


def test_all_is_well(deployed: FakeProject) -> None:
    said = verify(deployed, "dev")
    assert (said.environment, said.release_id, said.healthy) == ("dev", "a", True)
    digest = deployed.ledger.read().releases[0].images["web"]
    assert [(p.subject, p.what) for p in said.proofs] == [
        ("web", f"runs {digest.short}"),
        ("web", f"whole in {HOME}/web"),
        ("retention", "what runs, and what ran before, is kept"),
    ]
    current = deployed.state().current
    assert current is not None
    assert current.healthy
    assert current.checked_at is not None
    assert current.checked_at > current.at


@pytest.mark.parametrize(
    ("change", "trouble"),
    [
        ({}, ""),
        (None, "is not scheduled"),
        ({"images": (Digest.of(b"other"),)}, f"scheduled with {Digest.of(b'other').short}, not "),
        ({"health": Health.STOPPED, "detail": "its schedule is stopped"}, "schedule is stopped"),
    ],
)
def test_what_runs_at_its_times_is_looked_at(
    project: FakeProject, change: dict[str, object] | None, trouble: str
) -> None:
    made = project.release("a", scheduled=["report"])
    digests = {name: made.images[name] for name in ("web", "report")}
    project.target().outcomes[""] = Succeeded(digests)
    run(deploy(project, Request("dev")))
    if change is not None:
        images = (digests["report"],)
        seen = ObservedService("report", 0, 0, Health.HEALTHY, images=images)
        project.target().running["report"] = replace(seen, **change)
    said = troubles(verify(project, "dev"))
    assert len(said) == bool(trouble)
    assert trouble in "".join(said)


@pytest.mark.parametrize(
    ("change", "trouble"),
    [
        ({"running": 0}, "web: is not running"),
        ({"images": (Digest.of(b"other"),)}, f"web: runs {Digest.of(b'other').short}, not "),
        ({"images": ()}, "web: runs nothing known, not "),
        ({"desired": 2}, "web: 1 of 2 run"),
        ({"health": Health.UNHEALTHY, "detail": "503"}, "web: is unhealthy: 503"),
        ({"health": Health.UNKNOWN}, "web: is unknown"),
        ({"health": Health.STARTING}, "web: is starting"),
    ],
)
def test_fm16_what_runs_is_looked_at(
    deployed: FakeProject, change: dict[str, object], trouble: str
) -> None:
    seen: ObservedService = deployed.target().running["web"]
    deployed.target().running["web"] = replace(seen, **change)
    said = verify(deployed, "dev")
    assert not said.healthy
    assert troubles(said)[0].startswith(trouble)
    held_downstream(deployed, trouble)


def test_fm16_a_service_that_is_gone(deployed: FakeProject) -> None:
    deployed.target().running.clear()
    assert troubles(verify(deployed, "dev")) == ["web: is not running"]
    held_downstream(deployed, "web: is not running")


def test_mended_and_verified_it_may_go_on(deployed: FakeProject) -> None:
    before = dict(deployed.target().running)
    deployed.target().running.clear()
    verify(deployed, "dev")
    deployed.target().running = before
    assert verify(deployed, "dev").healthy
    assert run(deploy(deployed, Request("qa"))).release_id == "a"


def test_fm19_what_the_registry_lost_is_found(deployed: FakeProject) -> None:
    (digest,) = deployed.ledger.read().releases[0].images.values()
    gone = f"{HOME}/web: the blob sha256:12 is missing"
    deployed.repositories.missing[f"{HOME}/web@{digest}"] = [gone]
    said = verify(deployed, "dev")
    assert troubles(said) == [f"web: {gone}"]
    assert ["build --force" in p.next_step for p in said.proofs] == [
        bool(p.trouble) for p in said.proofs
    ]
    held_downstream(deployed, gone)


def test_the_environments_checks_are_asked_again(project: FakeProject, site: Site) -> None:
    probed = project.again(environment("dev", verify=[site.check()]), environment("qa", "dev"))
    probed.release("a")
    run(deploy(probed, Request("dev")))
    assert verify(probed, "dev").healthy
    site.status = 500
    assert troubles(verify(probed, "dev")) == [
        f"{site.check().http}: answered 500, not 200 (for 300ms)"
    ]
    held_downstream(probed, "answered 500")


def test_nothing_was_deployed(project: FakeProject) -> None:
    with pytest.raises(UsageError, match="nothing was deployed to dev"):
        verify(project, "dev")


def test_what_was_seen_of_an_earlier_deployment_is_not_said_of_a_later_one(
    deployed: FakeProject,
) -> None:
    deployed.target().running.clear()

    def meanwhile(method: str) -> None:
        if method == "observe":
            deployed.target().hook = lambda _: None
            deployed.release("b")
            run(deploy(deployed.again(), Request("dev")))
            deployed.target().running.clear()

    deployed.target().hook = meanwhile
    assert not verify(deployed, "dev").healthy
    current = deployed.state().current
    assert current is not None
    assert (current.release_id, current.healthy) == ("b", True)


class WithRegistry(FakeProject):
    """A real registry client, on the registry of the test."""

    home = ""

    @contextmanager
    def registries(self) -> Iterator[Registries]:
        with Client() as client:
            yield Registries(client, self.home, embedded=True)


@pytest.fixture
def stored(tmp_path: Path) -> Iterator[tuple[WithRegistry, FakeRegistry, Image]]:
    """Release a runs, of an image of two platforms in a real registry."""
    with FakeRegistry(tmp_path / "registry") as registry, Client() as client:
        project = WithRegistry(tmp_path, environment("dev"), environment("qa", after="dev"))
        project.home = f"{registry.address}/shop"
        registry_images.push_two_platforms(client, f"{project.home}/web", "hello")
        image = client.resolve(Reference.parse(f"{project.home}/web:v1"))
        release = replace(make_release("a", ("dev", "qa")), images={"web": ReleaseImage(image)})
        project.ledger.put_release(release)
        project.say(ReleaseCreated(release=summarize(release)))
        run(deploy(project, Request("dev")))
        yield project, registry, image


def test_fm19_a_whole_image_is_whole(stored: tuple[WithRegistry, FakeRegistry, Image]) -> None:
    assert verify(stored[0], "dev").healthy


def test_fm19_a_child_that_a_clean_up_deleted(
    stored: tuple[WithRegistry, FakeRegistry, Image],
) -> None:
    project, _, image = stored
    child = image.platforms[1].manifest
    with Client() as client:
        assert client.delete_manifest(image.repository, child)
    (trouble,) = troubles(verify(project, "dev"))
    assert f"the manifest {child} of linux/arm64/v8 is missing" in trouble
    held_downstream(project, "is missing")


def test_fm19_a_layer_that_is_gone(stored: tuple[WithRegistry, FakeRegistry, Image]) -> None:
    project, _, image = stored
    with Client() as client:
        layer = client.get_manifest(image.repository, image.platforms[0].manifest).blobs[-1]
        assert client.delete_blob(image.repository, layer.digest)
    (trouble,) = troubles(verify(project, "dev"))
    assert f"the blob {layer.digest} is missing" in trouble
    held_downstream(project, "is missing")
