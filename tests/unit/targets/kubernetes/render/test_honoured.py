"""Nothing in a user's file is silently ignored: every key of Compose changes what is rendered, is
said to have no effect, or is refused by its path."""

import re
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import msgspec
import pytest

from shipit.errors import ConfigurationError
from shipit.targets.kubernetes import extension
from shipit.targets.kubernetes.render import Rendered, render
from tests.unit.targets.kubernetes.render.conftest import SETTING, Refused, Render, desired

Json = dict[str, Any]
ROOT = Path(__file__).parents[5]
KEYS = [
    line
    for line in (Path(__file__).parent / "compose_keys.txt").read_text().splitlines()
    if not line.startswith("#")
]
# Compose has done with these before a release is made, or they are of the whole file.
_DONE = {
    *("service.build", "service.develop", "service.env_file", "service.extends"),
    *("service.label_file", "service.profiles", "service.pull_policy"),
    *("service.pull_refresh_after", "service.image", "project.include", "project.version"),
    *("project.services", "project.networks", "project.volumes", "project.configs"),
    *("project.secrets", "project.name"),
    # Their old form, which Compose renders as the new one.
    *("network.external.name", "volume.external.name"),
    *("config.external.name", "secret.external.name"),
}
# What they say is so on Kubernetes anyway.
_ANYWAY = {
    "config.environment": "it cannot be beside `content`, and has a test of its own",
    "config.file": "the same",
    "secret.environment": "it cannot be beside `external`, and has a test of its own",
    "secret.file": "the same",
    "secret.external": "where secrets have to be",
    "service.cap_drop": "all are dropped",
    "service.configs[].gid": "files are root's",
    "service.configs[].uid": "files are root's",
    "service.depends_on": "all start at once, and `service_started` is true at once",
    "service.depends_on.*.condition": "its values have tests of their own",
    "service.depends_on.*.required": "what is not there is not waited for",
    "service.deploy.restart_policy.condition": "what is kept up is started again",
    "service.links": "a service's name is known to all",
    "service.ports[].host_ip": "a published port is not of one machine",
    "service.ports[].mode": "ingress is what every Service is",
    "service.restart": "what is kept up is started again",
    "service.secrets[].gid": "files are root's",
    "service.secrets[].uid": "files are root's",
    "service.userns_mode": "pods are in the machine's user namespace unless they say otherwise",
    "service.volumes[].bind": "of a bind, which is refused whole",
    "service.volumes[].bind.create_host_path": "the same",
    "service.volumes[].bind.propagation": "the same",
    "service.volumes[].bind.recursive": "the same",
    "service.volumes[].bind.selinux": "the same",
    "service.volumes[].tmpfs": "of a tmpfs, which has tests of its own",
    "service.volumes[].tmpfs.mode": "the same",
    "service.volumes[].tmpfs.size": "the same",
    "service.volumes[].type": "another one has a test of its own",
    "network.driver": "every network is the cluster's",
    "network.enable_ipv4": "addresses are the cluster's",
    "network.external": "what others have in it is not known here",
    "network.labels": "networks are no objects here",
    "network.name": "a network is known by its key",
    "volume.driver": "local is what a claim is",
}
BASE: Json = {
    "services": {
        "web": {
            "ports": [{"target": 80, "protocol": "tcp"}],
            "configs": [{"source": "site", "target": "/site"}],
            "secrets": [{"source": "key", "target": "key"}],
            "volumes": [{"type": "volume", "source": "data", "target": "/data"}],
            "networks": {"back": {}, "default": None},
            "depends_on": {"db": {"condition": "service_started", "required": True}},
            "post_start": [{"command": ["warm"]}],
            "pre_stop": [{"command": ["drain"]}],
            "healthcheck": {"test": ["CMD", "true"]},
            "gpus": [{"count": 1}],
            "deploy": {
                "placement": {"preferences": [{"spread": "node.labels.zone"}]},
                "resources": {"reservations": {"devices": [{"count": 1}]}},
            },
        },
        "db": {"networks": {"back": {}}},
    },
    "networks": {"back": {"name": "shop-dev_back"}, "default": {}},
    "volumes": {
        "data": {},
        "other": {"x-kubernetes": {"size": "1Gi"}},
    },
    "configs": {"site": {"content": "x"}, "other": {"content": "y"}},
    "secrets": {"key": {"external": True}, "other": {"external": True}},
}
# A value that Compose renders for each key; "x" for the others.
SAMPLES: Json = {
    "service.annotations": {"a": "b"},
    "service.attach": True,
    "service.cap_add": ["NET_RAW"],
    "service.cap_drop": ["CHOWN"],
    "service.command": ["run"],
    "service.configs": [{"source": "site", "target": "/other"}],
    "service.configs[].gid": "0",
    "service.configs[].mode": "0400",
    "service.configs[].source": "other",
    "service.configs[].target": "/other",
    "service.configs[].uid": "0",
    "service.container_name": "front",
    "service.cpus": 1.5,
    "service.depends_on": {"db": {"condition": "service_started"}},
    "service.depends_on.*.condition": "service_started",
    "service.depends_on.*.required": True,
    "service.depends_on.*.restart": True,
    "service.deploy": {"replicas": 0},
    "service.deploy.endpoint_mode": "dnsrr",
    "service.deploy.labels": {"a": "b"},
    "service.deploy.mode": "replicated-job",
    "service.deploy.placement": {"constraints": ["node.labels.a==b"]},
    "service.deploy.placement.constraints": ["node.labels.a==b"],
    "service.deploy.placement.preferences": [{"spread": "node.labels.rack"}],
    "service.deploy.placement.preferences[].spread": "node.labels.rack",
    "service.deploy.replicas": 0,
    "service.deploy.resources": {"limits": {"cpus": 2}},
    "service.deploy.resources.limits": {"cpus": 2},
    "service.deploy.resources.limits.cpus": 2,
    "service.deploy.resources.limits.memory": "1024",
    "service.deploy.resources.reservations": {"cpus": 2},
    "service.deploy.resources.reservations.cpus": 2,
    "service.deploy.resources.reservations.memory": "1024",
    "service.deploy.resources.reservations.devices": [{"count": 3}],
    "service.deploy.resources.reservations.devices[].capabilities": ["tpu"],
    "service.deploy.resources.reservations.devices[].count": 2,
    "service.deploy.resources.reservations.devices[].device_ids": ["0"],
    "service.deploy.restart_policy": {"condition": "none"},
    "service.deploy.restart_policy.condition": "any",
    "service.deploy.rollback_config": {"order": "stop-first"},
    "service.deploy.update_config": {"monitor": "1m"},
    "service.deploy.update_config.delay": "1m",
    "service.deploy.update_config.failure_action": "continue",
    "service.deploy.update_config.max_failure_ratio": 0.5,
    "service.deploy.update_config.monitor": "1m",
    "service.deploy.update_config.order": "start-first",
    "service.deploy.update_config.parallelism": 3,
    "service.dns": ["1.1.1.1"],
    "service.dns_opt": ["rotate"],
    "service.dns_search": ["test"],
    "service.entrypoint": ["run"],
    "service.environment": {"A": "1"},
    "service.expose": ["9000"],
    "service.extra_hosts": ["a=10.0.0.1"],
    "service.gpus": [{"count": 2}],
    "service.gpus[].capabilities": ["tpu"],
    "service.gpus[].count": 2,
    "service.gpus[].device_ids": ["0"],
    "service.group_add": ["7"],
    "service.healthcheck": {"test": ["CMD", "other"]},
    "service.healthcheck.disable": True,
    "service.healthcheck.interval": "7s",
    "service.healthcheck.retries": 7,
    "service.healthcheck.start_interval": "7s",
    "service.healthcheck.start_period": "7s",
    "service.healthcheck.test": ["CMD", "other"],
    "service.healthcheck.timeout": "7s",
    "service.init": True,
    "service.ipc": "host",
    "service.labels": {"a": "b"},
    "service.links": ["db"],
    "service.logging": {"driver": "json-file"},
    "service.mem_limit": "1024",
    "service.mem_reservation": "1024",
    "service.network_mode": "host",
    "service.networks": {"default": None},
    "service.networks.*.aliases": ["front"],
    "service.pid": "host",
    "service.platform": "linux/arm64",
    "service.ports": [{"target": 81}],
    "service.ports[].app_protocol": "http",
    "service.ports[].host_ip": "127.0.0.1",
    "service.ports[].mode": "ingress",
    "service.ports[].name": "http",
    "service.ports[].protocol": "udp",
    "service.ports[].published": "8080",
    "service.ports[].target": 81,
    "service.post_start": [{"command": ["other"]}],
    "service.post_start[].command": ["other"],
    "service.post_start[].environment": {"A": "1"},
    "service.post_start[].privileged": True,
    "service.pre_stop": [{"command": ["other"]}],
    "service.pre_stop[].command": ["other"],
    "service.pre_stop[].environment": {"A": "1"},
    "service.pre_stop[].privileged": True,
    "service.privileged": True,
    "service.read_only": True,
    "service.restart": "always",
    "service.scale": 0,
    "service.secrets": [{"source": "key", "target": "other"}],
    "service.secrets[].gid": "0",
    "service.secrets[].mode": "0400",
    "service.secrets[].source": "other",
    "service.secrets[].target": "/other",
    "service.secrets[].uid": "0",
    "service.security_opt": ["seccomp:unconfined"],
    "service.shm_size": "1024",
    "service.stdin_open": True,
    "service.stop_grace_period": "7s",
    "service.sysctls": {"net.core.somaxconn": "1"},
    "service.tmpfs": ["/tmp"],
    "service.tty": True,
    "service.user": "7",
    "service.userns_mode": "host",
    "service.volumes": [{"type": "volume", "source": "data", "target": "/other"}],
    "service.volumes[].bind": {"propagation": "rshared"},
    "service.volumes[].read_only": True,
    "service.volumes[].source": "other",
    "service.volumes[].target": "/other",
    "service.volumes[].tmpfs": {"mode": 1},
    "service.volumes[].type": "volume",
    "service.volumes[].volume": {"subpath": "a"},
    "service.volumes[].volume.labels": {"a": "b"},
    "service.volumes[].volume.nocopy": True,
    "network.driver": "bridge",
    "network.driver_opts": {"a": "b"},
    "network.enable_ipv4": True,
    "network.external": True,
    "network.internal": True,
    "network.ipam": {"driver": "x"},
    "network.labels": {"a": "b"},
    "volume.driver": "local",
    "volume.driver_opts": {"a": "b"},
    "volume.external": True,
    "volume.labels": {"a": "b"},
    "config.content": "other",
    "config.external": True,
    "config.labels": {"a": "b"},
    "secret.external": True,
}
_SECTION = {"network": "back", "volume": "data", "config": "site", "secret": "key"}


