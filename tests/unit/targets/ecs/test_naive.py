"""Each failure mode's test, with the naive way in the place of shipit's: the story is then told
wrongly, and the test says so. What passes here with the naive way would prove nothing there.

Naive is above all the judgement that a service is deployed when as many tasks run as are desired.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

import pytest

from shipit.errors import ShipitError
from shipit.targets.ecs import (
    apply,
    cloud,
    container,
    follow,
    names,
    pace,
    plan,
    preflight,
    strategy,
    troubles,
)
from shipit.targets.ecs.follow import Watch, Watched
from shipit.targets.ecs.standing import End, Standing
from shipit.targets.ecs.survey import Live, primary
from tests.unit.targets.ecs import test_pace, test_rollout, test_stories, test_whole_service
from tests.unit.targets.ecs.conftest import Shop

Json = dict[str, Any]
Patch = pytest.MonkeyPatch


def running_is_desired(patch: Patch) -> None:
    """1 to 5, 7, 10: no deployment's id, no digest, no look at what failed."""

    def judged(service: Json | None, deployment: str, asked_at: datetime | None) -> Standing:
        if service is None:
            return Standing(End.MISSING, "not there yet")
        running, desired = service["runningCount"], service["desiredCount"]
        end = End.COMPLETED if running == desired else End.WAITING
        return Standing(end, f"{running} of {desired} run", primary(service) or {})

    def believed(self: Watch, watched: Watched, _: Live, standing: Standing) -> Standing:
        self._proven |= {n: watched.digests[n] for n in watched.want.group.members}
        return standing

    patch.setattr(follow, "stand", judged)
    patch.setattr(Watch, "_prove", believed)
    patch.setattr(Watch, "_count_failures", lambda _, __, standing: standing)


def alarms_are_ecss_matter(patch: Patch) -> None:
    patch.setattr(preflight, "refuse_alarms", lambda *_: None)


def old_revisions_are_tidied_away(patch: Patch) -> None:
    update = apply._update

    def tidied(work: apply.Work, group: str, *more: Any) -> Json:
        made = update(work, group, *more)
        old = work.lives[group].service["taskDefinition"]
        work.cloud.call("ecs", "deregister_task_definition", taskDefinition=old)
        return made

    patch.setattr(apply, "_update", tidied)


def nothing_is_tagged(patch: Patch) -> None:
    patch.setattr(names, "tags", lambda _: [])


def a_throttled_call_has_failed(patch: Patch) -> None:
    patch.setattr(cloud, "_PATIENCE", -1.0)


def everybody_calls_at_once(patch: Patch) -> None:
    patch.setattr(pace, "turn", lambda *_: 0.0)


def only_the_revision_goes_back(patch: Patch) -> None:
    update = apply._update

    def bare(work: apply.Work, *more: Any) -> Json:
        with patch.context() as inner:
            if work.desired.back:
                inner.setattr(apply, "_settings", lambda *_: {})
                inner.setattr(apply, "_count", lambda *_: None)
            return update(work, *more)

    patch.setattr(apply, "_update", bare)


def all_old_ones_go_first(patch: Patch) -> None:
    patch.setattr(strategy, "_percents", lambda *_: (0, 100))


def an_image_is_its_tag(patch: Patch) -> None:
    render = container.container

    def tagged(*asked: Any) -> tuple[Json, list[str]]:
        made, notes = render(*asked)
        return {**made, "image": made["image"].partition("@")[0] + ":latest"}, notes

    patch.setattr(container, "container", tagged)


def the_file_knows_the_count(patch: Patch) -> None:
    patch.setattr(plan, "count_to_send", lambda want, _: want.count)
    patch.setattr(apply, "_count", lambda _, __, ___, move, ____: move.count)


def ecss_words_are_enough(patch: Patch) -> None:
    patch.setattr(troubles, "last_lines", lambda *_: ())


def polls_back_off(patch: Patch) -> None:
    look = Watch._look

    def later(self: Watch) -> dict[str, Live] | None:
        self._pause(min(2.0**self._polls, 60.0))
        return look(self)

    patch.setattr(Watch, "_look", later)


def story(test: Callable[..., None], name: str, *more: Any) -> Callable[[Shop], None]:
    """A parametrised test, at one of its stories."""
    return lambda shop: test(shop, name, *more)


