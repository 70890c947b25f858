"""Whether this identity may do what a deployment does, and going back from it. Reads only.

A SelfSubjectRulesReview for each namespace; where the server says that it is incomplete (webhooks:
GKE's IAM, EKS's access policies), and for what has no namespace, a SelfSubjectAccessReview each.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from shipit.model.deployment import Finding
from shipit.targets.kubernetes import grants, rbac
from shipit.targets.kubernetes.client import Cluster
from shipit.targets.kubernetes.kinds import Kinds
from shipit.targets.kubernetes.look import Look
from shipit.targets.kubernetes.rbac import Rule
from shipit.targets.kubernetes.survey import in_parallel

Json = dict[str, Any]
_OPTIONAL = {
    "canaries": "what Flagger makes of a rollout is not seen",
    "rollouts": "what Argo Rollouts makes of a Deployment that it runs is not seen",
    "limitranges": "whether a LimitRange is in the way is not known",
    "pods/attach": "`shipit run` has no terminal",
    "pods/exec": "`shipit exec` does not work",
    "resourcequotas": "whether a quota is in the way is not known",
}
_REVIEWS = "/apis/authorization.k8s.io/v1"
_PRINTS = "`shipit rbac` prints what it needs"


def look_at(look: Look) -> Iterator[Finding]:
    wanted = _needed(look, look.objects)
    home = look.cluster.namespace
    missing = _missing(look.cluster, wanted)
    for place, rules in missing.items():
        for rule in rules:
            what = f"{_rule(rule)} is not allowed{_where(place, home)}"
            if _is_optional(rule) and place == home:
                yield Finding("warning", "permissions", f"{what}: {_OPTIONAL[rule.resource]}")
            else:
                yield Finding("error", "permissions", what, _PRINTS)
    if not missing:
        places = ", ".join(place or "the whole cluster" for place in wanted)
        yield Finding("ok", "permissions", f"all that a deployment needs in {places}")


def going_back(look: Look, earlier: Mapping[str, Sequence[Json]]) -> Iterator[Finding]:
    """What a release that was proven here (its objects, by its id) needs beside the next one."""
    known = _needed(look, look.objects)
    for release, objects in earlier.items():
        more = grants.without(_needed(look, objects), known)
        for place, rules in _missing(look.cluster, more).items():
            for rule in rules:
                what = f"going back to {release} takes {_rule(rule)}, which is not allowed"
                where = _where(place, look.cluster.namespace)
                yield Finding("warning", "permissions", f"{what}{where}", _PRINTS)


def _is_optional(rule: Rule) -> bool:
    """Canaries and Rollouts of one's own are written, too."""
    is_read = set(rule.verbs) <= {*rbac.CANARIES.verbs, *rbac.ROLLOUTS.verbs}
    is_movers = rule.resource in (rbac.CANARIES.resource, rbac.ROLLOUTS.resource)
    return rule.resource in _OPTIONAL and (is_read or not is_movers)


def _needed(look: Look, objects: Sequence[Json] | None) -> dict[str, list[Rule]]:
    kinds = Kinds(look.cluster, objects or ())
    return grants.needed(objects, look.there, look.cluster.namespace, kinds.resource)


def _where(place: str, home: str) -> str:
    if place == home:
        return ""
    return f" in {place}" if place else " in the whole cluster"


def _missing(cluster: Cluster, wanted: Mapping[str, Sequence[Rule]]) -> dict[str, list[Rule]]:
    found = {place: _lacking(cluster, place, rules) for place, rules in wanted.items()}
    return {place: rules for place, rules in found.items() if rules}


def _lacking(cluster: Cluster, place: str, rules: Sequence[Rule]) -> list[Rule]:
    """A review of rules is of one namespace, and does not tell what holds outside of all."""
    if place == grants.WHOLE:
        return list(_denied(cluster, place, rules))
    body = {"spec": {"namespace": place}}
    status = cluster.raw("POST", f"{_REVIEWS}/selfsubjectrulesreviews", body)["status"]
    missing = list(rbac.lacking(rules, status.get("resourceRules") or ()))
    if missing and status.get("incomplete"):
        return list(_denied(cluster, place, missing))
    return missing


def _denied(cluster: Cluster, place: str, rules: Sequence[Rule]) -> Iterator[Rule]:
    """Those that SelfSubjectAccessReviews do not allow."""
    single = [(rule, verb) for rule in rules for verb in rule.verbs]
    answers = in_parallel(
        [lambda r=r, v=v: _may(cluster, place, r, v) for r, v in single]  # type: ignore[misc]
    )
    denied: dict[Rule, list[str]] = {}
    for (rule, verb), is_allowed in zip(single, answers, strict=True):
        if not is_allowed:
            denied.setdefault(rule, []).append(verb)
    for rule, verbs in denied.items():
        yield Rule(rule.group, rule.resource, tuple(verbs))


def _may(cluster: Cluster, place: str, rule: Rule, verb: str) -> bool:
    resource, _, subresource = rule.resource.partition("/")
    attributes = {
        "namespace": place,
        "verb": verb,
        "group": rule.group,
        "resource": resource,
        "subresource": subresource,
    }
    body = {"spec": {"resourceAttributes": attributes}}
    answer = cluster.raw("POST", f"{_REVIEWS}/selfsubjectaccessreviews", body)
    return bool(answer["status"].get("allowed"))


def _rule(rule: Rule) -> str:
    resource = f"{rule.resource}.{rule.group}" if rule.group else rule.resource
    return f"{', '.join(rule.verbs)} on {resource}"