def steps(key: str) -> list[str | int]:
    """Where a key of the list is in BASE."""
    first, *rest = key.split(".")
    if first == "service":
        found: list[str | int] = ["services", "web"]
    elif first == "project":
        found = []
    else:
        found = [f"{first}s", _SECTION[first]]
    for n, word in enumerate(rest):
        if word == "*":
            found.append({"depends_on": "db", "networks": "back"}.get(rest[n - 1], "nofile"))
        else:
            found += [word.removesuffix("[]"), 0] if word.endswith("[]") else [word]
    return found


def with_key(key: str, value: Any) -> Json:
    made: Any = deepcopy(BASE)
    holder = made
    *way, last = steps(key)
    for n, step in enumerate(way):
        if isinstance(holder, dict):
            follows = way[n + 1] if n + 1 < len(way) else last
            holder.setdefault(step, [{}] if follows == 0 else {})
        holder = holder[step]
    if last in ("network_mode",):
        del holder["networks"]
    holder[last] = value
    return dict(made)


def rendered_project(project: Mapping[str, Any]) -> Rendered:
    services, sections = project["services"], dict(project)
    del sections["services"]
    return render(desired(services, **sections), SETTING)


def path_of(key: str) -> str:
    """As a message names it."""
    text = ""
    for step in steps(key):
        text += f"[{step}]" if isinstance(step, int) else f".{step}"
    return text.removeprefix(".")


