"""Images that the kubelet would not start under runAsNonRoot, found before it says so."""

from collections.abc import Collection
from typing import Any

import pytest

from shipit.errors import RemoteError
from shipit.model.deployment import Desired, Finding
from shipit.model.digest import Digest
from shipit.model.image import Image
from shipit.targets.kubernetes import users
from shipit.targets.kubernetes.render import Setting, render
from shipit.targets.kubernetes.templates import templates

IMAGES = {name: Image(f"r/{name}", Digest.of(name.encode())) for name in ("web", "db")}


def desired(**services: dict[str, Any]) -> Desired:
    project = {
        "name": "shop-qa",
        "services": {n: {"image": IMAGES[n].reference, **s} for n, s in services.items()},
    }
    names = tuple(services)
    return Desired("shop", "qa", Digest.of(b"r"), "1", project, dict(IMAGES), names)


def found(wanted: Desired, *of_image: str) -> list[Finding]:
    """`of_image` is the user of each platform."""

    def read(_: Image) -> Collection[str]:
        return of_image

    return list(users.findings(templates(render(wanted, Setting()).objects), wanted, read))


@pytest.mark.parametrize(
    ("user", "said"),
    [
        ("", "its image runs as root"),
        ("0", "its image runs as root"),
        ("0:1000", "its image runs as root"),
        ("root", "its image's user is root, a name and no number"),
        ("nobody:nogroup", "its image's user is nobody, a name and no number"),
        ("1000", ""),
        ("1000:0", ""),
    ],
)
def test_as_the_kubelet_judges(user: str, said: str) -> None:
    result = found(desired(web={}), user)
    if not said:
        assert not result
        return
    [finding] = result
    assert (finding.level, finding.subject) == ("error", "images")
    assert finding.what.startswith(f"Deployment/web: {said}")
    assert 'user: "1000"' in finding.next_step


@pytest.mark.parametrize("web", [{"user": "1000"}, {"user": "0"}, {"privileged": True}])
def test_where_compose_says_it_no_image_is_asked(web: dict[str, Any]) -> None:
    assert not found(desired(web=web), "")


def test_one_platform_of_several_is_enough() -> None:
    assert len(found(desired(web={}), "1000", "")) == 1


def test_each_container_by_itself() -> None:
    assert [f.what.partition(":")[0] for f in found(desired(web={}, db={"user": "70"}), "")] == [
        "Deployment/web"
    ]


def test_an_image_that_cannot_be_read_is_not_verified() -> None:
    def read(_: Image) -> Collection[str]:
        raise RemoteError("the registry does not answer", next_step="try again")

    wanted = desired(web={})
    objects = render(wanted, Setting()).objects
    [finding] = users.findings(templates(objects), wanted, read)
    assert (finding.level, finding.next_step) == ("warning", "try again")
    assert "not verified whether the image of web runs as root" in finding.what


def own(pod: dict[str, Any], container: dict[str, Any]) -> dict[str, Any]:
    web = {"name": "app", "image": IMAGES["web"].reference, "securityContext": container}
    template = {"spec": {"containers": [web], "securityContext": pod}}
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "web"},
        "spec": {"jobTemplate": {"spec": {"template": template}}},
    }


@pytest.mark.parametrize(
    ("pod", "container", "is_refused"),
    [
        ({}, {}, False),
        ({"runAsNonRoot": True}, {}, True),
        ({"runAsNonRoot": True}, {"runAsNonRoot": False}, False),
        ({"runAsNonRoot": True, "runAsUser": 1000}, {}, False),
        ({"runAsUser": 1000}, {"runAsNonRoot": True}, False),
    ],
)
def test_a_container_counts_more_than_its_pod(
    pod: dict[str, Any], container: dict[str, Any], is_refused: bool
) -> None:
    one = own(pod, container)
    wanted = Desired("shop", "qa", Digest.of(b"r"), "1", {}, dict(IMAGES), ("web",), source=(one,))
    result = list(users.findings(templates([one]), wanted, lambda _: [""]))
    assert bool(result) is is_refused
    assert all("runAsUser" in finding.next_step for finding in result)
