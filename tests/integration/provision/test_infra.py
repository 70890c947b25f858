"""`shipit provision --infra` makes the bucket in which the ledger is kept, and its own state."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes import pulumi_engine
from tests.fakes.command import Shipit, contents, refused
from tests.fakes.moto import CREDENTIALS, make_bucket, moto_server
from tests.fakes.pulumi_engine.cloud import Cloud
from tests.fakes.pulumi_engine.provider import S3
from tests.fakes.pulumi_engine.running import in_a_shell, printed, stuck
from tests.fakes.terminal import answered

pytestmark = [pytest.mark.pulumi, pytest.mark.aws]

SHIPIT_YAML = """\
app: shop
ledger: s3://acme-shipit/shop
environments:
  dev: {target: {docker: {}}}
"""
PROGRAM = """\
import pulumi
import pulumi_aws as aws

key = aws.kms.Key("shop")
bucket = aws.s3.Bucket(
    "shop", bucket="acme-shipit", opts=pulumi.ResourceOptions(depends_on=[key], protect=True)
)
aws.ecr.Repository("web", name="shop/web", opts=pulumi.ResourceOptions(depends_on=[bucket]))
pulumi.export("bucket", bucket.bucket)
pulumi.export("password", pulumi.Output.secret("planted-secret"))
"""
UP = ("provision", "--infra", "--yes")


@pytest.fixture
def s3() -> Iterator[str]:
    with moto_server() as endpoint:
        yield endpoint


@pytest.fixture
def shop(tmp_path: Path, s3: str) -> Shipit:
    folder = tmp_path / "shop"
    (folder / "infra").mkdir(parents=True)
    (folder / "shipit.yaml").write_text(SHIPIT_YAML)
    (folder / "infra" / "Pulumi.yaml").write_text("name: account\nruntime: python\n")
    (folder / "infra" / "__main__.py").write_text(PROGRAM)
    env = pulumi_engine.environment(tmp_path / "engine")
    return Shipit(folder, {**env, **CREDENTIALS, "AWS_ENDPOINT_URL": s3, S3: s3})


def elsewhere(shop: Shipit, name: str = "elsewhere") -> Shipit:
    """The same checkout on another machine: what is only on this one is not there."""
    folder = shop.folder.with_name(name)
    shutil.copytree(shop.folder, folder, ignore=shutil.ignore_patterns(".shipit"))
    return Shipit(folder, shop.env)


def kept_here(shop: Shipit) -> list[str]:
    stacks = shop.folder / ".shipit" / "pulumi" / ".pulumi" / "stacks"
    return [path.name for path in stacks.rglob("*.json")]


def test_a_newcomers_first_command(shop: Shipit, cloud: Cloud) -> None:
    looked = shop("provision", "--infra", "--preview")
    assert looked.code == 0, looked.told()
    assert "3 to create" in looked.out
    assert "s3://acme-shipit/shop/pulumi is not there yet" in looked.err
    assert cloud.resources == {}
    assert answered(shop, "n", "provision", "--infra").code == 0
    assert cloud.resources == {}

    ran = shop(*UP, "--json")
    assert ran.code == 0, ran.told()
    assert ran.result["outputs"] == {"bucket": "acme-shipit"}
    said = [line.get("message", "") for line in ran.lines]
    assert "the stack's state is in s3://acme-shipit/shop/pulumi from now on" in said
    assert "planted-secret" not in ran.out + ran.err
    assert kept_here(shop) == []

    for machine in (shop, elsewhere(shop)):
        again = machine(*UP, "--json")
        assert again.code == 0, again.told()
        assert again.result["outputs"] == {"bucket": "acme-shipit"}
        assert again.result["changes"] == {}
        assert kept_here(machine) == []
    assert len(cloud.resources) == 3


@pytest.mark.slow
def test_as_init_prints_it(tmp_path: Path, s3: str, cloud: Cloud) -> None:
    """The reference pipeline with the reference infra/, nothing prepared but a passphrase."""
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "compose.yaml").write_text("services: {web: {build: .}}\n")
    env = pulumi_engine.environment(tmp_path / "engine")
    shop = Shipit(folder, {**env, **CREDENTIALS, "AWS_ENDPOINT_URL": s3, S3: s3})
    said = shop.ok("init", "--pipeline", "ecs-fargate", "--app", "shop").out
    assert "shipit provision --infra, then shipit provision --env staging" in said
    ran = shop(*UP, "--json")
    assert ran.code == 0, ran.told()
    assert ran.result["outputs"]["bucket"] == "acme-shipit"
    assert kept_here(shop) == []
    assert cloud.of_type("aws:s3/bucket:Bucket")
    assert shop(*UP).code == 0
    assert shop("status").code == 0


def test_what_failed_after_the_bucket_is_continued_on_any_machine(
    shop: Shipit, cloud: Cloud
) -> None:
    cloud.break_at(3, "fail")
    ran = shop(*UP)
    assert ran.code == 1, ran.told()
    assert "the quota of this account is used up" in ran.err
    assert kept_here(shop) == []
    cloud.mend()
    ran = elsewhere(shop)(*UP)
    assert ran.code == 0, ran.told()
    assert "1 to create, 2 stay as they are" in ran.out
    assert len(cloud.resources) == 3


def test_killed_after_the_bucket_was_made(shop: Shipit, cloud: Cloud) -> None:
    """Failure mode 33, where the state is still on this machine and the bucket is there."""
    cloud.break_at(3, "hang")
    with stuck(shop, cloud, *UP):
        pass
    cloud.mend()
    assert len(cloud.resources) == 2

    locked = shop(*UP)
    assert locked.code == 6, locked.told()
    in_a_shell(printed(locked.err, "cancel"), shop)
    said = refused(shop(*UP), "in the middle of creating aws:ecr:Repository web")
    ran = answered(shop, "y", *printed(said, "refresh").split()[1:])
    assert ran.code == 0, ran.told()
    assert kept_here(shop) == []
    assert len(cloud.resources) == 3
    again = elsewhere(shop)(*UP)
    assert "nothing to change, 3 stay as they are" in again.out, again.told()


def waits_before(step: str, cloud: Cloud) -> None:
    """`pulumi` does not begin this step of the bucket's state, but waits."""
    program = cloud.folder.parent / "programs" / "pulumi"
    engine = program.resolve()
    program.unlink()
    program.write_text(
        f"""#!/bin/sh
case "$PULUMI_BACKEND_URL $*" in
{step}) touch {cloud.folder}/hanging; exec sleep 3600;;
esac
exec {engine} "$@"
"""
    )
    program.chmod(0o755)


