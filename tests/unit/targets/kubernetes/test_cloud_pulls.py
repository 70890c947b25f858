"""GKE's and EKS's nodes and their own registries: what their clouds say of them."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from google.cloud.container_v1 import Cluster

from shipit.model.deployment import Finding
from shipit.targets.kubernetes.reach import eks_pulls, gke_pulls

STORAGE = "https://www.googleapis.com/auth/devstorage.read_only"
LOGS = "https://www.googleapis.com/auth/logging.write"
GAR = "europe-docker.pkg.dev/acme/shop/web"
NODES = "nodes@acme.iam.gserviceaccount.com"


# GKE


def pool(name: str = "main", account: str = "default", *scopes: str) -> dict[str, Any]:
    config = {"service_account": account, "oauth_scopes": list(scopes or (STORAGE, LOGS))}
    return {"name": name, "config": config}


def gke(*pools: dict[str, Any], repository: str = GAR, **more: Any) -> Finding:
    cluster = Cluster({"node_pools": list(pools), **more})
    return gke_pulls.judged(cluster, "acme", [repository])[repository]


def test_scopes_that_do_not_let_nodes_pull() -> None:
    closed = pool("old", "default", LOGS)
    finding = gke(closed)
    assert (finding.level, finding.subject) == ("error", "images")
    assert "the access scopes of old do not let its nodes pull" in finding.what
    assert "make a node pool" in finding.next_step
    assert gke(closed, pool()).level == "warning"
    for scope in (STORAGE, "https://www.googleapis.com/auth/cloud-platform"):
        assert "scopes" not in gke(pool("new", NODES, scope)).what


def test_what_iam_grants_the_account_is_not_verified() -> None:
    finding = gke(pool("main", NODES))
    assert finding.level == "warning"
    assert f"not verified whether {NODES} has roles/artifactregistry.reader" in finding.what
    assert finding.next_step == (
        "`gcloud artifacts repositories add-iam-policy-binding shop --project=acme"
        f" --location=europe --member=serviceAccount:{NODES}"
        " --role=roles/artifactregistry.reader` grants it"
    )
    assert "the Compute Engine default service account" in gke(pool()).what


def test_a_repository_of_another_project() -> None:
    other = "europe-docker.pkg.dev/platform/shop/web"
    finding = gke(pool("main", NODES), repository=other)
    assert finding.what.endswith("in the project platform, and the cluster is in acme")
    assert "--project=platform" in finding.next_step
    assert "in the project old" in gke(pool(), repository="eu.gcr.io/old/web").what


def test_autopilots_nodes_are_what_it_provisions() -> None:
    defaults = {"service_account": NODES, "oauth_scopes": [LOGS]}
    finding = gke(
        pool(),
        autopilot={"enabled": True},
        autoscaling={"autoprovisioning_node_pool_defaults": defaults},
    )
    assert (finding.level, "of Autopilot" in finding.what) == ("error", True)
    assert gke(autopilot={"enabled": True}).level == "warning"


# EKS

ECR = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/shop/web"
ROLE = "arn:aws:iam::111122223333:role/eks/nodes"
PULL_ONLY = "AmazonEC2ContainerRegistryPullOnly"


class Aws:
    """One node group with ROLE. `denied` are the actions that IAM's simulation denies; `refused`
    the operations that this identity may not call."""

    def __init__(self) -> None:
        self.denied: set[str] = set()
        self.refused: set[str] = set()
        self.attached: list[str] = []
        self.groups = ["a"]
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.closed = 0

    def __call__(self, service: str) -> "Aws":
        assert service in ("eks", "iam")
        return self

    def close(self) -> None:
        self.closed += 1

    def __getattr__(self, operation: str) -> Callable[..., dict[str, Any]]:
        def call(**asked: Any) -> dict[str, Any]:
            self.asked.append((operation, asked))
            if operation in self.refused:
                error = {"Error": {"Code": "AccessDenied", "Message": "no"}}
                raise ClientError(error, operation)
            return self.answer(operation, asked)

        return call

    def answer(self, operation: str, asked: dict[str, Any]) -> dict[str, Any]:
        if operation == "list_nodegroups":
            more = int(asked.get("nextToken", "0")) + 1
            page: dict[str, Any] = {"nodegroups": self.groups[more - 1 : more]}
            return {**page, **({"nextToken": str(more)} if more < len(self.groups) else {})}
        if operation == "describe_nodegroup":
            return {"nodegroup": {"nodeRole": f"{ROLE}{asked['nodegroupName'].lstrip('a')}"}}
        if operation == "list_fargate_profiles":
            return {"fargateProfileNames": []}
        if operation == "list_attached_role_policies":
            assert asked == {"RoleName": "nodes"}
            return {"AttachedPolicies": [{"PolicyName": name} for name in self.attached]}
        assert operation == "simulate_principal_policy"
        results = [
            {"EvalActionName": a, "EvalDecision": "implicitDeny" if a in self.denied else "allowed"}
            for a in asked["ActionNames"]
        ]
        return {"EvaluationResults": results}


def eks(aws: Aws, repository: str = ECR, **cluster: Any) -> Finding:
    described = {"name": "prod", **cluster}
    return eks_pulls.judged(aws, described, "eu-west-1", [repository])[repository]


def test_a_role_that_may_pull() -> None:
    aws = Aws()
    finding = eks(aws)
    assert (finding.level, finding.what) == (
        "ok",
        "111122223333.dkr.ecr.eu-west-1.amazonaws.com: nodes pull as nodes, which may",
    )
    simulated = [asked for name, asked in aws.asked if name == "simulate_principal_policy"]
    assert [asked["ResourceArns"] for asked in simulated] == [
        ["*"],
        ["arn:aws:ecr:eu-west-1:111122223333:repository/shop/web"],
    ]
    assert {asked["PolicySourceArn"] for asked in simulated} == {ROLE}
    assert aws.closed == len(aws.asked)


def test_a_role_that_may_not() -> None:
    aws = Aws()
    aws.denied = {"ecr:GetAuthorizationToken"}
    finding = eks(aws)
    assert finding.level == "error"
    assert "nodes, which the nodes pull as, may not ecr:GetAuthorizationToken" in finding.what
    assert finding.next_step == f"attach {PULL_ONLY} to it"


def test_what_the_repository_itself_may_allow_is_not_verified() -> None:
    aws = Aws()
    aws.denied = {"ecr:BatchGetImage"}
    finding = eks(aws)
    assert finding.level == "warning"
    assert "not verified whether nodes may ecr:BatchGetImage on shop/web" in finding.what


def test_the_worst_of_several_roles_counts() -> None:
    aws = Aws()
    aws.groups = ["a", "b"]
    allowed = aws.answer

    def one_denies(operation: str, asked: dict[str, Any]) -> dict[str, Any]:
        aws.denied = (
            {"ecr:GetAuthorizationToken"} if asked.get("PolicySourceArn") == f"{ROLE}b" else set()
        )
        return allowed(operation, asked)

    aws.answer = one_denies  # type: ignore[method-assign]
    finding = eks(aws)
    assert (finding.level, "nodesb" in finding.what) == ("error", True)


def test_auto_modes_role_is_one() -> None:
    aws = Aws()
    aws.groups = []
    assert eks(aws, computeConfig={"enabled": True, "nodeRoleArn": ROLE}).level == "ok"


@pytest.mark.parametrize(
    ("attached", "level"), [([PULL_ONLY], "ok"), (["AmazonEKSWorkerNodePolicy"], "warning")]
)
def test_without_a_simulation_attached_policies_tell(attached: list[str], level: str) -> None:
    aws = Aws()
    aws.refused, aws.attached = {"simulate_principal_policy"}, attached
    finding = eks(aws)
    assert finding.level == level
    assert (level == "ok") or "not verified" in finding.what


@pytest.mark.parametrize(
    "refused",
    [{"list_nodegroups"}, {"simulate_principal_policy", "list_attached_role_policies"}],
)
def test_what_aws_does_not_say_is_not_verified(refused: set[str]) -> None:
    aws = Aws()
    aws.refused = refused
    finding = eks(aws)
    assert (finding.level, "not verified" in finding.what) == ("warning", True)
    assert "AccessDenied" in finding.what


def test_nodes_that_eks_does_not_know_are_not_verified() -> None:
    aws = Aws()
    aws.groups = []
    finding = eks(aws)
    assert "not verified whether the nodes may pull: EKS knows no node groups" in finding.what


def test_aws_that_does_not_answer_is_no_error_of_the_deployment() -> None:
    aws = Aws()

    def silent(_operation: str, _asked: dict[str, Any]) -> dict[str, Any]:
        raise EndpointConnectionError(endpoint_url="https://eks")

    aws.answer = silent  # type: ignore[method-assign,assignment]
    assert (eks(aws).level, "not verified" in eks(aws).what) == ("warning", True)


def test_another_accounts_repository_has_to_let_the_role_in() -> None:
    finding = eks(Aws(), ECR.replace("111122223333", "444455556666"))
    assert finding.level == "warning"
    assert "not verified whether shop/web lets nodes in: it is the account 444455556666's" in (
        finding.what
    )
    assert "--registry-id 444455556666 --repository-name shop/web" in finding.next_step


def test_another_regions_repository_is_a_warning() -> None:
    finding = eks(Aws(), ECR.replace("eu-west-1", "us-east-1"))
    assert finding.level == "warning"
    assert "nodes in eu-west-1 pull from us-east-1" in finding.what
    assert finding.next_step == "give the environment a `registry:` in eu-west-1"
