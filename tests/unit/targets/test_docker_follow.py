"""What is proven, what has failed and what is waited for, over scripted containers."""

import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from shipit.errors import RemoteError
from shipit.model.deployment import Action, Change, Desired, Health, Plan, Rollout
from shipit.model.digest import Digest
from shipit.model.image import Image, Platform, PlatformImage
from shipit.model.progress import Failed, Mark, Progress, Reason, Succeeded
from shipit.targets.docker import follow
from shipit.targets.docker.containers import Container
from shipit.targets.docker.project import specs

INDEX, MANIFEST, CONFIG, OTHER = (Digest.of(name.encode()) for name in "imco")
NOW = 1000.0
IMAGE = Image(
    "registry.test/web", INDEX, (PlatformImage(Platform("linux", "amd64"), MANIFEST, CONFIG),)
)


def desired(**service: object) -> Desired:
    project = {"services": {"web": {"image": IMAGE.reference, **service}}}
    return Desired("shop", "dev", INDEX, "r1", project, {"web": IMAGE}, ("web",))


def container(wanted: Desired, number: int = 1, **more: Any) -> Container:
    facts: dict[str, Any] = {
        "id": f"id{number}",
        "name": f"shop-dev-web-{number}",
        "service": "web",
        "state": "running",
        "health": Health.HEALTHY,
        "reference": IMAGE.reference,
        "images": (MANIFEST, CONFIG),
        "spec": specs(wanted)["web"],
        "one_off": False,
        "labels": {},
        "started": NOW - 60,
    }
    return Container(**{**facts, **more})


def watch(
    wanted: Desired,
    *looks: Sequence[Container] | Exception,
    action: Action = Action.UPDATE,
    before: frozenset[str] = frozenset(),
) -> tuple[list[Progress], object]:
    """Each look at the engine gives the next of `looks`, the last one for ever."""
    script: Iterator[Sequence[Container] | Exception] = iter(looks)
    last: list[Sequence[Container] | Exception] = []

    def survey() -> Sequence[Container]:
        last[:] = [next(script, last[0] if last else ())]
        if isinstance(last[0], Exception):
            raise last[0]
        return last[0]

    plan = Plan("default", wanted, (Change("web", action, "why"),), "f")
    *progress, outcome = follow.Watch(
        Rollout(plan, time.monotonic()),
        survey=survey,
        clock=lambda: NOW,
        tail=lambda c: (f"{c.name} spoke",),
        bring_up=None,
        before=before,
    ).follow()
    return [p for p in progress if isinstance(p, Progress)], outcome


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "POLL", 0.0)


@pytest.mark.parametrize("reported", [INDEX, MANIFEST, CONFIG])
def test_every_true_name_of_the_image_is_a_proof(reported: Digest) -> None:
    wanted = desired()
    _, outcome = watch(wanted, [container(wanted, images=(OTHER, reported))])
    assert outcome == Succeeded({"web": INDEX})


def test_its_states_are_said_once_each() -> None:
    wanted = desired()
    checked: dict[str, Any] = {"checked": True, "started": NOW}
    progress, outcome = watch(
        wanted,
        [],
        [],
        [container(wanted, spec="old")],
        [container(wanted, state="created", health=Health.STOPPED)],
        [container(wanted, health=Health.STARTING, **checked)],
        [container(wanted, health=Health.STARTING, **checked)],
        [container(wanted, **checked)],
    )
    assert [(p.mark, p.message) for p in progress] == [
        (Mark.RUNNING, "not started yet"),
        (Mark.RUNNING, "being replaced"),
        (Mark.RUNNING, "created"),
        (Mark.RUNNING, "running, its health check has not passed yet"),
        (Mark.DONE, f"proven, runs {INDEX.short}"),
    ]
    assert outcome == Succeeded({"web": INDEX})


def test_without_a_health_check_it_must_stay_up_for_a_moment() -> None:
    wanted = desired()
    young = container(wanted, started=NOW - follow.SETTLE + 0.5)
    died = container(wanted, state="exited", exit_code=1, health=Health.STOPPED)
    _, outcome = watch(wanted, [young], [young], [died])
    assert outcome == Failed((Reason("web", "exited with code 1", ("shop-dev-web-1 spoke",)),))


@pytest.mark.parametrize(
    ("facts", "what"),
    [
        ({"images": (OTHER,)}, f"runs {OTHER.short}, not {INDEX.short} that was asked for"),
        ({"images": ()}, f"runs another image, not {INDEX.short} that was asked for"),
        ({"state": "exited", "exit_code": 137, "out_of_memory": True}, "was killed: out of memory"),
        (
            {"state": "exited"},
            (
                "exited with code 0; a service stays up (mark one that runs once: "
                "`x-shipit: {run: before}`)"
            ),
        ),
        (
            {"state": "restarting", "exit_code": 2, "restarts": 5, "health": Health.UNHEALTHY},
            "exited with code 2, again and again",
        ),
        (
            {"checked": True, "health": Health.UNHEALTHY, "probe": "HTTP 500"},
            "its health check fails: HTTP 500",
        ),
    ],
)
def test_failures(facts: dict[str, Any], what: str) -> None:
    wanted = desired()
    progress, outcome = watch(wanted, [container(wanted, **facts)])
    assert outcome == Failed((Reason("web", what, ("shop-dev-web-1 spoke",)),))
    assert [(p.mark, p.message) for p in progress] == [(Mark.FAILED, what)]


def test_restarts_of_long_ago_do_not_count() -> None:
    wanted = desired()
    tried = container(wanted, restarts=9)
    kept = frozenset({"id1"})
    _, outcome = watch(wanted, [tried], action=Action.KEEP, before=kept)
    assert outcome == Succeeded({"web": INDEX})
    again = container(wanted, restarts=14, state="restarting", exit_code=1, health=Health.UNHEALTHY)
    young = container(wanted, restarts=9, started=NOW)
    _, outcome = watch(wanted, [young], [again], action=Action.KEEP, before=kept)
    assert isinstance(outcome, Failed)


def test_unknown_is_neither_good_nor_bad() -> None:
    wanted = desired()
    silent = RemoteError("no answer", temporary=True)
    progress, outcome = watch(wanted, silent, [container(wanted)])
    assert progress[0].message == "the engine does not answer"
    assert outcome == Succeeded({"web": INDEX})
    with pytest.raises(RemoteError):
        watch(wanted, RemoteError("it cannot"))


def test_every_replica_counts_and_none_may_be_left_over() -> None:
    wanted = desired(deploy={"replicas": 2})
    one, two, old = container(wanted, 1), container(wanted, 2), container(wanted, 3, spec="old")
    progress, outcome = watch(wanted, [one], [one, two, old], [one, two])
    assert [p.message for p in progress] == [
        "1 of 2 ready",
        "2 of 2 ready",
        f"proven, runs {INDEX.short} (2x)",
    ]
    assert outcome == Succeeded({"web": INDEX})


def test_what_was_not_exercised_is_not_proven() -> None:
    progress, outcome = watch(desired(deploy={"replicas": 0}), [])
    assert [p.message for p in progress] == ["0 replicas: not exercised"]
    assert outcome == Succeeded({})


def test_the_deadline() -> None:
    wanted = Desired(
        "shop", "dev", INDEX, "r1", desired().project, {"web": IMAGE}, ("web",), deadline=0.0
    )
    _, outcome = watch(wanted, [container(wanted, state="created", health=Health.STOPPED)])
    assert outcome == Failed(
        (Reason("web", "not proven within 0.0s: created", ("shop-dev-web-1 spoke",)),)
    )