def outcome(key: str) -> str:
    """honoured, noted, refused or ignored."""
    before = rendered_project(BASE)
    try:
        after = rendered_project(with_key(key, SAMPLES.get(key, "x")))
    except ConfigurationError as error:
        return "refused" if _is_about(error.path, key) else f"refused as {error}"
    if after.objects != before.objects:
        return "honoured"
    said = set(after.notes) - set(before.notes)
    return (
        "noted" if any(_is_about(note.split()[0].rstrip(":"), key) for note in said) else "ignored"
    )


def _is_about(path: str, key: str) -> bool:
    """The very key, what it is in (refused whole), or what is in it."""
    own = path_of(key)
    return bool(path) and (own.startswith(path) or path.startswith(own))


@pytest.mark.parametrize("key", [key for key in KEYS if key not in _DONE])
def test_no_key_is_silently_ignored(key: str) -> None:
    if key in _ANYWAY:
        assert outcome(key) == "ignored"
    else:
        assert outcome(key) in ("honoured", "noted", "refused")


def test_a_key_that_nobody_knows_yet_is_refused(refused: Refused) -> None:
    assert refused({"web": {"newest": 1}}).path == "services.web.newest"
    assert refused({"web": {"deploy": {"newest": 1}}}).path == "services.web.deploy.newest"


