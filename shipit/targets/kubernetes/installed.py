"""What somebody has to have installed in the cluster: kinds and classes. Reads only."""

from collections.abc import Iterator
from typing import Any

from shipit.errors import RemoteError
from shipit.model.deployment import Finding
from shipit.targets.kubernetes import rbac, resources
from shipit.targets.kubernetes.client import Cluster
from shipit.targets.kubernetes.kinds import Kinds
from shipit.targets.kubernetes.look import Look

Json = dict[str, Any]
_DEFAULT_STORAGE = "storageclass.kubernetes.io/is-default-class"
_DEFAULT_INGRESS = "ingressclass.kubernetes.io/is-default-class"
_GATEWAY_API = "gateway.networking.k8s.io"


def kinds(look: Look) -> Iterator[Finding]:
    """Whether the cluster has the kinds that are not every cluster's."""
    brought = Kinds(None, look.objects or ()).defined
    asked: dict[tuple[str, str], list[Json]] = {}
    for one in look.objects or ():
        if not resources.is_built_in(one["apiVersion"]):
            asked.setdefault((one["apiVersion"], one["kind"]), []).append(one)
    for (version, kind), several in sorted(asked.items()):
        titles = ", ".join(resources.title(one) for one in several)
        if _has(look.cluster, version, kind):
            yield Finding("ok", "kinds", f"{kind} of {version}")
        elif rbac.group_kind(several[0]) in brought:
            yield Finding("ok", "kinds", f"{kind} of {version} comes with this deployment")
        else:
            yield _lacking(look.cluster, version, kind, titles)


def _lacking(cluster: Cluster, version: str, kind: str, titles: str) -> Finding:
    group = version.rpartition("/")[0]
    served = _versions(cluster, group)
    what = f"the cluster has no kind {kind} in {version}, and there would be {titles}"
    if served:
        what, step = f"{what} (it has {', '.join(served)})", "write a version that it has"
    elif group == _GATEWAY_API:
        step = (
            "install the Gateway API and a controller for it (gateway-api.sigs.k8s.io/guides),"
            " or take `ingress` in place of `route` in x-kubernetes"
        )
    else:
        step = "install its CustomResourceDefinition; `kubectl api-resources` shows what there is"
    return Finding("error", "kinds", what, step)


def _has(cluster: Cluster, version: str, kind: str) -> bool:
    return resources.discovered(_answer(cluster, resources.root(version)), kind) is not None


def _versions(cluster: Cluster, group: str) -> list[str]:
    found = _answer(cluster, f"/apis/{group}").get("versions") or ()
    return [str(one["groupVersion"]) for one in found]


def _answer(cluster: Cluster, path: str) -> Json:
    try:
        return cluster.raw("GET", path)
    except RemoteError as error:
        if error.status != 404:
            raise
        return {}


def storage(look: Look) -> Iterator[Finding]:
    """A claim that has its volume already needs no class: nobody makes one for it."""
    claims = look.of_kind("PersistentVolumeClaim")
    held = _held(look.cluster) if claims else frozenset()
    for name in (str(one["metadata"]["name"]) for one in claims):
        if name in held:
            yield Finding("ok", "storage", f"{name} has its volume")
    claims = [one for one in claims if one["metadata"]["name"] not in held]
    for one in look.of_kind("StatefulSet"):
        claims += one["spec"].get("volumeClaimTemplates") or ()
    if not claims:
        return
    every = look.cluster.list("storage.k8s.io/v1", "StorageClass")
    yield from _classes(
        "storage",
        "storage class",
        {str(c["metadata"]["name"]): c["spec"].get("storageClassName") for c in claims},
        {c["metadata"]["name"]: c for c in every},
        _DEFAULT_STORAGE,
    )


def _held(cluster: Cluster) -> frozenset[str]:
    found = cluster.list("v1", "PersistentVolumeClaim")
    bound = (one for one in found if (one.get("status") or {}).get("phase") == "Bound")
    return frozenset(str(one["metadata"]["name"]) for one in bound)


def ingress(look: Look) -> Iterator[Finding]:
    found = look.of_kind("Ingress")
    if not found:
        return
    every = look.cluster.list("networking.k8s.io/v1", "IngressClass")
    yield from _classes(
        "ingress",
        "ingress class",
        {str(i["metadata"]["name"]): i["spec"].get("ingressClassName") for i in found},
        {c["metadata"]["name"]: c for c in every},
        _DEFAULT_INGRESS,
    )


def _classes(
    subject: str,
    noun: str,
    asked: dict[str, str | None],
    there: dict[str, Json],
    default: str,
) -> Iterator[Finding]:
    """Each asked for by name, or left to a default that has to be there. A class of "" is none."""
    chosen = {
        name
        for name, c in there.items()
        if (c["metadata"].get("annotations") or {}).get(default) == "true"
    }
    known = ", ".join(sorted(there)) or "none"
    for name, wanted in asked.items():
        if wanted is None and not chosen:
            what = f"{name} names no {noun}, and the cluster has no default one (it has: {known})"
            yield Finding("error", subject, what, f"name a {noun}, or make one the default")
        elif wanted and wanted not in there:
            what = f"there is no {noun} {wanted} for {name} (there are: {known})"
            yield Finding("error", subject, what, f"name another {noun}, or make it")
        elif wanted != "":
            yield Finding("ok", subject, f"{name}: {wanted or ', '.join(sorted(chosen))}")
