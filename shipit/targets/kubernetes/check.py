"""What would stop a deployment to a cluster, found before it does. Reads only, each guarded by
itself: what this identity may not look at is a warning, and the rest is looked at all the same."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from shipit.errors import PreconditionError, RemoteError, ShipitError
from shipit.model.deployment import Desired, Finding
from shipit.targets.kubernetes import pulling, quotas, rbac, refusals
from shipit.targets.kubernetes.client import Cluster
from shipit.targets.kubernetes.rbac import Rule
from shipit.targets.kubernetes.survey import in_parallel

Json = dict[str, Any]
OLDEST, NEWEST = (1, 29), (1, 36)  # what shipit is tested with; server-side apply is older by far
_OPTIONAL = {
    "pods/attach": "`shipit run` has no terminal",
    "pods/exec": "`shipit exec` does not work",
    "resourcequotas": "whether a quota is in the way is not known",
}
_REVIEWS = "/apis/authorization.k8s.io/v1"
_DEFAULT_STORAGE = "storageclass.kubernetes.io/is-default-class"
_DEFAULT_INGRESS = "ingressclass.kubernetes.io/is-default-class"


class Look(msgspec.Struct, frozen=True):
    """`objects` are what would be applied, None while there is no release; `selector` finds what
    is there already; `kind` is the target's: kubernetes, gke or eks."""

    cluster: Cluster
    kind: str
    selector: str
    desired: Desired | None
    objects: Sequence[Json] | None


def reach(cluster: Cluster) -> Finding:
    """Whether the API server answers, with these credentials, and which version it is of."""
    try:
        answer = cluster.raw("GET", "/version")
    except ShipitError as error:
        return _error("cluster", error)
    version = str(answer.get("gitVersion") or "").removeprefix("v")
    said = f"{cluster.access.name} answers: Kubernetes {version}"
    numbers = re.match(r"(\d+)\.(\d+)", version)
    spoken = (int(numbers[1]), int(numbers[2])) if numbers else NEWEST
    if spoken < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        return Finding("warning", "cluster", said, f"shipit is tested with {oldest} and newer")
    if spoken > NEWEST:
        newest = ".".join(map(str, NEWEST))
        return Finding("warning", "cluster", said, f"shipit is tested with {newest} and older")
    return Finding("ok", "cluster", said)


def everything(look: Look) -> Iterator[Finding]:
    """After `reach`."""
    for subject, one_look in (
        ("namespace", _namespace),
        ("permissions", _permissions),
        ("quotas", _quotas),
        ("storage", _storage),
        ("ingress", _ingress),
        ("gateway", _gateways),
        ("images", _images),
    ):
        yield from _guarded(subject, one_look, look)


def _guarded(
    subject: str, look_at: Callable[[Look], Iterator[Finding]], look: Look
) -> Iterator[Finding]:
    try:
        yield from look_at(look)
    except RemoteError as error:
        if refusals.is_forbidden(error):
            what = f"cannot be looked at: {refusals.in_words(error)}"
            yield Finding("warning", subject, what)
        else:
            yield _error(subject, error)
    except PreconditionError as error:
        yield _error(subject, error)


def _namespace(look: Look) -> Iterator[Finding]:
    name = look.cluster.namespace
    found = look.cluster.get("v1", "Namespace", name)
    if found is None:
        what = f"there is no namespace {name}"
        yield Finding("error", "namespace", what, f"`kubectl create namespace {name}`")
    elif (found.get("status") or {}).get("phase") == "Terminating":
        what = f"the namespace {name} is being deleted"
        yield Finding("error", "namespace", what, "wait until it is gone, and make it again")
    else:
        yield Finding("ok", "namespace", name)


def _permissions(look: Look) -> Iterator[Finding]:
    """A SelfSubjectRulesReview; where the server says that it is incomplete (webhooks: GKE's IAM,
    EKS's access policies), each thing that it does not list is asked for by itself."""
    wanted = rbac.rules(look.objects)
    body = {"spec": {"namespace": look.cluster.namespace}}
    status = look.cluster.raw("POST", f"{_REVIEWS}/selfsubjectrulesreviews", body)["status"]
    missing = list(rbac.lacking(wanted, status.get("resourceRules") or ()))
    if missing and status.get("incomplete"):
        missing = list(_asked(look.cluster, missing))
    for rule in missing:
        what = f"{', '.join(rule.verbs)} on {_resource(rule)} is not allowed"
        if rule.resource in _OPTIONAL:
            yield Finding("warning", "permissions", f"{what}: {_OPTIONAL[rule.resource]}")
        else:
            yield Finding("error", "permissions", what, "`shipit rbac` prints the Role it needs")
    if not missing:
        yield Finding(
            "ok", "permissions", f"all that a deployment needs in {body['spec']['namespace']}"
        )


