"""Rollouts on the real control plane: proven, failed, superseded, interrupted."""

import threading
from typing import Any

import pytest

from shipit.errors import PreconditionError
from shipit.model.deployment import Action, Health
from shipit.model.digest import Digest
from shipit.model.progress import Failed, Progress, Succeeded, Superseded
from tests.fakes.cluster.story import cannot_pull, ends, never_ready, out_of_memory, runs
from tests.integration.targets.kubernetes.conftest import IMAGES, Place

pytestmark = pytest.mark.cluster
Json = dict[str, Any]
HEALTHCHECK = {"test": ["CMD", "true"], "interval": "1s", "timeout": "1s", "retries": 3}


def test_forward_again_and_back(place: Place) -> None:
    one, two = place.desired("web", "worker"), place.desired("web", "worker", version="2")
    plan, _, outcome = place.deploy(one)
    assert [c.action for c in plan.changes] == [Action.CREATE, Action.CREATE]
    assert outcome == Succeeded(dict.fromkeys(("web", "worker"), IMAGES["1"].digest))
    for wanted, version in ((two, "2"), (one, "1")):
        plan, _, outcome = place.deploy(wanted)
        assert [c.action for c in plan.changes] == [Action.UPDATE, Action.UPDATE]
        assert outcome == Succeeded(dict.fromkeys(("web", "worker"), IMAGES[version].digest))
    plan, _, outcome = place.deploy(one)
    assert not plan.changed
    assert isinstance(outcome, Succeeded)
    seen = place.target().observe().services["web"]
    assert (seen.running, seen.health, seen.images) == (1, Health.HEALTHY, (IMAGES["1"].digest,))


def test_a_crash_is_told_with_its_last_lines_and_the_way_back_works(place: Place) -> None:
    """Failure mode 36."""
    place.deploy(place.desired("web"))
    place.when(ends(3, "connecting to db", "no such host: db"), "2")
    _, _, outcome = place.deploy(place.desired("web", version="2"))
    assert isinstance(outcome, Failed)
    [reason] = outcome.reasons
    assert (reason.subject, reason.what) == ("web", "exited with code 3")
    assert reason.logs == ("connecting to db", "no such host: db")
    assert place.target().observe().services["web"].health is Health.UNHEALTHY
    _, _, outcome = place.deploy(place.desired("web"))
    assert outcome == Succeeded({"web": IMAGES["1"].digest})


def test_an_image_that_is_not_there_fails_at_once(place: Place) -> None:
    place.when(cannot_pull(), "1")
    _, _, outcome = place.deploy(place.desired("web"))
    assert isinstance(outcome, Failed)
    assert "cannot be pulled" in outcome.reasons[0].what
    assert "not found" in outcome.reasons[0].what


def test_out_of_memory_is_called_so(place: Place) -> None:
    place.when(out_of_memory("allocating"), "1")
    _, _, outcome = place.deploy(place.desired("web"))
    assert isinstance(outcome, Failed)
    assert outcome.reasons[0].what == "was killed: out of memory"
    assert outcome.reasons[0].logs == ("allocating",)


def test_another_digest_than_was_asked_for_is_no_success(place: Place) -> None:
    """Failure mode 15: the Deployment is complete, and its pods run something else."""
    from tests.fakes.cluster.story import Story

    other = Digest.of(b"something else")
    place.when(Story(digest=str(other)), "1")
    _, _, outcome = place.deploy(place.desired("web"))
    assert isinstance(outcome, Failed)
    assert other.short in outcome.reasons[0].what


def test_what_never_gets_ready_fails_at_its_deadline_with_its_lines(place: Place) -> None:
    """Failure modes 15 and 36."""
    place.when(never_ready("warming up"), "1")
    _, _, outcome = place.deploy(place.desired("web", healthcheck=HEALTHCHECK, deadline=3.0))
    assert isinstance(outcome, Failed)
    assert outcome.reasons[0].what.startswith("not proven within 3")
    assert outcome.reasons[0].logs == ("warming up",)


def test_a_quota_is_told_in_its_own_words(place: Place) -> None:
    place.kubectl("create", "quota", "few", "--hard=pods=0")
    _, _, outcome = place.deploy(place.desired("web", deadline=3.0))
    assert isinstance(outcome, Failed)
    assert "exceeded quota: few" in outcome.reasons[0].what


def test_another_client_in_the_middle_supersedes(place: Place) -> None:
    place.deploy(place.desired("web"))
    place.when(runs(after=30.0), "2")
    other = f"web=registry.test/other@{Digest.of(b'other')}"
    asked = threading.Event()

    def interfere(step: Progress) -> None:
        if step.subject == "web" and not asked.is_set():
            asked.set()
            place.kubectl("set", "image", "deployment/web", other)

    _, _, outcome = place.deploy(
        place.desired("web", version="2", healthcheck=HEALTHCHECK), meanwhile=interfere
    )
    assert outcome == Superseded("Deployment web was changed by kubectl-set")


def test_a_workload_that_somebody_deletes_supersedes(place: Place) -> None:
    place.when(runs(after=30.0), "1")

    def interfere(step: Progress) -> None:
        if step.subject == "web":
            place.kubectl("delete", "deployment/web", "--wait=false", check=False)

    _, _, outcome = place.deploy(place.desired("web", healthcheck=HEALTHCHECK), meanwhile=interfere)
    assert outcome == Superseded("Deployment web was deleted by somebody else")


def test_an_autoscaler_keeps_its_count(place: Place) -> None:
    """Failure mode 34."""
    place.deploy(place.desired("web"))
    place.kubectl("autoscale", "deployment/web", "--min=3", "--max=5", "--cpu=50%")
    place.kubectl("wait", "deployment/web", "--for=jsonpath={.spec.replicas}=3", "--timeout=60s")
    plan, _, outcome = place.deploy(place.desired("web", version="2"))
    assert plan.notes == ("Deployment/web: an autoscaler owns the count, so it stays",)
    assert outcome == Succeeded({"web": IMAGES["2"].digest})
    assert place.target().observe().services["web"].desired == 3
    place.kubectl("delete", "hpa", "web")
    _, _, outcome = place.deploy(place.desired("web", version="2"))
    assert place.target().observe().services["web"].desired == 1


def test_what_moved_since_the_plan_is_refused(place: Place) -> None:
    target = place.target()
    plan = target.plan(place.desired("web"), target.observe())
    place.deploy(place.desired("web", version="2"))
    with pytest.raises(PreconditionError, match="has changed"):
        target.apply(plan)


def test_an_api_server_that_restarts_costs_nothing_but_time(place: Place) -> None:
    if place.cluster.plane is None:
        pytest.skip("the cluster is not ours to restart")
    place.deploy(place.desired("web", "worker"))
    place.when(runs(after=6.0), "2")
    restarted = threading.Event()

    def restart(step: Progress) -> None:
        if step.subject == "web" and not restarted.is_set() and place.cluster.plane:
            restarted.set()
            place.cluster.plane.restart()

    desired = place.desired("web", "worker", version="2", healthcheck=HEALTHCHECK, deadline=120.0)
    _, _, outcome = place.deploy(desired, meanwhile=restart)
    assert outcome == Succeeded(dict.fromkeys(("web", "worker"), IMAGES["2"].digest))
