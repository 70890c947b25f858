"""Whether EKS's nodes may pull from ECR: their roles as EKS names them, judged by IAM.

docs.aws.amazon.com, "Using Amazon ECR Images with Amazon EKS". Needs what `shipit iam` does not
ask for: eks:List* and Describe* of node groups and Fargate profiles, and
iam:SimulatePrincipalPolicy, else iam:ListAttachedRolePolicies. Without them nothing is verified.
A repository's own policy cannot be simulated for a role ("SimulatePrincipalPolicy").
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any, NamedTuple

from shipit.errors import PreconditionError, ShipitError
from shipit.model.deployment import Finding

Json = dict[str, Any]
Client = Callable[[str], Any]
_ECR = re.compile(
    r"(?P<account>\d{12})\.dkr[.-]ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.[a-z.]+/(?P<name>.+)"
)
_SIGN_IN = "ecr:GetAuthorizationToken"
_PULL = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
_POLICIES = tuple(
    f"AmazonEC2ContainerRegistry{kind}"
    for kind in ("PullOnly", "ReadOnly", "PowerUser", "FullAccess")
)
_ATTACH = f"attach {_POLICIES[0]} to it"


class Place(NamedTuple):
    """A repository of ECR's."""

    account: str
    region: str
    name: str


def judged(
    client: Client, cluster: Json, region: str, repositories: Sequence[str]
) -> Mapping[str, Finding]:
    """`client` makes botocore's clients; `cluster` is DescribeCluster's answer."""
    places = {r: Place(**m.groupdict()) for r in repositories if (m := _ECR.fullmatch(r))}
    try:
        roles = sorted(set(_roles(client, cluster)))
        if not roles:
            raise PreconditionError("EKS knows no node groups: nodes are somebody else's")
        return {r: _worst(client, roles, region, r, place) for r, place in places.items()}
    except ShipitError as error:
        said = f"{error.what}: {error.why}" if error.why else error.what
        return {
            r: _unseen(r, f"whether the nodes may pull: {said}", _see(p)) for r, p in places.items()
        }


def _see(place: Place) -> str:
    return f"see that the nodes' role has {_POLICIES[0]}, or pulls from {place.name} otherwise"


def _roles(client: Client, cluster: Json) -> Iterator[str]:
    """ARNs: Auto Mode's, the managed node groups', and the Fargate profiles'."""
    name = cluster["name"]
    auto = cluster.get("computeConfig") or {}
    if auto.get("enabled") and auto.get("nodeRoleArn"):
        yield str(auto["nodeRoleArn"])
    for group in _named(client, "list_nodegroups", "nodegroups", clusterName=name):
        found = _ask(client, "eks", "describe_nodegroup", clusterName=name, nodegroupName=group)
        yield str(found["nodegroup"]["nodeRole"])
    for profile in _named(client, "list_fargate_profiles", "fargateProfileNames", clusterName=name):
        found = _ask(
            client, "eks", "describe_fargate_profile", clusterName=name, fargateProfileName=profile
        )
        yield str(found["fargateProfile"]["podExecutionRoleArn"])


def _named(client: Client, operation: str, key: str, **asked: str) -> Iterator[str]:
    more: dict[str, str] = {}
    while True:
        answer = _ask(client, "eks", operation, **asked, **more)
        yield from answer.get(key) or ()
        if not answer.get("nextToken"):
            return
        more = {"nextToken": answer["nextToken"]}


def _worst(
    client: Client, roles: Sequence[str], region: str, repository: str, place: Place
) -> Finding:
    found = [_of_role(client, role, region, repository, place) for role in roles]
    by_level = ("error", "warning", "ok")
    return min(found, key=lambda one: by_level.index(one.level))


def _of_role(client: Client, role: str, region: str, repository: str, place: Place) -> Finding:
    """`arn:aws:iam::111122223333:role/…`."""
    host, name = repository.partition("/")[0], role.rpartition("/")[2]
    account = role.split(":")[4]
    denied, by_policy = _denied(client, role, place)
    if _SIGN_IN in denied:
        what = f"{host}: {name}, which the nodes pull as, may not {_SIGN_IN}"
        return Finding("error", "images", what, _ATTACH)
    if denied:
        what = (
            f"{name} may {', '.join(denied)} on {place.name}, which its own policies do not allow"
        )
        return _unseen(repository, f"whether {what}", f"{_ATTACH}, or see the repository's policy")
    if not by_policy:
        what = f"whether {name} may pull: none of AWS's own policies for that is attached to it"
        return _unseen(repository, what, _ATTACH)
    if account != place.account:
        what = f"whether {place.name} lets {name} in: it is the account {place.account}'s"
        step = f"`aws ecr get-repository-policy --registry-id {place.account} --repository-name"
        return _unseen(repository, what, f"{step} {place.name}` has to name {role}")
    if region != place.region:
        what = f"{host}: nodes in {region} pull from {place.region}, which is slower and costs"
        step = f"give the environment a `registry:` in {region}"
        return Finding("warning", "images", what, step)
    return Finding("ok", "images", f"{host}: nodes pull as {name}, which may")


def _denied(client: Client, role: str, place: Place) -> tuple[list[str], bool]:
    """The actions that its policies do not allow, and whether they are known to allow the rest."""
    partition = role.split(":")[1]
    arn = f"arn:{partition}:ecr:{place.region}:{place.account}:repository/{place.name}"
    try:
        found = _simulated(client, role, (_SIGN_IN,), "*") + _simulated(client, role, _PULL, arn)
    except PreconditionError:
        asked = {"RoleName": role.rpartition("/")[2]}
        attached = _ask(client, "iam", "list_attached_role_policies", **asked)["AttachedPolicies"]
        return [], bool({one["PolicyName"] for one in attached} & set(_POLICIES))
    return found, True


def _simulated(client: Client, role: str, actions: Sequence[str], resource: str) -> list[str]:
    answer = _ask(
        client,
        "iam",
        "simulate_principal_policy",
        PolicySourceArn=role,
        ActionNames=list(actions),
        ResourceArns=[resource],
    )
    results = answer.get("EvaluationResults") or ()
    return [str(r["EvalActionName"]) for r in results if r["EvalDecision"] != "allowed"]


def _ask(client: Client, service: str, operation: str, **asked: Any) -> Json:
    """Raises PreconditionError for all that AWS and botocore say no with: nothing depends on it."""
    from botocore import exceptions

    try:
        with closing(client(service)) as made:
            answer: Json = getattr(made, operation)(**asked)
    except exceptions.ClientError as error:
        said = error.response.get("Error", {})
        what = f"AWS does not answer {service}:{operation}: {said.get('Code', '')}"
        raise PreconditionError(what) from None
    except exceptions.BotoCoreError as error:
        raise PreconditionError(f"AWS cannot be asked {service}:{operation}", str(error)) from None
    return answer


def _unseen(repository: str, what: str, next_step: str) -> Finding:
    return Finding(
        "warning", "images", f"{repository.partition('/')[0]}: not verified {what}", next_step
    )