Naive = Callable[[Patch], None]
MODES: Mapping[str, tuple[Naive, Callable[[Shop], None]]] = {
    "01 rolled back": (
        running_is_desired,
        story(
            test_stories.test_01_stable_again_on_the_old_image_is_a_rollback,
            "circuit_breaker_rollback",
            "web exited with code 1",
        ),
    ),
    "01 asked to go back": (
        running_is_desired,
        test_stories.test_01_somebody_asked_ecs_to_go_back,
    ),
    "02 superseded": (
        running_is_desired,
        test_stories.test_02_somebody_elses_deployment_supersedes,
    ),
    "03 desired count 0": (
        running_is_desired,
        test_stories.test_03_scaled_to_zero_meanwhile_is_no_success,
    ),
    "04 first deployment": (
        running_is_desired,
        test_stories.test_04_a_first_deployment_has_nothing_to_go_back_to,
    ),
    "05 the breaker counts nothing": (
        running_is_desired,
        story(
            test_stories.test_05_failures_that_ecs_does_not_act_on_end_it_from_our_side,
            "crash_loop",
        ),
    ),
    "06 in ALARM before": (
        alarms_are_ecss_matter,
        test_stories.test_06_an_alarm_that_rings_before_the_start_is_no_watch_and_refused,
    ),
    "07 early success": (
        running_is_desired,
        test_stories.test_07_early_success_is_not_believed_while_old_tasks_run,
    ),
    "08 deregistered": (
        old_revisions_are_tidied_away,
        test_rollout.test_08_nothing_is_deregistered_in_a_deployment,
    ),
    "09 whose revision": (
        nothing_is_tagged,
        test_rollout.test_09_revisions_and_services_say_whose_they_are,
    ),
    "10 stale reads": (
        running_is_desired,
        test_stories.test_10_stale_reads_change_nothing_but_the_time,
    ),
    "11 throttling": (
        a_throttled_call_has_failed,
        test_stories.test_11_throttling_changes_nothing_but_the_time,
    ),
    "11 one account's rate": (
        everybody_calls_at_once,
        test_pace.test_11_all_targets_of_the_process_share_an_accounts_rate,
    ),
    "12 the whole service": (
        only_the_revision_goes_back,
        partial(
            test_whole_service.test_12_the_way_back_restores_counts_traffic_and_settings,
            after=test_whole_service.AFTERS["other settings"],
        ),
    ),
    "12 after ECS's own rollback": (
        only_the_revision_goes_back,
        test_whole_service.test_12_what_ecs_itself_leaves_behind_is_restored_too,
    ),
    "13 new before old": (
        all_old_ones_go_first,
        partial(test_whole_service.test_13_the_new_serve_before_the_old_go, update={}, least=4),
    ),
    "14 tags": (an_image_is_its_tag, test_rollout.test_14_an_image_reaches_ecs_by_its_digest),
    "34 an autoscaler's count": (
        the_file_knows_the_count,
        test_rollout.test_34_a_count_that_an_autoscaler_owns_is_not_sent,
    ),
    "36 the log": (
        ecss_words_are_enough,
        test_rollout.test_36_a_failure_tells_the_last_lines_of_the_log,
    ),
    "37 back-off": (polls_back_off, test_rollout.test_37_from_completed_to_the_end_is_one_poll),
}
WRONGLY = (AssertionError, pytest.fail.Exception, ShipitError)


@pytest.mark.parametrize(("naive", "test"), MODES.values(), ids=MODES.keys())
def test_the_naive_way_is_told_wrongly(
    shop: Shop, monkeypatch: Patch, naive: Naive, test: Callable[[Shop], None]
) -> None:
    naive(monkeypatch)
    with pytest.raises(WRONGLY):
        test(shop)


@pytest.mark.parametrize("test", [t for _, t in MODES.values()], ids=MODES.keys())
def test_shipits_own_way_is_told_rightly(shop: Shop, test: Callable[[Shop], None]) -> None:
    test(shop)


def test_every_mode_of_ecs_is_here() -> None:
    asked = {f"{n:02}" for n in (*range(1, 15), 34, 36, 37)}
    assert {mode.partition(" ")[0] for mode in MODES} == asked