def goes_on(cloud: Cloud) -> None:
    program = cloud.folder.parent / "programs" / "pulumi"
    program.write_text(program.read_text().replace("exec sleep 3600", ""))


@pytest.mark.parametrize(
    "step", ["s3:*'stack init'*", "s3:*'stack import'*", "file:*'stack rm'*"], ids=["1", "2", "3"]
)
def test_killed_while_the_state_was_moved(step: str, shop: Shipit, cloud: Cloud) -> None:
    """What is there is taken up: neither state is lost, and nothing is made twice."""
    waits_before(step, cloud)
    with stuck(shop, cloud, *UP):
        pass
    goes_on(cloud)
    assert kept_here(shop) == ["account.json"]
    assert len(cloud.resources) == 3

    state = shop.folder / ".shipit" / "pulumi" / ".pulumi"
    before = contents(state)
    assert shop("provision", "--infra", "--preview").code == 0
    assert contents(state) == before
    ran = shop(*UP)
    assert ran.code == 0, ran.told()
    assert "nothing to change, 3 stay as they are" in ran.out
    assert kept_here(shop) == []
    assert len(cloud.resources) == 3


def test_a_bucket_that_somebody_made_meanwhile(shop: Shipit, s3: str, cloud: Cloud) -> None:
    cloud.break_at(2, "fail")
    assert shop(*UP).code == 1
    assert kept_here(shop) == ["account.json"]
    cloud.mend()
    make_bucket(s3, "acme-shipit")
    ran = shop.with_env(SHIPIT_TEST_S3=None)(*UP)
    assert ran.code == 0, ran.told()
    assert "2 to create, 1 stay as they are" in ran.out
    assert "is in s3://acme-shipit/shop/pulumi from now on" in ran.err
    assert kept_here(shop) == []


