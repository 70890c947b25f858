"""The reference pipelines' stacks and the account's foundations, on the real Pulumi engine: what
they give is held against the SDKs' own types, resource by resource."""

from pathlib import Path

import pytest

from tests.fakes import pulumi_engine
from tests.fakes.command import Shipit
from tests.fakes.pulumi_engine.cloud import Cloud

pytestmark = [pytest.mark.pulumi, pytest.mark.slow]


def begun(pipeline: str, folder: Path) -> Shipit:
    """As a newcomer has it, the state on this machine."""
    home = folder / "shop"
    home.mkdir()
    (home / "compose.yaml").write_text("services: {web: {build: .}, worker: {build: .}}\n")
    env = pulumi_engine.environment(folder / "engine")
    shop = Shipit(home, {**env, "PULUMI_BACKEND_URL": f"file://{folder}"})
    shop.ok("init", "--pipeline", pipeline, "--app", "shop")
    path = home / "shipit.yaml"
    kept = [line for line in path.read_text().splitlines() if "secrets:" not in line]
    path.write_text("\n".join(kept) + "\n")
    return shop


@pytest.mark.parametrize(
    ("pipeline", "environment"),
    [("ecs-fargate", "staging"), ("ecs-ec2", "staging"), ("eks", "staging"), ("gke", "production")],
)
def test_a_stack_comes_up_and_the_target_reads_it(
    pipeline: str, environment: str, tmp_path: Path
) -> None:
    shop = begun(pipeline, tmp_path)
    path = shop.folder / "shipit.yaml"
    kept = [line for line in path.read_text().splitlines() if not line.startswith("ledger:")]
    path.write_text("\n".join(kept) + "\n")
    ran = shop("provision", "--env", environment, "--yes", "--json")
    assert ran.code == 0, ran.told()
    outputs = ran.result["outputs"]
    assert outputs["cluster"] == f"shop-{environment}"
    assert len(Cloud(tmp_path / "engine" / "cloud").resources) > 8


def test_who_shifts_traffic_owns_the_weights(tmp_path: Path) -> None:
    """A later `up` sees them, and leaves them as they are."""
    shop = begun("ecs-fargate", tmp_path)
    path = shop.folder / "shipit.yaml"
    kept = [line for line in path.read_text().splitlines() if not line.startswith("ledger:")]
    path.write_text("\n".join(kept) + "\n")
    shop.ok("provision", "--env", "staging", "--yes")
    cloud = Cloud(tmp_path / "engine" / "cloud")
    name, listener = next(
        (name, found)
        for name, found in cloud.resources.items()
        if found["type"] == "aws:lb/listener:Listener" and found["inputs"]["port"] == 443
    )
    groups = listener["inputs"]["defaultActions"][0]["forward"]["targetGroups"]
    for group, weight in zip(groups, (10, 90), strict=True):
        group["weight"] = weight
    cloud.put(name, listener)

    ran = shop.ok("provision", "--env", "staging", "--yes", "--refresh")
    assert "nothing to change" in ran.out
    assert cloud.resources[name] == listener


@pytest.mark.parametrize(
    ("pipeline", "wanted"),
    [
        (
            "hybrid",
            {
                *("aws:s3:Bucket", "aws:ecr:Repository", "aws:iam:OpenIdConnectProvider"),
                *("gcp:artifactregistry:Repository", "gcp:iam:WorkloadIdentityPool"),
            },
        ),
        ("gke", {"gcp:storage:Bucket", "gcp:storage:BucketIAMMember", "gcp:kms:CryptoKey"}),
    ],
)
def test_the_accounts_foundations_come_up(pipeline: str, wanted: set[str], tmp_path: Path) -> None:
    shop = begun(pipeline, tmp_path)
    ran = shop("provision", "--infra", "--preview", "--json")
    assert ran.code == 0, ran.told()
    assert wanted <= {change["type"] for change in ran.result["changes"]}
