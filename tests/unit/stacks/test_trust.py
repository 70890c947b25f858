"""Whose tokens infra/'s roles and accounts are for: GitHub's claims, judged by what is written."""

import json
from pathlib import Path

import pulumi
import pytest

from tests.fakes.policies import allows, asserted
from tests.fakes.pulumi_engine.graph import Graph, of_account

SHIPIT_YAML = """\
app: shop
registry: 111122223333.dkr.ecr.eu-west-1.amazonaws.com/shop
x-infra: {github: GITHUB}
environments:
  dev: {target: {docker: {}}}
  staging:
    after: dev
    registry: europe-west1-docker.pkg.dev/acme/shop
    target: {gke: {project: acme, location: europe-west1, cluster: staging}}
"""
ISSUER = "token.actions.githubusercontent.com"
OURS = {
    "sub": "repo:acme/shop:environment:staging",
    "repository": "acme/shop",
    "repository_owner_id": "12",
    "repository_id": "345",
}
IMMUTABLE = OURS | {"sub": "repo:acme@12/shop@345:environment:staging"}
# What GitHub puts into `sub` for other repositories and other kinds of jobs ("OpenID Connect
# reference", "Immutable subject claims").
OTHERS = {
    "another repository": {
        "sub": "repo:acme/other:environment:staging",
        "repository": "acme/other",
    },
    "a longer name": {"sub": "repo:acme/shop2:environment:staging", "repository": "acme/shop2"},
    "another owner": {"sub": "repo:evil/shop:environment:staging", "repository": "evil/shop"},
    "another environment": {"sub": "repo:acme/shop:environment:dev"},
    "a longer environment": {"sub": "repo:acme/shop:environment:staging2"},
    "a pull request": {"sub": "repo:acme/shop:pull_request"},
    "a branch": {"sub": "repo:acme/shop:ref:refs/heads/staging"},
    "a tag of that name": {"sub": "repo:acme/shop:ref:refs/tags/environment:staging"},
}


def made(folder: Path, github: str) -> Graph:
    (folder / "shipit.yaml").write_text(SHIPIT_YAML.replace("GITHUB", github))
    (folder / "compose.yaml").write_text("services: {web: {build: .}}\n")
    return of_account(folder / "shipit.yaml")


@pytest.fixture
def graph(tmp_path: Path) -> Graph:
    return made(tmp_path, "acme/shop")


def on_aws(graph: Graph, claims: dict[str, str], audience: str = "sts.amazonaws.com") -> bool:
    """Whether STS gives staging's role for this token."""
    (role,) = [r for r in graph.of("aws:iam/role:Role") if r.name == "shop-staging"]
    statements = json.loads(role.inputs["assumeRolePolicy"])["Statement"]
    provider = graph.one("aws:iam/openIdConnectProvider:OpenIdConnectProvider").inputs
    assert provider["url"] == f"https://{ISSUER}"
    context = {f"{ISSUER}:sub": claims["sub"], f"{ISSUER}:aud": audience}
    return audience in provider["clientIdLists"] and allows(
        statements, "sts:AssumeRoleWithWebIdentity", context=context
    )


def on_google(graph: Graph, claims: dict[str, str]) -> bool:
    """Whether the pool lets the token in, and its subject may act as staging's account."""
    provider = graph.one("gcp:iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider").inputs
    assert provider["attributeMapping"] == {"google.subject": "assertion.sub"}
    pool = graph.one("gcp:iam/workloadIdentityPool:WorkloadIdentityPool")
    (member,) = [
        r.inputs["member"]
        for r in graph.of("gcp:serviceaccount/iAMMember:IAMMember")
        if r.inputs["serviceAccountId"] == "shop-staging-id"
    ]
    subject = f"principal://iam.googleapis.com/{pool.name}-id/subject/{claims['sub']}"
    return asserted(provider["attributeCondition"], claims) and member == subject


def test_a_job_in_githubs_environment_of_that_name_is_let_in(graph: Graph) -> None:
    assert on_aws(graph, OURS)
    assert on_google(graph, OURS)


@pytest.mark.parametrize("claims", OTHERS.values(), ids=OTHERS)
def test_no_other_token_of_githubs_is(graph: Graph, claims: dict[str, str]) -> None:
    assert not on_aws(graph, OURS | claims)
    assert not on_google(graph, OURS | claims)


def test_another_repository_is_kept_out_of_googles_pool_by_itself(graph: Graph) -> None:
    """Whatever its subject would be: owners may change what is in it."""
    assert not on_google(graph, OURS | {"repository": "acme/other"})


def test_a_token_for_somebody_else_is_not(graph: Graph) -> None:
    """Google takes the provider's own name for the audience where no other is written."""
    assert not on_aws(graph, OURS, audience="https://github.com/acme")
    provider = graph.one("gcp:iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider").inputs
    assert provider["oidc"] == {"issuerUri": f"https://{ISSUER}"}


def test_immutable_subjects_are_taken_and_another_id_under_the_same_name_is_not(
    tmp_path: Path,
) -> None:
    graph = made(tmp_path, "acme@12/shop@345")
    assert on_aws(graph, IMMUTABLE)
    assert on_google(graph, IMMUTABLE)
    assert not on_aws(graph, OURS)
    again = {"sub": "repo:acme@12/shop@999:environment:staging", "repository_id": "999"}
    assert not on_aws(graph, IMMUTABLE | again)
    assert not on_google(graph, IMMUTABLE | again)
    assert not on_google(graph, IMMUTABLE | {"repository_id": "999"})


def test_a_subject_without_ids_is_not_what_immutable_tokens_have(graph: Graph) -> None:
    """So `github:` is written as the tokens say it."""
    assert not on_aws(graph, IMMUTABLE)
    assert not on_google(graph, IMMUTABLE)


def test_a_subject_that_google_would_refuse_is_said_before(tmp_path: Path) -> None:
    with pytest.raises(pulumi.RunError, match="Google takes subjects of 127 letters"):
        made(tmp_path, f"acme/{'s' * 100}")


def test_an_account_that_trusts_github_already_gets_the_roles_alone(tmp_path: Path) -> None:
    """AWS takes one provider of that address."""
    graph = made(tmp_path, "acme/shop, trusted: true")
    assert graph.of("aws:iam/openIdConnectProvider:OpenIdConnectProvider") == []
    (role,) = [r for r in graph.of("aws:iam/role:Role") if r.name == "shop-staging"]
    (statement,) = json.loads(role.inputs["assumeRolePolicy"])["Statement"]
    assert statement["Principal"] == {
        "Federated": f"arn:aws:iam::111122223333:oidc-provider/{ISSUER}"
    }
