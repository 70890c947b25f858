"""`shipit run` as a Job that goes again; what a task cannot start without."""

from collections.abc import Iterator
from typing import Any

import pytest

from shipit.errors import PreconditionError
from shipit.targets.kubernetes import applyset, commands, logs, tasks
from shipit.targets.kubernetes.survey import Survey
from tests.fakes.namespace import NAME, Namespace
from tests.unit.targets.kubernetes.test_tasks import DESIRED, does, ends, job, runs


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Namespace]:
    monkeypatch.setattr(logs, "_PAUSE", 0.01)
    monkeypatch.setattr(tasks, "_LOOK", 0.01)
    with Namespace() as namespace:
        yield namespace


def run(shop: Namespace, *, tty: bool = False) -> int:
    return commands.run(shop.cluster(), DESIRED, "migrate", job(), tty=tty)


def made(shop: Namespace) -> list[dict[str, Any]]:
    """The Jobs as they were asked for."""
    kept: list[dict[str, Any]] = []
    before = shop.created

    def created(collection: str, one: dict[str, Any]) -> None:
        kept.append(one)
        before(collection, one)

    shop.created = created
    return kept


@pytest.mark.parametrize("code", [0, 3])
def test_its_output_and_its_exit_code(
    shop: Namespace, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def work() -> None:
        shop.write("shop-qa-migrate-1-x", "migrate", "one", "two")
        runs(shop)
        ends(shop, code)

    does(shop, work)
    asked = made(shop)
    assert run(shop) == code
    assert capsys.readouterr() == ("one\ntwo\n", "")
    assert shop.objects["jobs"] == {}
    # Whoever is killed in between leaves nothing behind for ever.
    spec = asked[0]["spec"]
    assert (spec["ttlSecondsAfterFinished"], spec["activeDeadlineSeconds"]) == (60, 24 * 3600)


def test_one_that_cannot_start_says_why(
    shop: Namespace, capsys: pytest.CaptureFixture[str]
) -> None:
    waiting = {"reason": "ErrImagePull", "message": "manifest unknown"}
    does(shop, lambda: runs(shop, state={"waiting": waiting}, ready=False, imageID=""))
    assert run(shop) == 1
    assert capsys.readouterr().err == "migrate: its image cannot be pulled: manifest unknown\n"
    assert shop.objects["jobs"] == {}


def test_others_runs_are_left_alone(shop: Namespace) -> None:
    """A person's command is no task: a migration that is at work does not stop it."""
    shop.put(job("0"), "jobs")

    def work() -> None:
        runs(shop)
        ends(shop, 0)

    does(shop, work)
    assert run(shop) == 0
    assert list(shop.objects["jobs"]) == ["shop-qa-migrate-0"]


def test_a_terminal_that_nothing_starts_for(shop: Namespace) -> None:
    waiting = {"reason": "ErrImagePull", "message": "manifest unknown"}
    does(shop, lambda: runs(shop, state={"waiting": waiting}, ready=False, imageID=""))
    asked = made(shop)
    with pytest.raises(PreconditionError, match="does not start for a command") as caught:
        run(shop, tty=True)
    assert "manifest unknown" in caught.value.why
    assert shop.objects["jobs"] == {}
    [container] = asked[0]["spec"]["template"]["spec"]["containers"]
    assert (container["stdin"], container["stdinOnce"], container["tty"]) == (True, True, True)


def test_a_command_that_is_over_before_anybody_is_attached(
    shop: Namespace, capsys: pytest.CaptureFixture[str]
) -> None:
    def work() -> None:
        shop.write("shop-qa-migrate-1-x", "migrate", "quick")
        ends(shop, 5)

    does(shop, work)
    assert run(shop, tty=True) == 5
    assert "quick" in capsys.readouterr().out


def test_a_pod_that_never_comes(shop: Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = shop.cluster()
    with pytest.raises(PreconditionError, match="does not start") as caught:
        commands._started(cluster, "migrate", "job", "migrate", 0.2)
    assert caught.value.why == "its pod is not there"


# What a task cannot start without


def test_what_a_task_needs_is_put_there_as_a_member(shop: Namespace) -> None:
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "migrate"}}
    tasks.prepare(Survey(shop.cluster(), "shop-qa"), [account])
    held = shop.objects["serviceaccounts"]["migrate"]
    assert held["metadata"]["labels"] == {applyset.PART_OF: applyset.identity("shop-qa", NAME)}
    assert [r for r in shop.requests if r.startswith("PATCH")] == [
        "PATCH configmaps/shop-qa?fieldManager=shipit&force=true",  # claimed first
        "PATCH serviceaccounts/migrate?fieldManager=shipit",
    ]
    kinds = applyset.kinds_of(shop.objects["configmaps"]["shop-qa"])
    assert kinds == {"ServiceAccount", "Deployment.apps", "StatefulSet.apps", "DaemonSet.apps"}


def test_what_the_server_does_not_take_is_an_error(shop: Namespace) -> None:
    shop.refusals["PATCH serviceaccounts"] = (403, "forbidden")
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "migrate"}}
    with pytest.raises(PreconditionError, match="does not take ServiceAccount/migrate"):
        tasks.prepare(Survey(shop.cluster(), "shop-qa"), [account])
