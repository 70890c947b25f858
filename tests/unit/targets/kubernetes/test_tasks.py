"""One-off tasks as Jobs: once for a key, followed to the end, judged by what ran."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from shipit.errors import PreconditionError, RemoteError
from shipit.model.deployment import Desired
from shipit.model.digest import Digest
from shipit.model.image import Image
from shipit.model.progress import Failed, Outcome, Progress, Stage, Succeeded
from shipit.targets.kubernetes import logs, tasks
from shipit.targets.kubernetes.pods import OF_JOB
from shipit.targets.kubernetes.tasks import Run
from tests.fakes.namespace import Namespace, pod

OTHER = Digest(f"sha256:{'b' * 64}")
DIGEST = Digest(f"sha256:{'a' * 64}")
IMAGE = Image("r/migrate", DIGEST)
DESIRED = Desired(
    app="shop",
    environment="qa",
    release=DIGEST,
    release_id="1",
    project={"services": {"migrate": {}}},
    images={"migrate": IMAGE},
    services=(),
    before=("migrate",),
    deadline=20,
)
LABELS = {"shipit.dev/instance": "shop-qa", "shipit.dev/service": "migrate"}


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Namespace]:
    monkeypatch.setattr(logs, "_PAUSE", 0.01)
    monkeypatch.setattr(tasks, "_LOOK", 0.01)
    with Namespace() as namespace:
        yield namespace


def job(key: str = "1") -> dict[str, Any]:
    container = {"name": "migrate", "image": IMAGE.reference}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": f"shop-qa-migrate-{key}", "labels": LABELS},
        "spec": {"template": {"spec": {"containers": [container]}}},
    }


def runs(shop: Namespace, key: str = "1", **container: Any) -> None:
    """Its pod as the kubelet tells of it."""
    name = f"shop-qa-migrate-{key}"
    shop.put(pod(f"{name}-x", "migrate", labels={OF_JOB: name}, container=container))


def ends(shop: Namespace, code: int, key: str = "1", **more: Any) -> None:
    shop.end_log(f"shop-qa-migrate-{key}-x", "migrate")
    state = {"terminated": {"exitCode": code, "reason": "Error" if code else "Completed", **more}}
    runs(shop, key, state=state, ready=False)
    condition = {"type": "Failed" if code else "Complete", "status": "True", "message": "over"}
    held = shop.objects["jobs"][f"shop-qa-migrate-{key}"]
    shop.put({**held, "status": {"conditions": [condition]}}, "jobs")


def does(shop: Namespace, what: Callable[[], None]) -> None:
    """Once a Job is made."""

    def created(collection: str, _: dict[str, Any]) -> None:
        if collection == "jobs":
            threading.Thread(target=what, daemon=True).start()

    shop.created = created


def run(shop: Namespace, key: str = "1", **desired: Any) -> tuple[list[Progress], Outcome, int]:
    one = Run(shop.cluster(), msgspec.structs.replace(DESIRED, **desired), "migrate", job(key))
    *progress, outcome = one.run()
    assert not isinstance(outcome, Progress)
    return [p for p in progress if isinstance(p, Progress)], outcome, one.exit_code


def lines(progress: list[Progress]) -> list[str]:
    return [line for step in progress for line in step.logs]


def works(shop: Namespace, code: int = 0) -> Callable[[], None]:
    def work() -> None:
        shop.write("shop-qa-migrate-1-x", "migrate", "one", "two")
        runs(shop)
        ends(shop, code)

    return work


def test_a_task_to_its_end(shop: Namespace) -> None:
    does(shop, works(shop))
    progress, outcome, code = run(shop)
    assert outcome == Succeeded({"migrate": DIGEST})
    assert code == 0
    assert lines(progress) == ["one", "two"]
    assert {step.stage for step in progress} == {Stage.BEFORE}
    assert list(shop.objects["jobs"]) == ["shop-qa-migrate-1"]  # the record of its result


def test_a_failure_has_its_exit_code_and_last_lines(shop: Namespace) -> None:
    """Failure mode 36."""
    does(shop, works(shop, 3))
    _, outcome, code = run(shop)
    assert isinstance(outcome, Failed)
    [reason] = outcome.reasons
    assert (reason.subject, reason.what) == ("migrate", "ended with exit code 3")
    assert reason.logs == ("one", "two")
    assert code == 3


def test_asked_again_after_a_crash_it_is_not_run_again(shop: Namespace) -> None:
    does(shop, works(shop, 3))
    run(shop)
    progress, outcome, code = run(shop)
    assert isinstance(outcome, Failed)
    assert code == 3
    assert progress[0].message == "an earlier run is there: the Job shop-qa-migrate-1"
    assert [r for r in shop.requests if r.startswith("POST")] == ["POST jobs?fieldManager=shipit"]


def test_one_that_is_still_at_work_is_waited_for(shop: Namespace) -> None:
    shop.put(job(), "jobs")
    shop.write("shop-qa-migrate-1-x", "migrate", "before")
    runs(shop)

    def later() -> None:
        shop.wait("FOLLOWS shop-qa-migrate-1-x: 1")
        shop.write("shop-qa-migrate-1-x", "migrate", "after")
        ends(shop, 0)

    threading.Thread(target=later, daemon=True).start()
    progress, outcome, _ = run(shop)
    assert isinstance(outcome, Succeeded)
    assert lines(progress) == ["before", "after"]


def test_another_run_at_work_is_not_run_beside(shop: Namespace) -> None:
    shop.put(job("0"), "jobs")
    with pytest.raises(PreconditionError, match="an earlier run of migrate is still at work"):
        run(shop)
    assert list(shop.objects["jobs"]) == ["shop-qa-migrate-0"]


def test_earlier_runs_that_have_ended_go(shop: Namespace) -> None:
    """And a schedule's do not."""
    shop.put(job("0"), "jobs")
    ends(shop, 1, "0")
    scheduled = job("9")
    scheduled["metadata"]["ownerReferences"] = [{"kind": "CronJob", "name": "x", "uid": "1"}]
    shop.put(scheduled, "jobs")
    does(shop, works(shop))
    run(shop)
    assert sorted(shop.objects["jobs"]) == ["shop-qa-migrate-1", "shop-qa-migrate-9"]


