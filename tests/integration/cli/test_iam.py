"""`shipit iam` as a user runs it, before there is a release."""

from pathlib import Path

import pytest

from tests.fakes.command import Shipit, refused

REGISTRY = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/shop"
COMPOSE = "services: {web: {build: .}}\n"
ECS = f"""\
app: shop
registry: {REGISTRY}
environments:
  dev: {{target: {{docker: {{}}}}}}
  production:
    after: dev
    target:
      ecs:
        region: eu-west-1
        cluster: prod
        subnets: [subnet-1]
        execution_role: arn:aws:iam::111122223333:role/execution
"""


@pytest.fixture
def shop(tmp_path: Path) -> Shipit:
    (tmp_path / "compose.yaml").write_text(COMPOSE)
    (tmp_path / "shipit.yaml").write_text(ECS)
    return Shipit(tmp_path)


def test_a_policy_for_targets_and_registry(shop: Shipit) -> None:
    ran = shop("iam", "--env", "production")
    assert ran.code == 0, ran.told()
    assert "there is no release yet" in ran.err
    statements = ran.json["Statement"]
    by_action = {action: s for s in statements for action in s["Action"]}
    assert by_action["ecr:PutImage"]["Resource"] == [
        "arn:aws:ecr:eu-west-1:111122223333:repository/shop/web"
    ]
    assert by_action["ecs:UpdateService"]["Resource"] == [
        "arn:aws:ecs:eu-west-1:111122223333:service/prod/shop-production-*"
    ]
    assert all("*" not in action for action in by_action)
    assert "ecr:BatchDeleteImage" not in by_action


def test_where_no_target_is_awss_a_release_would_change_nothing(shop: Shipit) -> None:
    ran = shop.ok("iam", "--env", "dev")
    assert {a for s in ran.json["Statement"] for a in s["Action"]} >= {"ecr:PutImage"}
    assert ran.err == ""


def test_cleaning_up_also_deletes_tags(shop: Shipit) -> None:
    ran = shop("iam", "--env", "production", "--gc")
    assert ran.code == 0, ran.told()
    by_action = {action: s for s in ran.json["Statement"] for action in s["Action"]}
    assert by_action["ecr:BatchDeleteImage"] == by_action["ecr:PutImage"] | {
        "Sid": by_action["ecr:BatchDeleteImage"]["Sid"],
        "Action": ["ecr:BatchDeleteImage"],
    }


def test_an_environment_without_aws_is_told(shop: Shipit) -> None:
    (shop.folder / "shipit.yaml").write_text(
        "app: shop\nenvironments: {dev: {target: {docker: {}}}}\n"
    )
    refused(shop("iam", "--env", "dev"), "dev needs nothing of AWS")


@pytest.mark.parametrize(
    ("ledger", "said"),
    [
        ("", "encrypts no ledger: it is in .shipit/ledger"),
        ("ledger: s3://acme-shipit/shop\n", "alias/shop is no KMS key's ARN"),
    ],
)
def test_a_key_that_is_none_of_the_ledgers_is_told(shop: Shipit, ledger: str, said: str) -> None:
    (shop.folder / "shipit.yaml").write_text(ledger + ECS)
    key = "alias/shop" if ledger else "arn:aws:kms:eu-west-1:111122223333:key/1"
    refused(shop("iam", "--env", "production", "--key", key), said)
