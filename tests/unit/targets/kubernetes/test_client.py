"""The API server in its moods, and what is made of them."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from shipit.errors import PreconditionError, RemoteError
from shipit.targets.kubernetes.client import Cluster
from shipit.targets.kubernetes.pods import Pod
from shipit.targets.kubernetes.reach.access import Access
from shipit.targets.kubernetes.refusals import Conflict, FieldConflictError
from shipit.targets.kubernetes.watching import Change
from tests.fakes.kubernetes_api import (
    Page,
    Reply,
    ScriptedApi,
    Slammed,
    Watched,
    event,
    gone,
    items,
    named,
    refuse,
)

PODS = "GET /api/v1/namespaces/shop/pods"
WATCH = f"{PODS}?watch"
WEB = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}}
WEB_PATH = "/apis/apps/v1/namespaces/shop/deployments/web"


class Clock:
    """Time goes by in pauses alone."""

    def __init__(self) -> None:
        self.now, self.pauses = 0.0, [0.0][:0]

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    with ScriptedApi() as found:
        yield found


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cluster(api: ScriptedApi, clock: Clock) -> Iterator[Cluster]:
    access = Access(server=api.address, name="the test's cluster", authorization=_token)
    found = Cluster(access, "shop", clock=clock, pause=clock.pause)
    yield found
    found.close()


def _token(fresh: bool) -> str:
    return "Bearer new-hunter2" if fresh else "Bearer old-hunter2"


def names(found: list[dict[str, Any]]) -> list[str]:
    return [one["metadata"]["name"] for one in found]


def test_a_list_is_read_page_by_page(api: ScriptedApi, cluster: Cluster) -> None:
    api.on(PODS, items(named("a"), more="x"), items(named("b")))
    found = cluster.list("v1", "Pod", selector="app=web")
    assert names(found) == ["a", "b"]
    assert {one["kind"] for one in found} == {"Pod"}
    assert [(r.query["limit"], r.query.get("continue")) for r in api.asked] == [
        ("500", None),
        ("500", "x"),
    ]
    assert api.asked[0].query["labelSelector"] == "app=web"


def test_a_list_that_grew_too_old_is_begun_again(api: ScriptedApi, cluster: Cluster) -> None:
    """What went away meanwhile is not in it; and in one piece it cannot grow too old again."""
    api.on(PODS, items(named("a"), more="x"), refuse(410), items(named("b")))
    assert names(cluster.list("v1", "Pod")) == ["b"]
    asked = [(r.query.get("limit"), r.query.get("continue")) for r in api.asked]
    assert asked == [("500", None), ("500", "x"), (None, None)]


def test_too_many_requests_waits_as_long_as_it_is_told(
    api: ScriptedApi, cluster: Cluster, clock: Clock
) -> None:
    """Failure mode 11. Not all that were told the same come back at once."""
    api.on(PODS, refuse(429, retry_after=7), refuse(429, retry_after=7), items(named("a")))
    assert names(cluster.list("v1", "Pod")) == ["a"]
    assert all(7 <= pause <= 8.1 for pause in clock.pauses)
    assert len({*clock.pauses}) == 2


@pytest.mark.parametrize(
    "mood",
    [
        refuse(503),
        refuse(500, "etcdserver: leader changed"),
        refuse(500, reason="ServerTimeout"),
        refuse(500, "it does not say why"),
        Slammed(),
    ],
)
def test_what_passes_is_tried_again_with_jitter(
    api: ScriptedApi, cluster: Cluster, clock: Clock, mood: Any
) -> None:
    api.on(PODS, mood, mood, items(named("a")))
    assert names(cluster.list("v1", "Pod")) == ["a"]
    assert len(clock.pauses) == 2
    assert clock.pauses[0] != 0.2


def test_what_does_not_pass_ends(api: ScriptedApi, cluster: Cluster, clock: Clock) -> None:
    api.on(PODS, refuse(429))
    with pytest.raises(RemoteError) as error:
        cluster.list("v1", "Pod")
    assert error.value.status == 429
    assert 90 <= clock.now < 100


def test_a_server_that_fails_at_it_each_time_is_not_asked_for_long(
    api: ScriptedApi, cluster: Cluster, clock: Clock
) -> None:
    api.on(PODS, refuse(500, "panic"))
    with pytest.raises(RemoteError, match="panic"):
        cluster.list("v1", "Pod")
    assert 15 <= clock.now < 25


def test_a_failure_that_names_a_time_is_tried_again_then(
    api: ScriptedApi, cluster: Cluster, clock: Clock
) -> None:
    """As client-go does: any 5xx with a Retry-After."""
    api.on(PODS, refuse(507, retry_after=3), items(named("a")))
    assert names(cluster.list("v1", "Pod")) == ["a"]
    assert 3 <= clock.now < 4


@pytest.mark.parametrize(
    "mood",
    [
        refuse(403, 'admission webhook "policy" denied the request: no'),
        refuse(500, 'failed calling webhook "policy": denied the request: no'),
    ],
)
def test_a_webhooks_refusal_is_final(
    api: ScriptedApi, cluster: Cluster, clock: Clock, mood: Any
) -> None:
    api.on(f"PATCH {WEB_PATH}", mood)
    with pytest.raises(RemoteError, match="denied the request: no"):
        cluster.apply(WEB)
    assert clock.pauses == []


@pytest.mark.parametrize("status", [200, 302])
def test_a_login_page_is_no_answer(api: ScriptedApi, cluster: Cluster, status: int) -> None:
    api.on(PODS, Page(status, b"<html>\nlog in, please"))
    with pytest.raises(RemoteError) as error:
        cluster.list("v1", "Pod")
    assert "<html> log in, please" in error.value.why


def test_an_error_whose_text_breaks_off_is_tried_again(api: ScriptedApi, cluster: Cluster) -> None:
    api.on(PODS, Page(404, b"{", length=99), items(named("a")))
    assert names(cluster.list("v1", "Pod")) == ["a"]


def test_a_server_that_never_answered_is_not_waited_for_long(clock: Clock) -> None:
    cluster = Cluster(
        Access(server="http://127.0.0.1:9", name="nowhere", unreached="open the VPN"),
        "shop",
        clock=clock,
        pause=clock.pause,
    )
    with pytest.raises(RemoteError, match="nowhere does not answer") as error:
        cluster.list("v1", "Pod")
    assert error.value.next_step == "open the VPN"
    assert clock.now < 20


def test_credentials_that_ended_are_renewed_once(api: ScriptedApi, cluster: Cluster) -> None:
    api.on(PODS, refuse(401), items(named("a")))
    assert names(cluster.list("v1", "Pod")) == ["a"]
    assert [r.headers["Authorization"] for r in api.asked] == [
        "Bearer old-hunter2",
        "Bearer new-hunter2",
    ]


def test_credentials_that_are_not_taken_are_named_without_their_value(
    api: ScriptedApi, cluster: Cluster
) -> None:
    api.on(PODS, refuse(401, "Unauthorized"))
    with pytest.raises(PreconditionError, match="does not take our credentials") as error:
        cluster.list("v1", "Pod")
    assert "hunter2" not in f"{error.value!r} {error.value} {error.value.__cause__}"


FORBIDDEN = refuse(403, 'pods is forbidden: User "ci" cannot list resource "pods"')


@pytest.mark.parametrize("mood", [FORBIDDEN, refuse(401, "Unauthorized")])
def test_a_server_that_was_away_may_not_know_us_yet(
    api: ScriptedApi, cluster: Cluster, clock: Clock, mood: Any
) -> None:
    """It answers before its informers are there: no Role and no service account is known."""
    api.on(PODS, Slammed(), mood, mood, mood, mood, items(named("a")))
    assert names(cluster.list("v1", "Pod")) == ["a"]
    assert clock.now < 10


def test_a_no_that_stays_is_told_with_what_helps(
    api: ScriptedApi, cluster: Cluster, clock: Clock
) -> None:
    api.on(PODS, Slammed(), FORBIDDEN)
    with pytest.raises(RemoteError) as error:
        cluster.list("v1", "Pod")
    assert error.value.next_step == "`shipit rbac` prints the Role that shipit needs"
    assert 30 <= clock.now < 45


def test_a_watch_that_breaks_off_may_find_a_server_that_does_not_know_us_yet(
    api: ScriptedApi, cluster: Cluster
) -> None:
    api.on(PODS, items(version="5"))
    api.on(WATCH, Watched((), "cut"), FORBIDDEN, Watched([event("ADDED", "a", "6")], "stay"))
    assert seen(cluster, 5)[-1] == ("ADDED", "a")


def test_conflicts_come_with_their_owners(api: ScriptedApi, cluster: Cluster) -> None:
    causes = [
        {
            "reason": "FieldManagerConflict",
            "message": 'conflict with "kubectl" with subresource "scale" using apps/v1',
            "field": ".spec.replicas",
        }
    ]
    api.on(f"PATCH {WEB_PATH}", refuse(409, reason="Conflict", details={"causes": causes}))
    with pytest.raises(FieldConflictError) as error:
        cluster.apply(WEB)
    assert error.value.conflicts == (Conflict("spec.replicas", "kubectl"),)


def test_apply_says_who_it_is_and_whether_it_means_it(api: ScriptedApi, cluster: Cluster) -> None:
    api.on(f"PATCH {WEB_PATH}", Reply(200, WEB))
    cluster.apply(WEB)
    cluster.apply(WEB, dry_run=True)
    cluster.apply(WEB, force=True)
    assert [r.query for r in api.asked] == [
        {"fieldManager": "shipit"},
        {"fieldManager": "shipit", "dryRun": "All"},
        {"fieldManager": "shipit", "force": "true"},
    ]
    assert {r.headers["Content-Type"] for r in api.asked} == {"application/apply-patch+yaml"}


def test_gone_already_is_as_good_as_deleted(api: ScriptedApi, cluster: Cluster) -> None:
    api.on(f"DELETE {WEB_PATH}", Reply(200, {}), refuse(404), refuse(409))
    assert cluster.delete("apps/v1", "Deployment", "web")
    assert not cluster.delete("apps/v1", "Deployment", "web")
    assert not cluster.delete("apps/v1", "Deployment", "web", uid="u1")
    assert b'"preconditions":{"uid":"u1"}' in api.asked[-1].body


def test_a_kind_of_its_own_is_looked_up_once(api: ScriptedApi, cluster: Cluster) -> None:
    known = {"resources": [{"name": "widgets", "kind": "Widget", "namespaced": True}]}
    api.on("GET /apis/example.com/v1", Reply(200, known))
    api.on("GET /apis/example.com/v1/namespaces/shop/widgets", items(named("a")))
    assert names(cluster.list("example.com/v1", "Widget")) == ["a"]
    cluster.list("example.com/v1", "Widget")
    assert api.titles().count("GET /apis/example.com/v1") == 1
    with pytest.raises(PreconditionError, match="has no kind Gadget"):
        cluster.list("example.com/v1", "Gadget")


def seen(cluster: Cluster, count: int) -> list[tuple[str, str]]:
    """So many changes of a watch over pods, with the name or the reason."""
    watch = cluster.watcher("v1", "Pod", Pod)
    found: list[Change[Pod]] = []
    for change in watch.changes():
        found.append(change)
        if len(found) == count:
            watch.close()
    return [(c.type, c.object.name if c.object else c.why) for c in found]


def test_a_watch_tells_what_there_is_and_goes_on_from_there(
    api: ScriptedApi, cluster: Cluster
) -> None:
    api.on(PODS, items(named("a"), version="5"))
    bookmark = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "9"}}}
    api.on(
        WATCH,
        Watched([event("ADDED", "b", "7"), bookmark]),
        Watched([event("MODIFIED", "b", "11"), event("DELETED", "a", "12")], "stay"),
    )
    assert seen(cluster, 5) == [
        ("ADDED", "a"),
        ("SYNCED", ""),
        ("ADDED", "b"),
        ("MODIFIED", "b"),
        ("DELETED", "a"),
    ]
    assert [r.query["resourceVersion"] for r in api.asked if r.query.get("watch")] == ["5", "9"]


@pytest.mark.parametrize("mood", [Watched([gone()]), refuse(410, "too old")])
def test_a_version_that_is_gone_is_listed_again_and_nothing_is_missed(
    api: ScriptedApi, cluster: Cluster, mood: Any
) -> None:
    """Failure mode 16: until it is listed, nothing that is known is the news."""
    api.on(PODS, items(named("a"), named("b")), items(named("b"), named("c"), version="20"))
    api.on(WATCH, mood, Watched([event("DELETED", "b", "21")], "stay"))
    assert seen(cluster, 9) == [
        ("ADDED", "a"),
        ("ADDED", "b"),
        ("SYNCED", ""),
        ("AWAY", "too old"),
        ("DELETED", "a"),
        ("MODIFIED", "b"),
        ("ADDED", "c"),
        ("SYNCED", ""),
        ("DELETED", "b"),
    ]


def test_what_goes_while_a_list_fails_is_told_by_the_next(
    api: ScriptedApi, cluster: Cluster
) -> None:
    first = items(named("a"), named("b"))
    api.on(PODS, first, items(named("b"), more="x"), refuse(410), refuse(504), items(named("c")))
    api.on(WATCH, Watched([gone()]), Watched((), "stay"))
    assert seen(cluster, 7)[4:7] == [("DELETED", "a"), ("DELETED", "b"), ("ADDED", "c")]


def test_a_version_that_is_gone_at_once_each_time_is_asked_for_with_pauses(
    api: ScriptedApi, cluster: Cluster, clock: Clock
) -> None:
    api.on(PODS, items())
    api.on(WATCH, *[refuse(410)] * 4, Watched([event("ADDED", "a", "7")], "stay"))
    assert seen(cluster, 10)[-1] == ("ADDED", "a")
    assert len(clock.pauses) == 4
    assert clock.pauses[-1] > 0.8


def test_a_watch_that_ends_with_the_servers_own_trouble_goes_on(
    api: ScriptedApi, cluster: Cluster
) -> None:
    trouble = {"kind": "Status", "message": "unable to decode an event"}
    api.on(PODS, items(version="5"))
    api.on(
        WATCH,
        Watched([event("ADDED", "a", "6"), {"type": "ERROR", "object": {**trouble, "code": 500}}]),
        Watched([{"type": "ERROR", "object": trouble}]),
        Watched([event("ADDED", "b", "7")], "stay"),
    )
    found = [c for c in seen(cluster, 7) if c[0] in ("ADDED", "AWAY")]
    away = ("AWAY", "unable to decode an event")
    assert found == [("ADDED", "a"), away, away, ("ADDED", "b")]
    assert api.asked[-1].query["resourceVersion"] == "6"


def test_what_a_watch_says_and_nobody_understands_is_asked_for_again(
    api: ScriptedApi, cluster: Cluster
) -> None:
    """A change that was passed over would be missed for good."""
    api.on(PODS, items(version="5"))
    api.on(
        WATCH,
        Watched([event("ADDED", "a", "6")], "end", raw=b'{"type": "ADDED", "obj\n'),
        Watched([event("ADDED", "b", "7")], "stay"),
    )
    assert [c[1] for c in seen(cluster, 5) if c[0] == "ADDED"] == ["a", "b"]
    assert api.asked[-1].query["resourceVersion"] == "6"


def test_an_object_of_another_shape_ends_a_watch_in_words(
    api: ScriptedApi, cluster: Cluster
) -> None:
    api.on(PODS, items())
    odd = {"type": "ADDED", "object": {"metadata": {"name": 7}}}
    api.on(WATCH, Watched([odd], "stay"))
    with pytest.raises(RemoteError, match="cannot be understood"):
        seen(cluster, 5)


def test_a_watch_is_not_taken_up_before_it_is_told_to(
    api: ScriptedApi, cluster: Cluster, clock: Clock
) -> None:
    api.on(PODS, items())
    api.on(WATCH, refuse(429, retry_after=5), Watched((), "stay"))
    seen(cluster, 3)
    assert clock.pauses[0] >= 5


def test_a_connection_that_breaks_is_said_and_taken_up_again(
    api: ScriptedApi, cluster: Cluster
) -> None:
    """Failure mode 16: until then nothing that is known is the news."""
    api.on(PODS, items(version="5"))
    api.on(
        WATCH,
        Watched([event("ADDED", "a", "6")], "cut"),
        Watched([event("ADDED", "b", "7")], "stay"),
    )
    assert seen(cluster, 5) == [
        ("SYNCED", ""),
        ("ADDED", "a"),
        ("AWAY", "the connection broke off"),
        ("SYNCED", ""),
        ("ADDED", "b"),
    ]
    assert api.asked[-1].query["resourceVersion"] == "6"


def test_a_watch_of_which_there_is_no_news_is_asked_for_again_without_a_word(
    api: ScriptedApi, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a kind that nobody changes an API server sends no bookmark: it is not away."""
    monkeypatch.setattr("shipit.targets.kubernetes.watching._SILENCE", 0.1)
    api.on(PODS, items(version="5"))
    api.on(
        WATCH,
        Watched([event("ADDED", "a", "6")], "stay"),
        Watched([event("ADDED", "b", "7")], "stay"),
    )
    assert seen(cluster, 3) == [("SYNCED", ""), ("ADDED", "a"), ("ADDED", "b")]
    assert api.asked[-1].query["resourceVersion"] == "6"


def test_a_watch_that_is_refused_ends(api: ScriptedApi, cluster: Cluster) -> None:
    api.on(PODS, items())
    api.on(WATCH, refuse(403, "pods is forbidden: User nobody cannot watch"))
    with pytest.raises(RemoteError, match="cannot watch"):
        seen(cluster, 5)


def test_a_watch_that_waits_can_be_closed(api: ScriptedApi, cluster: Cluster) -> None:
    api.on(PODS, items())
    api.on(WATCH, Watched([event("ADDED", "a", "2")], "stay"))
    watch = cluster.watcher("v1", "Pod", Pod)
    waits = threading.Event()

    def listen() -> None:
        for change in watch.changes():
            if change.object:
                waits.set()

    thread = threading.Thread(target=listen)
    thread.start()
    assert waits.wait(10)
    watch.close()
    thread.join(10)
    assert not thread.is_alive()