def test_another_digest_is_a_failure(shop: Namespace) -> None:
    """Success is proven by what ran, not by its exit code."""

    def work() -> None:
        runs(shop)
        shop.end_log("shop-qa-migrate-1-x", "migrate")
        state = {"terminated": {"exitCode": 0}}
        runs(shop, state=state, imageID=f"r/migrate@{OTHER}")

    does(shop, work)
    _, outcome, code = run(shop)
    assert isinstance(outcome, Failed)
    assert outcome.reasons[0].what == f"ran {OTHER.short}, not {DIGEST.short}"
    assert code == 0


def test_an_image_that_is_not_there_ends_it_at_once(shop: Namespace) -> None:
    waiting = {"reason": "ErrImagePull", "message": "manifest unknown"}

    def work() -> None:
        runs(shop, state={"waiting": waiting}, ready=False, imageID="")

    does(shop, work)
    _, outcome, code = run(shop)
    assert isinstance(outcome, Failed)
    assert outcome.reasons[0].what == "its image cannot be pulled: manifest unknown"
    assert code == 1
    assert shop.objects["jobs"]["shop-qa-migrate-1"]["spec"]["activeDeadlineSeconds"] == 1


def test_a_task_without_an_end_is_stopped(shop: Namespace) -> None:

    def work() -> None:
        runs(shop)
        shop.wait("PATCH jobs")
        ends(shop, 143)

    does(shop, work)
    _, outcome, code = run(shop, deadline=0.3)
    assert isinstance(outcome, Failed)
    assert outcome.reasons[0].what == "did not end within 0.3s"
    assert code == 1


def test_a_job_without_a_pod_says_why(shop: Namespace) -> None:
    def work() -> None:
        condition = {"type": "Failed", "status": "True", "message": "exceeded quota: team"}
        held = shop.objects["jobs"]["shop-qa-migrate-1"]
        shop.put({**held, "status": {"conditions": [condition]}}, "jobs")

    does(shop, work)
    _, outcome, _ = run(shop)
    assert isinstance(outcome, Failed)
    assert outcome.reasons[0].what == "its Job has no result: exceeded quota: team"


def test_a_job_that_somebody_deletes(shop: Namespace) -> None:
    does(shop, lambda: shop.remove("shop-qa-migrate-1", "jobs"))
    _, outcome, _ = run(shop)
    assert isinstance(outcome, Failed)
    assert "deleted while it ran" in outcome.reasons[0].what


def test_a_record_whose_pod_was_cleaned_away(shop: Namespace) -> None:
    shop.put(job(), "jobs")
    ends(shop, 0)
    shop.remove("shop-qa-migrate-1-x")
    _, outcome, code = run(shop)
    assert outcome == Succeeded({"migrate": DIGEST})
    assert code == 0


def test_out_of_memory_is_said(shop: Namespace) -> None:
    def work() -> None:
        runs(shop)
        ends(shop, 137, reason="OOMKilled")

    does(shop, work)
    _, outcome, code = run(shop)
    assert isinstance(outcome, Failed)
    assert outcome.reasons[0].what == "was killed: out of memory"
    assert code == 137


def test_what_the_server_does_not_take(shop: Namespace) -> None:
    shop.refusals["POST jobs"] = (403, 'admission webhook "policy" denied the request')
    with pytest.raises(PreconditionError, match="does not take the Job of migrate") as caught:
        run(shop)
    assert "policy" in caught.value.why


def test_a_connection_that_breaks_on_the_way(shop: Namespace) -> None:
    def work() -> None:
        shop.write("shop-qa-migrate-1-x", "migrate", "one")
        runs(shop)
        shop.wait("FOLLOWS shop-qa-migrate-1-x: 1")
        shop.cut()
        shop.write("shop-qa-migrate-1-x", "migrate", "two")
        shop.wait("FOLLOWS shop-qa-migrate-1-x: 2")
        ends(shop, 0)

    does(shop, work)
    progress, outcome, _ = run(shop)
    assert isinstance(outcome, Succeeded)
    assert lines(progress) == ["one", "two"]


def test_pods_that_may_not_be_seen_are_an_error(shop: Namespace) -> None:
    """Failure mode 16."""
    shop.refusals["GET pods?"] = (403, "pods is forbidden")
    with pytest.raises(RemoteError, match="refused"):
        run(shop)
