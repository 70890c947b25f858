"""What the matrix says of a recorded and of an observed pipeline."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from shipit.cli.present.matrix import Column, Matrix, Proof, Row, build_matrix
from shipit.model import codec
from shipit.model.deployment import Health, Observed, ObservedService
from shipit.model.progress import Reason
from shipit.model.release import ReleaseSummary
from shipit.model.state import EnvironmentState, Record
from tests.fakes.recorded import Shop

COLUMN_KEYS = (
    *("name", "after", "health", "release_id", "release", "since"),
    *("checked_at", "detail", "active", "interrupted", "hold"),
)


def matrix(
    shop: Shop,
    live: Mapping[str, Observed] | None = None,
    releases: Sequence[ReleaseSummary] = (),
    **environments: EnvironmentState,
) -> Matrix:
    state = shop.state(releases, **environments)
    return build_matrix(shop.pipeline(), state, shop.now, live)


def column(found: Matrix, name: str) -> Column:
    return next(c for c in found.environments if c.name == name)


def row(found: Matrix, service: str) -> Row:
    return next(r for r in found.services if r.service == service)


def test_environments_are_in_promotion_order_and_services_sorted(shop: Shop) -> None:
    found = matrix(shop, dev=shop.running("r1", worker="k", web="w"))
    assert [c.name for c in found.environments] == ["dev", "qa", "staging", "production"]
    assert [r.service for r in found.services] == ["web", "worker"]
    assert list(row(found, "web").cells) == ["dev", "qa", "staging", "production"]


def test_equal_digests_of_a_row_have_one_letter(shop: Shop) -> None:
    found = matrix(
        shop,
        dev=shop.running("r2", web="w2"),
        qa=shop.running("r1", web="w1"),
        staging=shop.running("r1", web="w1"),
        production=shop.running("r2", web="w2"),
    )
    assert [c.group for c in row(found, "web").cells.values()] == ["A", "B", "B", "A"]


def test_a_cell_differs_from_what_runs_upstream_of_it(shop: Shop) -> None:
    found = matrix(
        shop,
        dev=shop.running("r2", web="w2", mail="m"),
        qa=shop.running("r1", web="w1"),
        staging=shop.running("r1", web="w1"),
    )
    assert [c.differs for c in row(found, "web").cells.values()] == [False, True, False, False]
    assert row(found, "mail").cells["qa"].differs


def test_the_newest_release_brings_its_services_before_they_run(shop: Shop) -> None:
    found = matrix(shop, releases=[shop.release("r1", web="w")])
    assert found.newest
    assert found.newest.id == "r1"
    assert row(found, "web").newest == shop.digest("w")
    assert row(found, "web").cells["dev"].digest is None


def test_an_image_that_no_service_has_is_no_row(shop: Shop) -> None:
    images: dict[str, Any] = {"web": "w", "busybox:1.36": "b", "acme/envoy": "e"}
    found = matrix(shop, releases=[shop.release("r1", **images)])
    assert [r.service for r in found.services] == ["web"]


def test_one_off_tasks_have_no_row_once_their_release_is_proven(shop: Shop) -> None:
    release = shop.release("r1", web="w", migrate="m")
    found = matrix(shop, releases=[release], dev=shop.running("r1", web="w"))
    assert [r.service for r in found.services] == ["web"]


def record(shop: Shop, outcome: str) -> Record:
    reasons = (Reason("", "x"),)
    active = shop.active("r1")
    return Record(
        7, "dev", active.release, "r1", active.kind, shop.ana, shop.now, shop.now, outcome, reasons
    )


def test_health_is_what_was_proven(shop: Shop) -> None:
    found = matrix(
        shop,
        dev=shop.running("r1", web="w"),
        qa=shop.running("r1", web="w", healthy=False, note="web: stopped"),
        staging=EnvironmentState(recent=(record(shop, "failed"),)),
    )
    assert [c.health for c in found.environments] == [
        Proof.HEALTHY,
        Proof.UNHEALTHY,
        Proof.NOT_PROVEN,
        Proof.NOTHING,
    ]
    assert column(found, "qa").detail == "web: stopped"


def test_an_interrupted_deployment_leaves_nothing_proven(shop: Shop) -> None:
    env = replace(shop.running("r1", web="w"), interrupted=shop.active("r2"))
    found = matrix(shop, dev=env)
    assert column(found, "dev").health is Proof.NOT_PROVEN
    assert list(found.notes()) == [
        "dev: the deployment of r2 by ana (laptop pid 12) was interrupted; run `shipit resume`"
    ]


def test_what_is_under_way_and_what_is_held_is_said(shop: Shop) -> None:
    found = matrix(
        shop,
        dev=EnvironmentState(active=shop.active("r2")),
        qa=EnvironmentState(active=shop.active("r2", rolling_back=(Reason("", "x"),))),
        staging=EnvironmentState(hold=shop.hold()),
    )
    assert list(found.notes()) == [
        "dev: deploying r2, by ana (laptop pid 12)",
        "qa: rolling back from r2, by ana (laptop pid 12)",
        f"staging: held by {shop.ana}: r2 was rolled back; lift it with `shipit unfreeze staging`",
    ]


def observed(**changes: Any) -> dict[str, Observed]:
    service = replace(ObservedService("web", 1, 1, Health.HEALTHY), **changes)
    return {"dev": Observed({"web": service}, "f")}


def test_a_service_that_did_not_change_keeps_the_name_of_its_release(shop: Shop) -> None:
    """On ECS its revision is the older release's: the image decides, and not the name."""
    releases = [
        shop.release("r2", web="w"),
        shop.release("r1", web="w"),
        shop.release("r0", web="v"),
    ]
    current = replace(shop.running("r2", web="w"))
    assert current.current is not None
    current = replace(current, current=replace(current.current, release=releases[0].digest))
    for name, health in (("r1", Proof.HEALTHY), ("r0", Proof.UNHEALTHY)):
        found = matrix(shop, live=observed(release_id=name), releases=releases, dev=current)
        assert column(found, "dev").health is health