def test_a_lock_in_the_bucket_is_found_and_taken_away(shop: Shipit, cloud: Cloud) -> None:
    """Failure mode 33, seen from another machine than the one that was killed."""
    assert shop(*UP).code == 0
    program = shop.folder / "infra" / "__main__.py"
    program.write_text(PROGRAM.replace('Key("shop")', 'Key("shop", tags={"size": "large"})'))
    cloud.break_at(1, "hang", "update")
    with stuck(shop, cloud, *UP):
        pass
    cloud.mend()

    machine = elsewhere(shop)
    locked = machine(*UP)
    assert locked.code == 6, locked.told()
    command = printed(locked.err, "cancel")
    assert "PULUMI_BACKEND_URL=s3://acme-shipit/shop/pulumi pulumi cancel" in command
    in_a_shell(command, machine)
    refused(machine(*UP), "in the middle of updating aws:kms:Key shop")
    ran = machine(*UP, "--refresh")
    assert ran.code == 0, ran.told()
    assert cloud.of_type("aws:kms/key:Key")[0]["inputs"]["tags"] == {"size": "large"}


def test_two_states_of_one_account_are_said(shop: Shipit, s3: str, cloud: Cloud) -> None:
    """Two people began at once: which of the two is right is not shipit's to guess."""
    there = elsewhere(shop)
    for name in ("infra/__main__.py", "infra/Pulumi.account.yaml"):
        (there.folder / name).unlink(missing_ok=True)
    other = '\nimport pulumi\nimport pulumi_aws as aws\naws.kms.Key("theirs")\n'
    (there.folder / "infra" / "__main__.py").write_text(other)
    make_bucket(s3, "acme-shipit")
    assert there(*UP).code == 0
    state = shop.folder / ".shipit" / "pulumi"
    ours = shop.with_env(PULUMI_BACKEND_URL=f"file://{state}", SHIPIT_TEST_S3=None)
    assert ours(*UP).code == 0
    before = contents(state), cloud.resources

    said = refused(shop(*UP), "has two states", "s3://acme-shipit/shop/pulumi", str(state))
    assert "aws:kms:Key shop" in " ".join(said.split())
    assert (contents(state), cloud.resources) == before
    in_a_shell(printed(said, "stack rm"), shop)
    ran = shop("provision", "--infra", "--preview")
    assert "3 to create, 1 to delete" in ran.out, ran.told()


def test_a_ledger_that_moves_to_a_bucket_takes_the_stacks_along(
    shop: Shipit, s3: str, cloud: Cloud
) -> None:
    """An environment's stack was provisioned with its state on this machine."""
    (shop.folder / "infra").rename(shop.folder / "stacks")
    before = SHIPIT_YAML.replace("ledger: s3://acme-shipit/shop\n", "")
    (shop.folder / "shipit.yaml").write_text(before)
    up = ("provision", "--env", "dev", "--yes")
    assert shop.with_env(SHIPIT_TEST_S3=None)(*up).code == 0

    make_bucket(s3, "acme-shipit")
    (shop.folder / "shipit.yaml").write_text(SHIPIT_YAML)
    ran = shop(*up)
    assert ran.code == 0, ran.told()
    assert "what is applied moves it to s3://acme-shipit/shop/pulumi" in ran.err
    assert "nothing to change, 3 stay as they are" in ran.out
    again = elsewhere(shop)(*up)
    assert "nothing to change, 3 stay as they are" in again.out, again.told()
    assert len(cloud.resources) == 3


def test_an_environment_says_what_makes_the_bucket(shop: Shipit) -> None:
    shutil.copytree(shop.folder / "infra", shop.folder / "stacks")
    said = refused(shop("provision", "--env", "dev", "--yes"), "there is no such bucket")
    assert "`shipit provision --infra`" in said