def test_the_extension_is_under_what_it_is_about(refused: Refused) -> None:
    own: Json = {"x-kubernetes": {"a": 1}}
    assert refused({"web": {}}, **own).path == "x-kubernetes"
    error = refused({"web": {"networks": {"back": None}}}, networks={"back": own})
    assert error.path == "networks.back.x-kubernetes"


def test_extensions_of_others_are_free(rendered: Render) -> None:
    own = {"x-anything": {"a": 1}}
    plain = rendered({"web": {}})
    made = rendered({"web": {**own, "deploy": own}}, **own)
    assert made.rendered.objects == plain.rendered.objects


def test_what_says_nothing_is_no_key(rendered: Render) -> None:
    nothing: Json = {"ulimits": {}, "devices": [], "cpu_shares": None, "oom_kill_disable": False}
    assert rendered({"web": nothing}).kinds == ["Service", "Deployment"]


def test_a_section_that_no_service_uses_is_nobodys(rendered: Render) -> None:
    unused = {"cache": {"driver": "rexray"}}
    assert rendered({"web": {}}, volumes=unused).kinds == ["Service", "Deployment"]


@pytest.mark.parametrize(
    ("definition", "path"),
    [
        ({"restart": "no"}, "restart"),
        ({"deploy": {"restart_policy": {"condition": "none"}}}, "deploy.restart_policy.condition"),
        ({"deploy": {"mode": "global-job"}}, "deploy.mode"),
        ({"network_mode": "none"}, "network_mode"),
        ({"network_mode": "container:x"}, "network_mode"),
        ({"pid": "service:db"}, "pid"),
        ({"ipc": "shareable"}, "ipc"),
        ({"ulimits": {"nofile": 5}}, "ulimits"),
        ({"devices": [{"source": "/dev/fuse"}]}, "devices"),
        ({"stop_signal": "SIGQUIT"}, "stop_signal"),
        (
            {"deploy": {"placement": {"max_replicas_per_node": 1}}},
            "deploy.placement.max_replicas_per_node",
        ),
        ({"networks": {"default": {"ipv4_address": "10.0.0.2"}}}, "networks.default.ipv4_address"),
    ],
)
def test_values_that_cannot_be(refused: Refused, definition: Json, path: str) -> None:
    assert refused({"web": definition}).path == f"services.web.{path}"


def test_the_reference_names_every_key() -> None:
    page = (ROOT / "docs/reference/targets/kubernetes-compose.md").read_text()
    words = set(re.findall(r"[a-z_]+", " ".join(re.findall(r"`[^`]+`|```.*?```", page, re.DOTALL))))
    keys = {key.split(".")[1].removesuffix("[]") for key in KEYS if key.startswith("service.")}
    own = {
        field.encode_name
        for kind in (extension.Service, extension.Secret, extension.Volume)
        for field in msgspec.structs.fields(kind)
    }
    assert (keys | own) - words == set()
