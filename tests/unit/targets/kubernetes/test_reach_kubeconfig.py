"""Kubeconfigs as people have them, each used against a server that says who was let in."""

import base64
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from shipit.errors import PreconditionError, UnknownNameError
from shipit.model.pipeline import KubernetesTarget
from shipit.targets.kubernetes.reach import kubeconfig, reach
from shipit.targets.kubernetes.reach.access import Access
from tests.fakes.front_door import FrontDoor
from tests.unit.targets.kubernetes.conftest import Ask

SOCKS: dict[str, Any] = {"proxy-url": "socks5://ann:hunter2@127.0.0.1:1080"}


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def config(
    door: FrontDoor, user: dict[str, Any] | None = None, *, name: str = "prod", **cluster: Any
) -> dict[str, Any]:
    """A kubeconfig with one context. None in `cluster` takes a key away."""
    whole = {"server": door.address, "certificate-authority-data": b64(door.ca), **cluster}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{"name": name, "cluster": {k: v for k, v in whole.items() if v is not None}}],
        "users": [{"name": "ann", "user": user or {"token": "good"}}],
        "contexts": [
            {"name": name, "context": {"cluster": name, "user": "ann", "namespace": "shop"}}
        ],
    }


def write(path: Path, document: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document if isinstance(document, str) else yaml.safe_dump(document))
    return path


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No kubeconfig of whoever runs the tests; a server that lets the token `good` in."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def door(door: FrontDoor) -> FrontDoor:
    door.judge = lambda value: "ann" if value == "Bearer good" else ""
    return door


def reached(path: Path, **settings: Any) -> Access:
    target = KubernetesTarget(kubeconfig=str(path), **settings)
    return reach(target, root="/nowhere", environment="qa")


def test_a_token_and_the_clusters_own_ca(door: FrontDoor, tmp_path: Path, ask: Ask) -> None:
    found = reached(write(tmp_path / "config", config(door)))
    assert ask(found) == 200
    assert (found.namespace, found.name) == ("shop", "the context prod")
    assert door.seen[0].user == "ann"


def test_a_relative_path_starts_at_shipit_yaml(door: FrontDoor, tmp_path: Path, ask: Ask) -> None:
    write(tmp_path / "ops" / "kube.yaml", config(door))
    target = KubernetesTarget(kubeconfig="ops/kube.yaml")
    assert ask(reach(target, root=str(tmp_path), environment="qa")) == 200


def test_files_of_a_kubeconfig_start_at_the_kubeconfig(
    door: FrontDoor, tmp_path: Path, ask: Ask
) -> None:
    """The token file is read again: whoever replaces it need not tell us."""
    ca: dict[str, Any] = {"certificate-authority-data": None, "certificate-authority": "pki/ca.crt"}
    path = write(tmp_path / "k" / "config", config(door, {"tokenFile": "token"}, **ca))
    write(tmp_path / "k" / "pki" / "ca.crt", door.ca.decode())
    write(tmp_path / "k" / "token", "old\n")
    found = reached(path)
    assert ask(found) == 401
    write(tmp_path / "k" / "token", "good\n")
    assert ask(found) == 200


def test_a_client_certificate(door: FrontDoor, tmp_path: Path, ask: Ask) -> None:
    certificate, key = door.authority.sign("bob")
    user = {"client-certificate-data": b64(certificate), "client-key-data": b64(key)}
    assert ask(reached(write(tmp_path / "config", config(door, user)))) == 200
    assert door.seen[0].user == "bob"
    assert "authorization" not in door.seen[0].headers


def test_a_password_for_a_proxy(door: FrontDoor, tmp_path: Path, ask: Ask) -> None:
    door.judge = lambda value: "ann" if value == f"Basic {b64(b'ann:pass')}" else ""
    user = {"username": "ann", "password": "pass"}
    assert ask(reached(write(tmp_path / "config", config(door, user)))) == 200


def test_impersonation_is_not_passed_over(door: FrontDoor, tmp_path: Path, ask: Ask) -> None:
    user = {
        "token": "good",
        "as": "deployer",
        "as-groups": ["ci", "qa"],
        "as-user-extra": {"reason": ["release"]},
    }
    assert ask(reached(write(tmp_path / "config", config(door, user)))) == 200
    headers = door.seen[0].headers
    assert headers["impersonate-user"] == ["deployer"]
    assert headers["impersonate-group"] == ["ci", "qa"]
    assert headers["impersonate-extra-reason"] == ["release"]


