"""Whether nodes could pull, as far as that can be looked at. Reads only."""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from shipit.model.deployment import Finding
from shipit.targets.kubernetes import pull_secrets, pulling
from shipit.targets.kubernetes.client import Cluster
from shipit.targets.kubernetes.look import Look
from shipit.targets.kubernetes.pulling import Key, Known, Pod
from shipit.targets.kubernetes.templates import templates

Json = dict[str, Any]


class _Fields(msgspec.Struct, frozen=True, rename="camel"):
    pass


class _Container(_Fields, frozen=True, rename="camel"):
    name: str
    image: str = ""
    image_id: str = msgspec.field(default="", name="imageID")


class _Spec(_Fields, frozen=True, rename="camel"):
    containers: tuple[_Container, ...] = ()
    image_pull_secrets: tuple[dict[str, str], ...] = ()


class _Status(_Fields, frozen=True, rename="camel"):
    container_statuses: tuple[_Container, ...] = ()


class _Running(_Fields, frozen=True, rename="camel"):
    """A pod, as far as it shows what was pulled."""

    spec: _Spec = _Spec()
    status: _Status = _Status()


def look_at(look: Look) -> Iterator[Finding]:
    if look.objects is None:
        return
    home = look.cluster.namespace
    pods = pulling.pods(templates((*look.objects, *look.tasks)), home)
    yield from pulling.findings(pods, _known(look, pods))


def _known(look: Look, pods: Iterable[Pod]) -> Known:
    where = pulling.provider(look.cluster.access.server, look.kind)
    accounts = {key: _of_account(look, key) for key in _accounts(pods)}
    known = Known(where, accounts=accounts, pulled=frozenset(_pulled(look)))
    named = {(pod.namespace, name) for pod in pods for name in known.named(pod)}
    secrets = {key: pull_secrets.read(look.cluster, *key) for key in sorted(named)}
    own = {r for p in pods for r in p.repositories if pulling.is_own_cloud(where, r)}
    cloud = look.cluster.access.pulls(sorted(own)) if own and look.cluster.access.pulls else {}
    return msgspec.structs.replace(known, secrets=secrets, cloud=cloud)


def _accounts(pods: Iterable[Pod]) -> set[Key]:
    """A pod that names Secrets itself is not given its ServiceAccount's (kubernetes.io, "Configure
    Service Accounts for Pods")."""
    return {(pod.namespace, pod.account) for pod in pods if not pod.secrets}


def _of_account(look: Look, key: Key) -> tuple[str, ...] | None:
    """As it would be applied, else as it is."""
    namespace, name = key
    for one in look.of_kind("ServiceAccount"):
        metadata = one["metadata"]
        if metadata["name"] == name and metadata.get("namespace", namespace) == namespace:
            return pull_secrets.names_in(one)
    return pull_secrets.of_account(look.cluster, namespace, name)


def _pulled(look: Look) -> Iterator[tuple[str, frozenset[str]]]:
    """A container that the kubelet names the digest of has its image on a node."""
    for pod in _running(look.cluster, look.selector):
        secrets = frozenset(one.get("name", "") for one in pod.spec.image_pull_secrets)
        there = {s.name for s in pod.status.container_statuses if s.image_id}
        for container in pod.spec.containers:
            if container.name in there:
                yield pulling.repository(container.image), secrets


def _running(cluster: Cluster, selector: str) -> Iterator[_Running]:
    for page in cluster.pages("v1", "Pod", _Running, selector=selector):
        yield from page.items
