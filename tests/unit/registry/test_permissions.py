"""What `shipit iam` says ECR needs, held against what a copy and a proof ask of a registry."""

import re
from pathlib import Path

from shipit.model.permission import Permission
from shipit.registry import retention
from shipit.registry.client import Client
from shipit.registry.keychain import Chain
from shipit.registry.permissions import needed
from tests.fakes import registry_vouchers as vouching
from tests.fakes.registry import FakeRegistry

ECR = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
# Amazon ECR User Guide, "IAM permissions for pushing an image" and "Private registry
# authentication"; ListImageReferrers asks for BatchGetImage.
ACTIONS = {
    r"(GET|HEAD) .*/manifests/.*": {"ecr:BatchGetImage"},
    r"PUT .*/manifests/.*": {"ecr:PutImage"},
    r"GET .*/referrers/.*": {"ecr:BatchGetImage"},
    r"GET .*/tags/list.*": {"ecr:ListImages"},
    r"HEAD .*/blobs/sha256:.*": {"ecr:BatchCheckLayerAvailability"},
    r"GET .*/blobs/sha256:.*": {"ecr:GetDownloadUrlForLayer"},
    r"POST .*/blobs/uploads/.*": {"ecr:InitiateLayerUpload"},
    r"(PUT|PATCH) .*/blobs/uploads/.*": {"ecr:UploadLayerPart", "ecr:CompleteLayerUpload"},
}
# Not OCI's: the token, repositories that are missing, and what check on ECS looks at.
BESIDE = {"ecr:GetAuthorizationToken", "ecr:DescribeRepositories", "ecr:DescribeImages"}


def asked(registry: FakeRegistry) -> set[str]:
    found: set[str] = set()
    for request in registry.requests:
        if request.endswith(" /v2/"):
            continue  # it is only asked who may ask
        names = [actions for way, actions in ACTIONS.items() if re.fullmatch(way, request)]
        assert len(names) == 1, request
        found |= names[0]
    return found


def allowed(*, push: bool) -> set[str]:
    statements = needed(f"{ECR}/shop/web", push=push)
    return {action for one in statements for action in one.actions}


def test_a_copy_and_its_proof_are_allowed_and_nothing_else(tmp_path: Path) -> None:
    """From where it was built to an environment's own registry, tagged for retention, verified."""
    with (
        FakeRegistry(tmp_path / "built") as built,
        FakeRegistry(tmp_path / "served") as served,
        Client(Chain(())) as client,
    ):
        image = vouching.push_signed(client, f"{built.address}/shop/web", "web")
        built.requests.clear()
        copied = client.copy(image, f"{served.address}/shop/web", whole=True).image
        tags = retention.wanted("dev", [copied], [copied])
        assert retention.keep(client, tags) == []
        assert retention.unkept(client, tags) == []
        assert client.verify(copied) == []
    assert asked(built) <= allowed(push=False)
    assert asked(served) <= allowed(push=True)
    assert asked(built) | asked(served) | BESIDE == allowed(push=True)


def test_pulling_alone_does_not_allow_to_push() -> None:
    assert not {a for a in allowed(push=False) if "Upload" in a or a == "ecr:PutImage"}


def test_it_is_one_repository_in_its_account_and_region() -> None:
    found: dict[str, Permission] = {p.why: p for p in needed(f"{ECR}/shop/web", push=True)}
    arn = "arn:aws:ecr:eu-west-1:111122223333:repository/shop/web"
    assert found["push images"].resources == (arn,)
    assert {p.why for p in found.values() if p.resources == ("*",)} == {"log in to ECR"}


def test_other_registries_need_nothing_of_iam() -> None:
    for repository in ("ghcr.io/acme/web", "public.ecr.aws/acme/web", "127.0.0.1:5000/web"):
        assert list(needed(repository, push=True)) == []
