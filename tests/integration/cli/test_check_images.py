"""`shipit check` reads from a registry whom an image runs as, before a kubelet refuses it."""

import json
from pathlib import Path
from typing import Any

import pytest

from shipit.model import codec
from shipit.model.image import Image, Reference
from shipit.registry.client import Client
from tests.fakes.cluster.checkout import Checkout
from tests.fakes.cluster.kubernetes import Cluster
from tests.fakes.registry import FakeRegistry
from tests.fakes.registry_images import layer, manifest, push_blob

pytestmark = [pytest.mark.cluster, pytest.mark.engine]
Json = dict[str, Any]


def push(repository: str, user: str) -> Image:
    """A manifest for linux/amd64, made to run as `user`."""
    one = layer(user)
    configuration = codec.encode(
        {"os": "linux", "architecture": "amd64", "config": {"User": user}, "rootfs": {}}
    )
    with Client() as client:
        for content in (one, configuration):
            push_blob(client, repository, content)
        made = manifest(configuration, [one])
        client.put_manifest(repository, made)
        return client.resolve(Reference.parse(f"{repository}@{made.digest}"))


def test_images_that_a_kubelet_would_not_start(cluster: Cluster, tmp_path: Path) -> None:
    services: dict[str, tuple[str, Json]] = {
        "root": ("", {}),
        "named": ("www-data", {}),
        "numbered": ("1000", {}),
        "said": ("", {"user": "1000"}),
        "wanted": ("", {"user": "0"}),
    }
    with FakeRegistry(tmp_path / "registry") as registry, cluster.namespace() as namespace:
        checkout = Checkout(tmp_path, cluster.kubeconfig, namespace)
        checkout.write("compose.yaml", "services: {web: {build: .}}\n")
        made = {
            name: (push(f"{registry.address}/shop/{name}", user), more)
            for name, (user, more) in services.items()
        }
        checkout.release("1", made)
        ran = checkout.shipit("check", "--env", "dev", "--json")
        planned = checkout.shipit("plan", "--env", "dev")
    found, _ = json.JSONDecoder().raw_decode(ran.out)  # the error's own line comes after it
    wrong = [f["what"] for f in found if f["subject"] == "dev images" and f["level"] == "error"]
    named, root = (
        f"and the kubelet does not start {n} so (runAsNonRoot)" for n in ("named", "root")
    )
    assert sorted(wrong) == [
        f"Deployment/named: its image's user is www-data, a name and no number, {named}",
        f"Deployment/root: its image runs as root, {root}",
    ], ran.told()
    assert planned.code == 0, planned.told()
    assert f"Deployment/root: its image runs as root, {root}: say the uid" in planned.err
    assert "Deployment/numbered" not in planned.err