@pytest.mark.parametrize(
    ("changes", "health", "detail"),
    [
        ({}, Proof.HEALTHY, ""),
        ({"release_id": "r1"}, Proof.HEALTHY, ""),
        ({"release_id": "r0"}, Proof.UNHEALTHY, "web runs r0"),
        ({"running": 0}, Proof.UNHEALTHY, "web does not run"),
        ({"desired": 3}, Proof.UNHEALTHY, "web: 1 of 3 run"),
        ({"health": Health.STOPPED}, Proof.UNHEALTHY, "web: stopped"),
        ({"health": Health.UNHEALTHY, "detail": "no answer"}, Proof.UNHEALTHY, "web: no answer"),
        ({"health": Health.UNKNOWN}, Proof.NOT_PROVEN, "web: unknown"),
        ({"health": Health.STARTING}, Proof.NOT_PROVEN, "web: starting"),
    ],
)
def test_what_is_observed_overrules_the_record(
    shop: Shop, changes: dict[str, Any], health: Proof, detail: str
) -> None:
    found = matrix(shop, live=observed(**changes), dev=shop.running("r1", web="w"))
    dev = column(found, "dev")
    assert (dev.health, dev.detail, dev.checked_at) == (health, detail, shop.now)


def test_a_service_that_is_not_there_is_unhealthy(shop: Shop) -> None:
    live = {"dev": Observed({}, "f")}
    found = matrix(shop, live=live, dev=shop.running("r1", web="w"))
    assert column(found, "dev").detail == "web does not run"


def test_the_json_form_has_every_key_always(shop: Shop) -> None:
    plain = codec.plain(matrix(shop, dev=shop.running("r1", web="w")))
    assert set(plain) == {"app", "at", "commit", "newest", "environments", "services"}
    assert {frozenset(c) for c in plain["environments"]} == {frozenset(COLUMN_KEYS)}
    assert plain["services"][0]["cells"]["qa"] == {
        "digest": None,
        "group": "",
        "differs": False,
        "health": None,
        "running": None,
        "desired": None,
    }
