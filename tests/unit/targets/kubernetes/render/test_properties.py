"""Any project that is not refused renders to valid objects, always the same, all by digest."""

from collections.abc import Iterator
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipit.errors import ConfigurationError
from shipit.model import codec
from shipit.model.deployment import Desired
from shipit.targets.kubernetes.render import Rendered, job, render
from tests.unit.targets.kubernetes.render.conftest import SETTING, desired, valid

Json = dict[str, Any]
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=12)
LABELS = st.from_regex(r"[a-z]{1,4}(\.[a-z]{1,4})?(/[A-Z_a-z.]{0,4}[a-z])?", fullmatch=True)
NAMES = st.sampled_from(["web", "api", "db", "worker"])
DURATIONS = st.sampled_from(["500ms", "1s", "10s", "1m30s"])
PORTS = st.fixed_dictionaries(
    {"target": st.integers(1, 65535), "protocol": st.sampled_from(["tcp", "udp"])},
    optional={
        "published": st.integers(1, 65535).map(str),
        "app_protocol": st.just("http"),
        "mode": st.sampled_from(["ingress", "host"]),
    },
)
TARGETS = st.sampled_from(["/data", "/var/lib/x", "/etc/y", "/srv/z.conf"])
MOUNTS = st.one_of(
    st.fixed_dictionaries(
        {
            "type": st.just("volume"),
            "source": st.sampled_from(["own", "many", "each"]),
            "target": TARGETS,
        },
        optional={"read_only": st.booleans()},
    ),
    st.fixed_dictionaries({"type": st.just("volume"), "target": TARGETS}),
    st.fixed_dictionaries(
        {"type": st.just("tmpfs"), "target": TARGETS, "tmpfs": st.just({"size": "1024"})}
    ),
)
FILES = st.fixed_dictionaries(
    {"source": st.just("file"), "target": TARGETS}, optional={"mode": st.just("0440")}
)
HEALTHCHECKS = st.fixed_dictionaries(
    {"test": st.sampled_from([["CMD", "true"], ["CMD-SHELL", "exit $$?"], ["NONE"]])},
    optional={
        "interval": DURATIONS,
        "timeout": DURATIONS,
        "start_period": DURATIONS,
        "start_interval": DURATIONS,
        "retries": st.integers(0, 9),
    },
)
DEPLOYS = st.fixed_dictionaries(
    {},
    optional={
        "mode": st.sampled_from(["replicated", "global"]),
        "replicas": st.integers(0, 4),
        "labels": st.dictionaries(LABELS, WORDS, max_size=2),
        "resources": st.fixed_dictionaries(
            {
                "limits": st.fixed_dictionaries(
                    {}, optional={"cpus": st.floats(0, 8), "memory": st.integers(0, 2**40).map(str)}
                )
            }
        ),
        "update_config": st.fixed_dictionaries(
            {},
            optional={
                "parallelism": st.integers(0, 5),
                "order": st.sampled_from(["start-first", "stop-first"]),
                "monitor": DURATIONS,
            },
        ),
    },
)
EXTENSIONS = st.fixed_dictionaries(
    {},
    optional={
        "autoscale": st.just({"min": 2, "max": 5, "memory": 70}),
        "ingress": st.just({"hosts": ["shop.test"]}),
        "publish": st.just({}),
        "secrets": st.just({"TOKEN": "shop/token"}),
        "service_account": st.just({"annotations": {"role": "r"}}),
        "pod": NAMES,
        "drain": DURATIONS,
    },
)
SERVICES = st.fixed_dictionaries(
    {},
    optional={
        "command": st.lists(WORDS, max_size=3),
        "entrypoint": st.lists(WORDS, max_size=2),
        "environment": st.dictionaries(
            st.from_regex(r"[A-Z_]{1,8}", fullmatch=True), st.none() | WORDS, max_size=3
        ),
        "ports": st.lists(PORTS, max_size=3),
        "expose": st.lists(st.sampled_from(["80", "9000-9002", "53/udp"]), max_size=2),
        "volumes": st.lists(MOUNTS, max_size=2, unique_by=lambda m: str(m["target"])),
        "tmpfs": st.just(["/tmp:size=1m"]),
        "configs": st.lists(FILES, max_size=1),
        "secrets": st.lists(FILES, max_size=1),
        "healthcheck": HEALTHCHECKS,
        "deploy": DEPLOYS,
        "labels": st.dictionaries(LABELS, WORDS, max_size=2),
        "user": st.sampled_from(["0", "root", "1000", "1000:7", "node"]),
        "read_only": st.booleans(),
        "init": st.booleans(),
        "cap_add": st.just(["NET_ADMIN"]),
        "networks": st.dictionaries(
            st.sampled_from(["front", "back"]), st.none(), min_size=1, max_size=2
        ),
        "x-kubernetes": EXTENSIONS,
        "x-shipit": st.sampled_from([{"run": "before"}, {"schedule": "0 3 * * *"}]),
    },
)
SECTIONS: Json = {
    "volumes": {
        "own": {},
        "each": {"x-kubernetes": {"each": True}},
        "many": {"x-kubernetes": {"access": "ReadWriteMany"}},
    },
    "configs": {"file": {"content": "x $$y"}},
    "secrets": {"file": {"external": True}},
    "networks": {"front": {}, "back": {"internal": True}},
}


def rendered_or_why(wanted: Desired) -> Rendered | str:
    try:
        return render(wanted, SETTING)
    except ConfigurationError as error:
        return error.path


def images(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("image"), str):
            yield value["image"]
        for inner in value.values():
            yield from images(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from images(inner)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(st.dictionaries(NAMES, SERVICES, min_size=1, max_size=3))
def test_any_project(services: dict[str, Json]) -> None:
    wanted = desired(services, **SECTIONS)
    before = codec.canonical(wanted.project)
    found = rendered_or_why(wanted)
    if isinstance(found, str):
        assert found  # a key by its path
        return
    tasks = [job(wanted, n, SETTING, key="k") for n in services if not has_its_own(services[n])]
    valid([*found.objects, *tasks])
    assert render(wanted, SETTING) == found
    assert codec.canonical(wanted.project) == before
    used = set(images([*found.objects, *tasks]))
    assert used <= {image.reference for image in wanted.images.values()}
    keys = [(o["kind"], o["metadata"]["name"]) for o in found.objects]
    assert len(set(keys)) == len(keys)
    assert set(found.workloads) | set(found.beside) == set(wanted.services)
    for service, one in found.workloads.items():
        selector = one["spec"]["selector"]["matchLabels"]
        assert selector.items() <= one["spec"]["template"]["metadata"]["labels"].items()
        for mount in (m for c in containers(one) for m in c.get("volumeMounts", ())):
            assert mount["name"] in volumes(one), service


def has_its_own(service: Json) -> bool:
    return any(mount.get("source") == "each" for mount in service.get("volumes", ()))


def containers(workload: Json) -> list[Json]:
    pod = workload["spec"]["template"]["spec"]
    return [*pod["containers"], *pod.get("initContainers", ())]


def volumes(workload: Json) -> set[str]:
    spec = workload["spec"]
    templates = {t["metadata"]["name"] for t in spec.get("volumeClaimTemplates", ())}
    return templates | {v["name"] for v in spec["template"]["spec"].get("volumes", ())}