def test_what_a_cluster_says_about_the_way(door: FrontDoor, tmp_path: Path) -> None:
    way: dict[str, Any] = {
        "tls-server-name": "kubernetes.default",
        "proxy-url": "http://proxy:3128",
    }
    found = reached(write(tmp_path / "config", config(door, **way)))
    assert (found.server_name, found.proxy) == ("kubernetes.default", "http://proxy:3128")


def test_a_proxy_that_we_do_not_speak_to(door: FrontDoor, tmp_path: Path) -> None:
    path = write(tmp_path / "config", config(door, **SOCKS))
    with pytest.raises(PreconditionError, match="kind socks5://"):
        reached(path)


def test_insecure_is_as_said(door: FrontDoor, tmp_path: Path, ask: Ask) -> None:
    without: dict[str, Any] = {"certificate-authority-data": None, "insecure-skip-tls-verify": True}
    assert ask(reached(write(tmp_path / "config", config(door, **without)))) == 200


def test_several_files_are_one(
    door: FrontDoor, tmp_path: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first to name a thing decides; a file that is not there is passed over."""
    whole = config(door)
    contexts = write(tmp_path / "a", {"contexts": whole["contexts"], "current-context": "prod"})
    other = config(door, {"token": "bad"}, name="other")
    clusters = write(tmp_path / "b", {k: whole[k] for k in ("clusters", "users")})
    listed = [contexts, tmp_path / "missing", clusters, write(tmp_path / "c", other)]
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join(map(str, listed)))
    assert ask(reach(KubernetesTarget(), root="/", environment="qa")) == 200
    named = reach(KubernetesTarget(context="other"), root="/", environment="qa")
    assert ask(named) == 200  # users.ann is the first file's


def test_a_home_has_one(door: FrontDoor, tmp_path: Path, ask: Ask) -> None:
    write(tmp_path / "home" / ".kube" / "config", config(door))
    assert ask(reach(KubernetesTarget(), root="/", environment="qa")) == 200


def test_in_a_pod_its_service_account(
    door: FrontDoor, tmp_path: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, _, port = door.address.removeprefix("https://").partition(":")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
    pod = tmp_path / "pod"
    for name, text in (("token", "good"), ("namespace", "ci"), ("ca.crt", door.ca.decode())):
        write(pod / name, text)
    found = kubeconfig.access(KubernetesTarget(), "/", pod=pod)
    assert ask(found) == 200
    assert found.namespace == "ci"


# Exec plugins

PLUGIN = """\
import json, os, pathlib, sys
asked = json.loads(os.environ["KUBERNETES_EXEC_INFO"])
runs = pathlib.Path(sys.argv[1])
with runs.open("a") as record:
    record.write(json.dumps(asked) + "\\n")
status = json.loads(os.environ["STATUS"])
print(json.dumps({"apiVersion": asked["apiVersion"], "kind": "ExecCredential", "status": status}))
"""


def exec_user(tmp_path: Path, status: dict[str, Any], **more: Any) -> dict[str, Any]:
    write(tmp_path / "plugin.py", PLUGIN)
    said = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": sys.executable,
        "args": [str(tmp_path / "plugin.py"), str(tmp_path / "runs")],
        "env": [{"name": "STATUS", "value": json.dumps(status)}],
        "interactiveMode": "IfAvailable",
        **more,
    }
    return {"exec": said}


def runs(tmp_path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (tmp_path / "runs").read_text().splitlines()]


def test_a_plugins_token_serves_until_it_ends(door: FrontDoor, tmp_path: Path, ask: Ask) -> None:
    user = exec_user(tmp_path, {"token": "good", "expirationTimestamp": "2999-01-01T00:00:00Z"})
    found = reached(write(tmp_path / "config", config(door, user)))
    assert [ask(found), ask(found)] == [200, 200]
    assert len(runs(tmp_path)) == 1
    assert "cluster" not in runs(tmp_path)[0]["spec"]


def test_a_plugins_ended_token_is_replaced(door: FrontDoor, tmp_path: Path, ask: Ask) -> None:
    user = exec_user(tmp_path, {"token": "good", "expirationTimestamp": "2001-01-01T00:00:00Z"})
    found = reached(write(tmp_path / "config", config(door, user)))
    assert [ask(found), ask(found)] == [200, 200]
    assert len(runs(tmp_path)) == 2


def test_a_plugin_is_told_of_the_cluster(door: FrontDoor, tmp_path: Path) -> None:
    user = exec_user(tmp_path, {"token": "good"}, provideClusterInfo=True)
    reached(write(tmp_path / "config", config(door, user)))
    spec = runs(tmp_path)[0]["spec"]
    assert spec["cluster"]["server"] == door.address
    assert base64.b64decode(spec["cluster"]["certificate-authority-data"]) == door.ca


def test_a_plugins_certificate(door: FrontDoor, tmp_path: Path, ask: Ask) -> None:
    certificate, key = door.authority.sign("carol")
    status = {"clientCertificateData": certificate.decode(), "clientKeyData": key.decode()}
    found = reached(write(tmp_path / "config", config(door, exec_user(tmp_path, status))))
    assert ask(found) == 200
    assert door.seen[0].user == "carol"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"command": "no-such-plugin", "installHint": "brew install it"}, "brew install it"),
        ({"apiVersion": "client.authentication.k8s.io/v1alpha1"}, "v1alpha1"),
        ({"interactiveMode": "Always"}, "a terminal of its own"),
        ({"args": ["-c", "import sys; sys.exit('session expired')"]}, "session expired"),
        ({"args": ["-c", "print('hunter2')"]}, "no ExecCredential"),
    ],
)
def test_a_plugin_that_gives_none(
    door: FrontDoor, tmp_path: Path, more: dict[str, Any], said: str
) -> None:
    user = exec_user(tmp_path, {"token": "good"}, **more)
    with pytest.raises(PreconditionError) as caught:
        reached(write(tmp_path / "config", config(door, user)))
    assert said in str(caught.value)
    assert "hunter2" not in str(caught.value)


# What is wrong, in one sentence


def broken(door: FrontDoor, **changes: Any) -> dict[str, Any]:
    return {**config(door), **changes}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"current-context": ""}, "no context is chosen"),
        ({"clusters": []}, "the cluster of the context prod, prod, is in no kubeconfig"),
        ({"users": []}, "the user of the context prod, ann, is in no kubeconfig"),
        ({"clusters": [{"name": "prod", "cluster": {}}]}, "has no server"),
        ({"users": [{"name": "ann", "user": {"auth-provider": {"name": "gcp"}}}]}, "1.26"),
        (
            {"users": [{"name": "ann", "user": {"tokenFile": 3}}]},
            "user ann is not as it should be",
        ),
        ({"users": [{"name": "ann", "user": {"client-key-data": "%"}}]}, "is not base64"),
        ({"users": [{"name": "ann", "user": {"client-key": "no.pem"}}]}, "cannot be read"),
    ],
)
def test_a_kubeconfig_that_does_not_hold(
    door: FrontDoor, tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    with pytest.raises(PreconditionError, match=said):
        reached(write(tmp_path / "config", broken(door, **change)))


@pytest.mark.parametrize(
    ("text", "said"),
    [("a: [", "is no YAML, line 2"), ("- a", "is no kubeconfig"), ("", "no context is chosen")],
)
def test_a_file_that_is_no_kubeconfig(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(PreconditionError, match=said):
        reached(write(tmp_path / "config", text))


def test_a_context_that_is_not_there(door: FrontDoor, tmp_path: Path) -> None:
    path = write(tmp_path / "config", config(door))
    with pytest.raises(UnknownNameError, match="did you mean prod") as caught:
        reached(path, context="prd")
    assert "there are: prod" in str(caught.value)


def test_no_kubeconfig_at_all(tmp_path: Path) -> None:
    with pytest.raises(PreconditionError, match="there is no kubeconfig") as caught:
        reach(KubernetesTarget(), root="/", environment="qa")
    assert str(tmp_path / "home" / ".kube" / "config") in str(caught.value)


def test_certificates_that_are_none(door: FrontDoor, tmp_path: Path) -> None:
    none: dict[str, Any] = {"certificate-authority-data": b64(b"none")}
    found = reached(write(tmp_path / "config", config(door, **none)))
    with pytest.raises(PreconditionError, match="the certificates of the context prod"):
        found.tls()


def test_nothing_secret_is_in_what_is_printed(door: FrontDoor, tmp_path: Path) -> None:
    user = {"token": "hunter2", "client-key-data": b64(b"hunter2")}
    assert "hunter2" not in repr(reached(write(tmp_path / "config", config(door, user))))


def test_no_file_is_written(door: FrontDoor, tmp_path: Path, ask: Ask) -> None:
    certificate, key = door.authority.sign("bob")
    user = {"client-certificate-data": b64(certificate), "client-key-data": b64(key)}
    path = write(tmp_path / "config", config(door, user))
    before = sorted(tmp_path.rglob("*"))
    assert ask(reached(path)) == 200
    assert sorted(tmp_path.rglob("*")) == before
