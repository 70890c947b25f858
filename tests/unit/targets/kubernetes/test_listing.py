"""Rows of `shipit ps`."""

from typing import Any

import msgspec
import pytest

from shipit.targets.kubernetes import listing
from tests.fakes.namespace import Namespace, pod

DIGEST = f"sha256:{'a' * 64}"


def rows(one: dict[str, Any]) -> list[dict[str, str]]:
    return list(listing.rows([msgspec.convert(one, listing.ShownPod)]))


def waiting(reason: str, **more: Any) -> dict[str, Any]:
    return {"state": {"waiting": {"reason": reason}}, **more}


def test_a_row() -> None:
    one = pod("web-7d9f-x2v", status={"podIP": "10.1.2.3"})
    ports = [{"containerPort": 8000, "protocol": "TCP"}, {"containerPort": 53, "protocol": "UDP"}]
    one["spec"]["containers"][0] |= {"ports": ports}
    assert rows(one) == [
        {
            "name": "web-7d9f-x2v",
            "service": "web",
            "image": "r/web",
            "digest": DIGEST,
            "state": "running",
            "health": "healthy",
            "ports": "10.1.2.3:8000/tcp, 10.1.2.3:53/udp",
            "since": "2026-11-24T10:00:00+00:00",
        }
    ]


def test_a_container_beside_it_has_a_row_of_its_own() -> None:
    one = pod("web-1")
    for part in (one["spec"]["containers"], one["status"]["containerStatuses"]):
        part.append({**part[0], "name": "istio-proxy"})
    assert [row["name"] for row in rows(one)] == ["web-1/web", "web-1/istio-proxy"]


def test_services_that_share_a_pod_have_a_row_each() -> None:
    one = pod("web-1")
    for part in (one["spec"]["containers"], one["status"]["containerStatuses"]):
        part += [{**part[0], "name": name} for name in ("proxy", "istio-proxy")]
    one["metadata"]["annotations"] = {"shipit.dev/services": "web,proxy"}
    assert [row["service"] for row in rows(one)] == ["web", "proxy", "web"]


def test_pods_are_read_in_the_few_fields_that_are_shown() -> None:
    with Namespace() as shop:
        for name in ("web-1", "web-2"):
            shop.put(pod(name))
        found = listing.containers(shop.cluster(), "shipit.dev/service=web")
    assert [row["name"] for row in found] == ["web-1", "web-2"]


@pytest.mark.parametrize(
    ("status", "state", "health"),
    [
        ({}, "running", "healthy"),
        ({"ready": False}, "running", "starting"),
        (
            {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "restartCount": 3},
            "CrashLoopBackOff",
            "unhealthy",
        ),
        ({"state": {"waiting": {"reason": "ImagePullBackOff"}}}, "ImagePullBackOff", "unknown"),
        ({"state": {"terminated": {"exitCode": 137}}}, "exited (137)", "unknown"),
    ],
)
def test_how_a_container_stands(status: dict[str, Any], state: str, health: str) -> None:
    [row] = rows(pod("web-1", container=status))
    assert (row["state"], row["health"]) == (state, health)


@pytest.mark.parametrize(
    ("status", "health"),
    [({"started": False}, "starting"), ({"started": True}, "unhealthy")],
)
def test_a_readiness_probe_that_does_not_answer(status: dict[str, Any], health: str) -> None:
    one = pod("web-1", container={"ready": False, **status})
    one["spec"]["containers"][0]["readinessProbe"] = {"exec": {"command": ["true"]}}
    [row] = rows(one)
    assert row["health"] == health


def test_a_pod_that_no_kubelet_has_seen() -> None:
    """Unknown is not healthy."""
    one = pod("web-1")
    one["status"] = {"phase": "Pending"}
    [row] = rows(one)
    assert (row["state"], row["health"], row["digest"], row["since"]) == (
        "pending",
        "unknown",
        "",
        "",
    )


def test_a_pod_on_its_way_out() -> None:
    one = pod("web-1")
    one["metadata"]["deletionTimestamp"] = "2026-11-24T10:00:00Z"
    [row] = rows(one)
    assert row["state"] == "terminating"


@pytest.mark.parametrize(
    ("reported", "digest"),
    [
        (f"docker-pullable://r/web@{DIGEST}", DIGEST),
        (f"docker.io/library/web@{DIGEST}", DIGEST),
        (DIGEST, DIGEST),
        ("docker.io/library/web:latest", ""),
    ],
)
def test_what_a_kubelet_reports(reported: str, digest: str) -> None:
    [row] = rows(pod("web-1", container={"imageID": reported}))
    assert row["digest"] == digest