def _asked(cluster: Cluster, rules: Sequence[Rule]) -> Iterator[Rule]:
    """Those that SelfSubjectAccessReviews do not allow."""
    single = [(rule, verb) for rule in rules for verb in rule.verbs]
    answers = in_parallel([lambda r=r, v=v: _may(cluster, r, v) for r, v in single])  # type: ignore[misc]
    denied: dict[Rule, list[str]] = {}
    for (rule, verb), is_allowed in zip(single, answers, strict=True):
        if not is_allowed:
            denied.setdefault(rule, []).append(verb)
    for rule, verbs in denied.items():
        yield Rule(rule.group, rule.resource, tuple(verbs))


def _may(cluster: Cluster, rule: Rule, verb: str) -> bool:
    resource, _, subresource = rule.resource.partition("/")
    attributes = {
        "namespace": cluster.namespace,
        "verb": verb,
        "group": rule.group,
        "resource": resource,
        "subresource": subresource,
    }
    body = {"spec": {"resourceAttributes": attributes}}
    answer = cluster.raw("POST", f"{_REVIEWS}/selfsubjectaccessreviews", body)
    return bool(answer["status"].get("allowed"))


def _resource(rule: Rule) -> str:
    return f"{rule.resource}.{rule.group}" if rule.group else rule.resource


def _quotas(look: Look) -> Iterator[Finding]:
    found = look.cluster.list("v1", "ResourceQuota")
    if not found or look.objects is None:
        return
    asked = quotas.wanted(look.objects)
    ours = quotas.used(look.cluster.list("v1", "Pod", selector=look.selector))
    over = list(quotas.exceeded(found, asked, ours))
    for quota, resource, wanted, free in over:
        yield Finding(
            "error",
            "quotas",
            f"{quota} leaves {quotas.shown(free, resource)} of {resource}, and "
            f"{quotas.shown(wanted, resource)} are asked for",
            "ask for less, or raise the quota",
        )
    unsaid = list(quotas.unsaid(found, look.cluster.list("v1", "LimitRange"), look.objects))
    for what in unsaid:
        yield Finding(
            "error",
            "quotas",
            f"{what} is counted by a quota and not said: its pods would be refused",
            "say it under deploy.resources in compose.yaml",
        )
    if not over and not unsaid:
        yield Finding("ok", "quotas", "what is asked for fits")


def _of_kind(look: Look, *kinds: str) -> list[Json]:
    return [one for one in look.objects or () if one["kind"] in kinds]


def _storage(look: Look) -> Iterator[Finding]:
    claims = _of_kind(look, "PersistentVolumeClaim")
    for one in _of_kind(look, "StatefulSet"):
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


def _ingress(look: Look) -> Iterator[Finding]:
    found = _of_kind(look, "Ingress")
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


def _annotation(one: Json, key: str) -> str:
    return str((one["metadata"].get("annotations") or {}).get(key, ""))


def _gateways(look: Look) -> Iterator[Finding]:
    for route in _of_kind(look, "HTTPRoute"):
        for parent in route["spec"].get("parentRefs") or ():
            name, space = (
                str(parent["name"]),
                str(parent.get("namespace") or look.cluster.namespace),
            )
            found = look.cluster.get(route["apiVersion"], "Gateway", name, namespace=space)
            if found is None:
                what = f"there is no Gateway {name} in {space} for {route['metadata']['name']}"
                yield Finding("error", "gateway", what, "make it, or name another one")
            else:
                yield Finding("ok", "gateway", f"{route['metadata']['name']}: {space}/{name}")


def _images(look: Look) -> Iterator[Finding]:
    """Whether nodes could pull. That a Secret is there is known where it may be read."""
    if look.desired is None:
        return
    named = pulling.secrets(look.objects or ())
    for name in sorted(named):
        try:
            is_there = look.cluster.get("v1", "Secret", name) is not None
        except RemoteError as error:
            if not refusals.is_forbidden(error):
                raise
            is_there = True
        if not is_there:
            what = f"there is no Secret {name} to pull with"
            yield Finding("error", "images", what, "make it: kubectl create secret docker-registry")
    where = pulling.provider(look.cluster.access.server, look.kind)
    yield from pulling.findings(where, look.desired.images, named)


def _error(subject: str, error: ShipitError) -> Finding:
    what = f"{error.what}: {error.why}" if error.why else error.what
    return Finding("error", subject, what, error.next_step)
