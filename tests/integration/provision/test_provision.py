"""`shipit provision` and `destroy` on the real Pulumi engine, with a cloud in a folder."""

import json
import re
import shlex
import signal

import pytest

from tests.fakes.command import Shipit, contents
from tests.fakes.pulumi_engine.cloud import Cloud
from tests.fakes.pulumi_engine.running import heard, in_a_shell, printed, stuck
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
    assert ran.result["changes"] == {"create": 6}, "the stack itself is one"
    assert ran.result["outputs"]["cluster"] == "shop-staging"
    assert "planted-secret" not in ran.out + ran.err

    again = shop("provision", "--env", "staging", "--yes", "--json")
    assert again.code == 0, again.told()
    assert again.result["event"] == "result"
    assert again.result["changes"] == {}
    assert again.result["outputs"] == ran.result["outputs"]

    change(shop, '"small"', '"large"')
    ran = shop("provision", "--env", "staging", "--yes")
    assert ran.code == 0, ran.told()
    assert "~ aws:ec2:Vpc  main  [tags]" in ran.out
    assert cloud.of_type("aws:ec2/vpc:Vpc")[0]["inputs"]["tags"]["size"] == "large"


def test_what_a_program_warns_of_is_said_once(shop: Shipit, cloud: Cloud) -> None:
    change(
        shop, "network =", 'pulumi.warn("the role of qa has not all of its rights yet")\nnetwork ='
    )
    for words in (("--preview",), ("--yes",)):
        ran = shop.ok("provision", "--env", "staging", *words)
        assert ran.err.count("warning: the role of qa has not all of its rights yet") == 1, words
    ran = shop.ok("provision", "--env", "staging", "--yes", "--json")
    said = [line.get("message", "") for line in ran.lines]
    assert said.count("warning: the role of qa has not all of its rights yet") == 1


@pytest.mark.parametrize("words", [(), ("--json",)], ids=["for people", "json"])
def test_progress_is_told_while_it_works(
    words: tuple[str, ...], shop: Shipit, cloud: Cloud
) -> None:
    cloud.break_at(4, "hang")
    with stuck(shop, cloud, "provision", "--env", "staging", "--yes", *words) as process:
        stream = process.stdout if words else process.stderr
        assert stream
        said = heard(stream, "made")
    if words:
        lines = [json.loads(line) for line in said.splitlines() if '"made"' in line]
        assert {(one["event"], one["stage"], one["mark"]) for one in lines} == {
            ("progress", "provision", "done")
        }
        assert {one["subject"].partition(" ")[0] for one in lines} <= {
            *("aws:ec2:Vpc", "aws:ec2:Subnet", "aws:ecs:Cluster")
        }
    else:
        assert re.search(r"aws:\w+:\w+ [a-z0-9-]+.* made", said)


def test_no_is_an_answer(shop: Shipit, cloud: Cloud) -> None:
    ran = answered(shop, "n", "provision", "--env", "staging")
    assert ran.code == 0, ran.told()
    assert "5 to create" in ran.out
    assert "nothing was changed" in ran.err
    ran = answered(shop, "n", "provision", "--env", "staging", "--json")
    assert ran.code == 0, ran.told()
    assert (ran.result["event"], ran.result["changes"]) == ("result", {})
    assert cloud.resources == {}
    assert not (shop.folder / ".shipit" / "ledger").exists()


def test_nobody_can_be_asked(shop: Shipit, cloud: Cloud) -> None:
    ran = shop("provision", "--env", "staging")
    assert ran.code == 2, ran.told()
    assert "run it again with --yes" in ran.err
    assert cloud.resources == {}


@pytest.mark.parametrize(
    ("right", "typo", "found"),
    [
        ('cidr_block="10.0.0.0/16"', 'cidr_block="10.0.0.0/16", colour="red"', "colour"),
        (
            'name="shop-staging"',
            'name="shop-staging", settings=[{"nam": "containerInsights", "value": "enabled"}]',
            "settings[0].nam",
        ),
    ],
)
def test_a_typo_in_the_program_is_found_before_anything_is_made(
    right: str, typo: str, found: str, shop: Shipit, cloud: Cloud
) -> None:
    change(shop, right, typo)
    ran = shop("provision", "--env", "staging", "--yes")
    assert ran.code == 2, ran.told()
    assert found in ran.err
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


def test_what_fails_or_is_killed_later_is_continued_too(shop: Shipit, cloud: Cloud) -> None:
    """An update that fails; a deletion that fails, and one whose end nobody saw."""
    assert shop("provision", "--env", "staging", "--yes").code == 0
    change(shop, '"small"', '"large"')
    cloud.break_at(1, "fail", "update")
    ran = shop("provision", "--env", "staging", "--yes")
    assert ran.code == 1, ran.told()
    assert "the quota of this account is used up" in ran.err
    cloud.break_at(1, "slow", "update")
    ran = shop("provision", "--env", "staging", "--yes", "--json")
    assert ran.code == 0, ran.told()
    assert ran.result["changes"] == {"update": 1}

    change(shop, '"large"', '"huge"')
    up = ("provision", "--env", "staging", "--yes")
    cloud.break_at(1, "hang", "update")
    with stuck(shop, cloud, *up):
        pass
    cloud.mend()
    in_a_shell(printed(shop(*up).err, "cancel"), shop)
    pending = shop(*up)
    assert "was interrupted in the middle of updating aws:ec2:Vpc main" in pending.err
    assert "delete" not in pending.err, "it is on record, and in use"
    shop.ok(*shlex.split(printed(pending.err, "refresh"))[1:], "--yes")
    assert cloud.of_type("aws:ec2/vpc:Vpc")[0]["inputs"]["tags"]["size"] == "huge"

    destroy = ("destroy", "--env", "staging", "--confirm", "staging")
    cloud.break_at(1, "fail", "delete")
    ran = shop(*destroy)
    assert ran.code == 1, ran.told()
    cloud.break_at(2, "hang", "delete")
    with stuck(shop, cloud, *destroy):
        pass
    cloud.mend()
    in_a_shell(printed(shop(*destroy).err, "cancel"), shop)
    pending = shop(*destroy)
    assert pending.code == 2, pending.told()
    assert "was interrupted in the middle of deleting aws:" in pending.err
    in_a_shell(printed(pending.err, "refresh"), shop)
    ran = shop(*destroy)
    assert ran.code == 0, ran.told()
    assert cloud.resources == {}


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
    assert "delete what is there of it" in " ".join(pending.err.split())
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
    assert "`shipit provision --env staging`" in ran.err
    assert len(cloud.resources) == 5

    (shop.folder / "stacks" / "__main__.py").write_text(PROGRAM)
    assert shop("provision", "--env", "staging", "--yes").code == 0
    ran = shop("destroy", "--env", "staging")
    assert ran.code == 2, ran.told()
    ran = shop("destroy", "--env", "staging", "--confirm", "stagin")
    assert ran.code == 2, ran.told()
    ran = answered(shop, "no", "destroy", "--env", "staging")
    assert ran.code == 0, ran.told()
    assert "5 to delete" in ran.out
    assert "nothing was changed" in ran.err
    assert len(cloud.resources) == 5
    ran = shop("destroy", "--env", "staging", "--confirm", "staging")
    assert ran.code == 0, ran.told()
    assert cloud.resources == {}
