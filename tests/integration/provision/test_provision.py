"""`shipit provision` and `destroy` on the real Pulumi engine, with a cloud in a folder."""

import shlex
import signal

import pytest

from tests.fakes.command import Shipit, contents
from tests.fakes.pulumi_engine.cloud import Cloud
from tests.fakes.pulumi_engine.running import in_a_shell, printed, stuck
from tests.fakes.pulumi_engine.shop import PROGRAM
from tests.fakes.terminal import answered

pytestmark = [pytest.mark.pulumi]


def states(shop: Shipit) -> dict[str, bytes]:
    """Pulumi's states, and the copies that it keeps of each when it writes one."""
    found = contents(shop.folder / ".shipit" / "pulumi" / ".pulumi")
    return {name: text for name, text in found.items() if not name.startswith("locks/")}


def change(shop: Shipit, old: str, new: str) -> None:
    path = shop.folder / "stacks" / "__main__.py"
    path.write_text(path.read_text().replace(old, new))


def test_a_preview_changes_nothing(shop: Shipit, cloud: Cloud) -> None:
    ran = shop("provision", "--env", "staging", "--preview")
    assert ran.code == 0, ran.told()
    assert "+ aws:ec2:Vpc" in ran.out
    assert "5 to create" in ran.out
    assert cloud.resources == {}


def test_up_then_nothing_to_do_then_a_change(shop: Shipit, cloud: Cloud) -> None:
    ran = shop("provision", "--env", "staging", "--yes", "--json")
    assert ran.code == 0, ran.told()
    assert len(cloud.resources) == 5
    assert ran.result["outputs"]["cluster"] == "shop-staging"
    assert "planted-secret" not in ran.out + ran.err

    again = shop("provision", "--env", "staging", "--yes")
    assert again.code == 0, again.told()
    assert "nothing to change, 5 stay as they are" in again.out

    change(shop, '"small"', '"large"')
    ran = shop("provision", "--env", "staging", "--yes")
    assert ran.code == 0, ran.told()
    assert "~ aws:ec2:Vpc  main  [tags]" in ran.out
    assert cloud.of_type("aws:ec2/vpc:Vpc")[0]["inputs"]["tags"]["size"] == "large"


def test_nobody_can_be_asked(shop: Shipit, cloud: Cloud) -> None:
    ran = shop("provision", "--env", "staging")
    assert ran.code == 2, ran.told()
    assert "run it again with --yes" in ran.err
    assert cloud.resources == {}


def test_a_typo_in_the_program_is_found_before_anything_is_made(shop: Shipit, cloud: Cloud) -> None:
    change(shop, 'cidr_block="10.0.0.0/16"', 'cidr_block="10.0.0.0/16", opts=None, colour="red"')
    ran = shop("provision", "--env", "staging", "--yes")
    assert ran.code == 2, ran.told()
    assert "colour" in ran.err
    assert cloud.resources == {}


def test_what_failed_in_the_middle_is_continued(shop: Shipit, cloud: Cloud) -> None:
    cloud.break_at(3, "fail")
    ran = shop("provision", "--env", "staging", "--yes")
    assert ran.code == 1, ran.told()
    assert "the quota of this account is used up" in ran.err
    made = dict(cloud.resources)
    cloud.mend()
    ran = shop("provision", "--env", "staging", "--yes")
    assert ran.code == 0, ran.told()
    assert made.items() <= cloud.resources.items()
    assert len(cloud.resources) == 5


def test_drift_is_found_by_a_refresh(shop: Shipit, cloud: Cloud) -> None:
    assert shop("provision", "--env", "staging", "--yes").code == 0
    gone = next(n for n, r in cloud.resources.items() if r["name"] == "private-1")
    cloud.delete(gone)
    ran = shop("provision", "--env", "staging", "--yes")
    assert "nothing to change" in ran.out
    ran = shop("provision", "--env", "staging", "--yes", "--refresh")
    assert ran.code == 0, ran.told()
    assert "1 to create" in ran.out
    assert len(cloud.resources) == 5


def test_killed_in_the_middle_says_the_exact_recovery(shop: Shipit, cloud: Cloud) -> None:
    """Failure mode 33: locks and operations in the middle are found first."""
    cloud.break_at(4, "hang")
    with stuck(shop, cloud, "provision", "--env", "staging", "--yes"):
        pass
    cloud.mend()
    made = len(cloud.resources)

    locked = shop("provision", "--env", "staging", "--yes")
    assert locked.code == 6, locked.told()
    in_a_shell(printed(locked.err, "cancel"), shop)

    pending = shop("provision", "--env", "staging", "--yes")
    assert pending.code == 2, pending.told()
    assert "was interrupted in the middle of creating aws:" in pending.err
    assert len(cloud.resources) == made

    recovery = shlex.split(printed(pending.err, "refresh"))
    before = states(shop)
    looked = shop(*recovery[1:], "--preview")
    assert looked.code == 0, looked.told()
    assert "a refresh forgets it" in looked.err
    assert states(shop) == before, "a preview has written to the state"
    assert answered(shop, "n", *recovery[1:]).code == 0
    assert states(shop) == before, "a refused change has written to the state"

    ran = answered(shop, "y", *recovery[1:])
    assert ran.code == 0, ran.told()
    assert len(cloud.resources) == 5


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_ends_what_it_does_and_writes_it_down(
    shop: Shipit, cloud: Cloud, number: signal.Signals
) -> None:
    cloud.break_at(3, "slow")
    with stuck(shop, cloud, "provision", "--env", "staging", "--yes") as process:
        process.send_signal(number)
        _, err = process.communicate(timeout=90)
    assert process.returncode == 130, err
    made = dict(cloud.resources)
    assert made

    ran = shop("provision", "--env", "staging", "--yes")
    assert ran.code == 0, ran.told()
    assert made.items() <= cloud.resources.items()
    assert len(cloud.resources) == 5


def test_destroy_asks_for_the_name_and_refuses_what_is_protected(
    shop: Shipit, cloud: Cloud
) -> None:
    change(shop, '"shop-staging")', '"shop-staging", opts=pulumi.ResourceOptions(protect=True))')
    assert shop("provision", "--env", "staging", "--yes").code == 0
    ran = shop("destroy", "--env", "staging", "--confirm", "staging")
    assert ran.code == 2, ran.told()
    assert "is protected: aws:ecs:Cluster shop" in ran.err
    assert len(cloud.resources) == 5

    (shop.folder / "stacks" / "__main__.py").write_text(PROGRAM)
    assert shop("provision", "--env", "staging", "--yes").code == 0
    ran = shop("destroy", "--env", "staging")
    assert ran.code == 2, ran.told()
    ran = shop("destroy", "--env", "staging", "--confirm", "stagin")
    assert ran.code == 2, ran.told()
    assert len(cloud.resources) == 5
    ran = shop("destroy", "--env", "staging", "--confirm", "staging")
    assert ran.code == 0, ran.told()
    assert cloud.resources == {}
