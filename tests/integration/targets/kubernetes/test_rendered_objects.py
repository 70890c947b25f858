"""What is rendered, before a real API server: taken as it is, unchanged when it comes again, and
admitted where only restricted pods are."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipit.model import application
from shipit.model.deployment import Desired
from shipit.model.digest import Digest
from shipit.model.image import Image
from shipit.model.progress import Succeeded
from shipit.targets.kubernetes.render import Setting, job, render
from tests.fakes.cluster.kubernetes import Cluster
from tests.integration.targets.kubernetes.conftest import Place
from tests.unit.targets.kubernetes.render.conftest import desired as project
from tests.unit.targets.kubernetes.render.test_properties import (
    NAMES,
    SECTIONS,
    SERVICES,
    has_its_own,
    rendered_or_why,
)

pytestmark = pytest.mark.cluster
Json = dict[str, Any]
PORTS = [{"mode": "ingress", "target": 80, "published": "8080", "protocol": "tcp"}]
DATA = {"type": "volume", "source": "data", "target": "/data"}
EVERYTHING: Json = {
    "web": {
        "ports": PORTS,
        "entrypoint": ["sh", "-c"],
        "command": ["echo $$HOME $$(date)"],
        "environment": {"A": "$$(B)"},
        "labels": {"team": "shop", "rule": "Host(`x`)"},
        "user": "1000:1000",
        "read_only": True,
        "init": True,
        "cap_add": ["NET_BIND_SERVICE"],
        "hostname": "shop",
        "extra_hosts": ["a=10.0.0.1"],
        "dns": ["1.1.1.1"],
        "tmpfs": ["/tmp:size=64m"],
        "shm_size": "67108864",
        "stop_grace_period": "1m",
        "healthcheck": {"test": ["CMD", "true"], "start_period": "10s", "interval": "5s"},
        "post_start": [{"command": ["warm"]}],
        "configs": [{"source": "site", "target": "/etc/site", "mode": "0440"}],
        "secrets": [{"source": "key", "target": "key"}],
        "volumes": [{"type": "volume", "source": "shared", "target": "/shared"}],
        "networks": {"front": {"aliases": ["shop"]}, "back": None},
        "depends_on": {"db": {"condition": "service_healthy", "required": True}},
        "deploy": {
            "update_config": {"order": "start-first", "parallelism": 1, "monitor": "5s"},
            "resources": {
                "limits": {"cpus": 1, "memory": "1073741824"},
                "reservations": {"cpus": 0.25, "memory": "104857600"},
            },
            "placement": {
                "constraints": ["node.labels.disk==ssd", "node.hostname!=old"],
                "preferences": [{"spread": "node.labels.zone"}],
            },
        },
        "x-kubernetes": {
            "ingress": {"hosts": ["shop.test"], "class": "nginx", "tls": "shop-tls"},
            "publish": {"type": "NodePort"},
            "autoscale": {"min": 2, "max": 5, "cpu": 70, "memory": 80},
            "secrets": {"TOKEN": "shop/token"},
            "wait": {"db": ["pg_isready", "-h", "db"]},
            "service_account": {"annotations": {"eks.amazonaws.com/role-arn": "arn"}},
            "pull_secrets": ["registry"],
            "drain": "5s",
            "tolerations": [{"key": "spot", "operator": "Exists"}],
            "patch": {"Deployment": {"spec": {"revisionHistoryLimit": 3}}},
        },
    },
    "proxy": {"x-kubernetes": {"pod": "web", "probes": {"tcp": 81}}, "expose": ["81"]},
    "db": {"volumes": [DATA], "user": "70", "networks": {"back": None}, "sysctls": {}},
    "backup": {
        "volumes": [DATA],
        "networks": {"back": None},
        "x-shipit": {"schedule": "0 3 * * *", "timezone": "Europe/Madrid"},
    },
    "each": {
        "volumes": [{"type": "volume", "source": "each", "target": "/each"}],
        "deploy": {"replicas": 3},
    },
    "agent": {"deploy": {"mode": "global"}, "network_mode": "host", "user": "0"},
    "migrate": {"networks": {"back": None}, "x-shipit": {"run": "before"}},
}
EVERY_SECTION: Json = {
    "configs": {"site": {"content": "listen 80;"}},
    "secrets": {"key": {"external": True, "name": "shop"}},
    "volumes": {
        "data": {},
        "shared": {"x-kubernetes": {"access": "ReadWriteMany", "class": "nfs"}},
        "each": {"x-kubernetes": {"each": True, "size": "5Gi"}},
    },
    "networks": {"front": {}, "back": {"internal": True}, "default": {}},
}


@pytest.fixture(scope="module")
def space(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """For tests that change nothing in it."""
    folder: Path = tmp_path_factory.mktemp("space")
    with cluster.namespace() as namespace:
        yield Place(cluster, namespace, folder)


def desired(services: Json, **sections: Any) -> Desired:
    images = {n: Image(f"registry.test/shop/{n}", Digest.of(n.encode())) for n in services}
    named = {n: {**said, "image": images[n].reference} for n, said in services.items()}
    project = {"name": "shop-dev", **sections, "services": named}
    return Desired(
        app="shop",
        environment="dev",
        release=Digest.of(b"release"),
        release_id="r1",
        project=project,
        images=images,
        services=application.long_running(project),
        before=application.one_offs(project, "before"),
        scheduled=application.scheduled(project),
    )


def taken(place: Place, objects: Sequence[Json], *words: str) -> list[Json]:
    """As the server would keep them."""
    said = place.kubectl(
        *("apply", "--server-side", "--field-manager=shipit", "--validate=strict"),
        *("-o", "json", "-f", "-", *words),
        stdin={"apiVersion": "v1", "kind": "List", "items": list(objects)},
    )
    answer = json.loads(said)
    return [answer] if answer["kind"] != "List" else list(answer["items"])


def test_an_api_server_takes_all_of_it(place: Place) -> None:
    wanted = desired(EVERYTHING, **EVERY_SECTION)
    setting = Setting(namespace=place.namespace)
    objects = [*render(wanted, setting).objects, job(wanted, "migrate", setting, key="1")]
    assert {one["kind"] for one in objects} >= {
        *("ServiceAccount", "ConfigMap", "PersistentVolumeClaim", "Service", "Deployment"),
        *("StatefulSet", "DaemonSet", "CronJob", "Job", "PodDisruptionBudget"),
        *("HorizontalPodAutoscaler", "Ingress", "NetworkPolicy"),
    }
    assert len(taken(place, objects, "--dry-run=server")) == len(objects)


@settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
@given(st.dictionaries(NAMES, SERVICES, min_size=1, max_size=3))
def test_what_is_not_refused_is_taken(space: Place, services: Json) -> None:
    """What the schemas cannot tell, an API server can: twins, places, lengths."""
    wanted, setting = project(services, **SECTIONS), Setting(namespace=space.namespace)
    found = rendered_or_why(wanted)
    if isinstance(found, str):
        return
    tasks = [job(wanted, n, setting, key="k") for n in services if not has_its_own(services[n])]
    objects = [*render(wanted, setting).objects, *tasks]
    assert len(taken(space, objects, "--dry-run=server")) == len(objects)


def test_it_is_kept_as_it_is_written(place: Place) -> None:
    """Amounts in the server's own form, nothing that it would write otherwise: what did not change
    never looks changed."""
    wanted = desired(EVERYTHING, **EVERY_SECTION)
    objects = render(wanted, Setting(namespace=place.namespace)).objects
    kept = {(o["kind"], o["metadata"]["name"]): o for o in taken(place, objects)}
    for one in objects:
        found = kept[one["kind"], one["metadata"]["name"]]
        assert list(differing(one, found, one["kind"])) == []


def differing(want: Any, found: Any, path: str) -> Any:
    if isinstance(want, dict):
        for key, value in want.items():
            yield from differing(value, (found or {}).get(key), f"{path}.{key}")
    elif isinstance(want, list) and isinstance(found, list) and len(want) == len(found):
        for n, value in enumerate(want):
            yield from differing(value, found[n], f"{path}[{n}]")
    elif want != found:
        yield path, want, found


def test_a_second_plan_changes_nothing(place: Place) -> None:
    """Nor does a later deployment of the same content."""
    wanted = place.shop.desired({"web": {"ports": PORTS, "tmpfs": ["/tmp:size=1024m"]}})
    assert isinstance(place.deploy(wanted)[2], Succeeded)
    target = place.target()
    assert not target.plan(wanted, target.observe()).changed


def test_pods_are_admitted_where_only_restricted_ones_are(cluster: Cluster) -> None:
    """kubernetes.io, "Pod Security Standards": the default is the strictest profile."""
    enforced = {"pod-security.kubernetes.io/enforce": "restricted"}
    check = {"test": ["CMD", "true"]}
    services: Json = {
        "plain": {},
        "full": {"ports": PORTS, "healthcheck": check, "user": "1000", "tmpfs": ["/tmp"]},
        "kept": {"volumes": [DATA]},
        "root": {"user": "0"},
        "strong": {"privileged": True},
        "migrate": {"x-shipit": {"run": "before"}},
    }
    with cluster.namespace(**enforced) as namespace:
        setting = Setting(namespace=namespace)
        wanted = desired(services, volumes={"data": {}})
        found = {n: w["spec"]["template"] for n, w in render(wanted, setting).workloads.items()}
        found["migrate"] = job(wanted, "migrate", setting, key="1")["spec"]["template"]
        refused = {name for name, pod in found.items() if not _admitted(cluster, namespace, pod)}
    assert refused == {"root", "strong"}


def _admitted(cluster: Cluster, namespace: str, template: Json) -> bool:
    pod = {"apiVersion": "v1", "kind": "Pod", **template}
    pod["metadata"] = {**template["metadata"], "name": "one", "namespace": namespace}
    said = cluster.kubectl(
        "create", "--dry-run=server", "-f", "-", stdin=json.dumps(pod), check=False
    )
    assert "created" in said or "violates PodSecurity" in said, said
    return "created" in said


def test_pods_that_share_a_volume_come_to_one_node(place: Place) -> None:
    """The first of them may be anywhere."""
    mounting = {"volumes": [{**DATA, "type": "volume"}], "networks": None}
    wanted = place.shop.desired(
        {"web": mounting, "cron": mounting},
        volumes={"data": {"external": True, "name": "none", "x-kubernetes": NOWHERE}},
    )
    objects = render(wanted, Setting(namespace=place.namespace)).objects
    taken(place, [_without_claims(one) for one in objects])
    place.kubectl("rollout", "status", "statefulset/web", "--timeout=60s")
    place.kubectl("rollout", "status", "statefulset/cron", "--timeout=60s")


NOWHERE = {"access": "ReadWriteOnce"}


def _without_claims(one: Json) -> Json:
    """No storage is to be had here; where pods may be is what is asked."""
    pod = one.get("spec", {}).get("template", {}).get("spec", {})
    for volume in pod.get("volumes", ()):
        if volume.pop("persistentVolumeClaim", None):
            volume["emptyDir"] = {}
    return one
