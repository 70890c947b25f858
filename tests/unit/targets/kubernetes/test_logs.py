"""Logs of a service: every container, those that come later, through connections that break."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from shipit.errors import RemoteError
from shipit.targets.kubernetes import logs
from shipit.targets.kubernetes.logs import Following, Wanted
from tests.fakes.namespace import Namespace, pod

WEB = "shipit.dev/service=web"
Follow = Callable[..., Following]


@pytest.fixture
def shop() -> Iterator[Namespace]:
    with Namespace() as namespace:
        yield namespace


@pytest.fixture
def follow(shop: Namespace, monkeypatch: pytest.MonkeyPatch) -> Iterator[Follow]:
    monkeypatch.setattr(logs, "_PAUSE", 0.01)
    begun: list[Following] = []

    def start(selector: str = WEB, **wanted: Any) -> Following:
        begun.append(Following(shop.cluster(), selector, Wanted(**wanted)))
        assert begun[-1].synced.wait(10)
        return begun[-1]

    yield start
    for one in begun:
        one.close()


def take(following: Following, count: int) -> list[tuple[str, str]]:
    found = [following.next(10) for _ in range(count)]
    return [item for item in found if item]


def ended(name: str, code: int = 0, **more: Any) -> dict[str, Any]:
    return pod(name, container={"state": {"terminated": {"exitCode": code}}, **more})


def test_what_was_written_until_now(shop: Namespace) -> None:
    for name in ("web-1", "web-2"):
        shop.put(pod(name))
        shop.write(name, "web", "one", "two words", "")
    shop.put(pod("db-1", "db"))
    found = list(logs.lines(shop.cluster(), WEB, Wanted()))
    assert found == [(n, text) for n in ("web-1", "web-2") for text in ("one", "two words", "")]


def test_the_last_lines_and_since(shop: Namespace) -> None:
    shop.put(pod("web-1"))
    shop.write("web-1", "web", "one", "two", "three")
    since = datetime(2026, 11, 24, 12, tzinfo=UTC)
    last = Wanted(tail=1)
    assert list(logs.lines(shop.cluster(), WEB, last)) == [("web-1", "three")]
    assert list(logs.lines(shop.cluster(), WEB, Wanted(since=since))) == []
    assert "sinceTime=2026-11-24T12%3A00%3A00Z" in shop.requests[-1]


def test_a_container_that_waits_has_written_nothing(shop: Namespace) -> None:
    shop.put(pod("web-1", container={"state": {"waiting": {"reason": "ImagePullBackOff"}}}))
    assert list(logs.lines(shop.cluster(), WEB, Wanted())) == []
    assert not any("/log" in asked for asked in shop.requests)


def test_several_containers_are_told_apart(shop: Namespace) -> None:
    one = pod("web-1")
    for part in (one["spec"]["containers"], one["status"]["containerStatuses"]):
        part.append({**part[0], "name": "proxy"})
    shop.put(one)
    shop.write("web-1", "web", "hello")
    shop.write("web-1", "proxy", "GET /")
    found = list(logs.lines(shop.cluster(), WEB, Wanted()))
    assert found == [("web-1/web", "hello"), ("web-1/proxy", "GET /")]


def test_of_services_that_share_a_pod_each_has_its_own(shop: Namespace) -> None:
    one = pod("web-1")
    for part in (one["spec"]["containers"], one["status"]["containerStatuses"]):
        part += [{**part[0], "name": name} for name in ("proxy", "mesh")]
    one["metadata"]["annotations"] = {"shipit.dev/services": "web,proxy"}
    shop.put(one)
    for name in ("web", "proxy", "mesh"):
        shop.write("web-1", name, f"of {name}")
    for services, said in (({"proxy"}, ["of proxy"]), ({"web"}, ["of web", "of mesh"])):
        found = logs.lines(shop.cluster(), WEB, Wanted(), frozenset(services))
        assert [line for _, line in found] == said
    following = Following(shop.cluster(), WEB, Wanted(), frozenset({"proxy"}))
    assert take(following, 1) == [("web-1/proxy", "of proxy")]
    following.close()
    assert not any("follow=true" in asked and "container=web" in asked for asked in shop.requests)


def test_what_the_kubelet_says_itself(shop: Namespace) -> None:
    """It has no time before it, and is no reason to lose the rest."""

    class Said:
        def lines(self) -> Iterator[bytes]:
            yield b"unable to retrieve container logs for containerd://1"
            yield b"2026-11-24T10:00:00.000000001+02:00 hello\r"

    found = list(logs._written(Said()))  # type: ignore[arg-type]
    assert [line for _, line in found] == [
        "unable to retrieve container logs for containerd://1",
        "hello",
    ]


def test_pods_that_come_later_are_read_from_their_start(shop: Namespace, follow: Follow) -> None:
    shop.put(pod("web-1"))
    shop.write("web-1", "web", "old", "last")
    following = follow(tail=1)
    assert take(following, 1) == [("web-1", "last")]
    shop.write("web-2", "web", "first", "second")
    shop.put(pod("web-2"))
    assert take(following, 2) == [("web-2", "first"), ("web-2", "second")]


def test_a_container_that_starts_again_is_read_again(shop: Namespace, follow: Follow) -> None:
    shop.put(pod("web-1"))
    shop.write("web-1", "web", "before")
    following = follow()
    assert take(following, 1) == [("web-1", "before")]
    shop.end_log("web-1", "web")
    shop.put(ended("web-1", 1))
    shop.put(pod("web-1", container={"restartCount": 1}))
    shop.wait("pods/web-1/log", times=2)
    assert take(following, 1) == [("web-1", "before")]  # the fake keeps one log for both lives


def test_a_connection_that_breaks_costs_no_line_and_gives_none_twice(
    shop: Namespace, follow: Follow
) -> None:
    shop.put(pod("web-1"))
    shop.write("web-1", "web", "one", "two")
    following = follow()
    assert take(following, 2) == [("web-1", "one"), ("web-1", "two")]
    shop.cut()
    shop.write("web-1", "web", "three")
    assert take(following, 1) == [("web-1", "three")]
    assert any("sinceTime=2026-11-24T10%3A00%3A00Z" in asked for asked in shop.requests)
    shop.cut()
    shop.write("web-1", "web", "four")
    assert take(following, 1) == [("web-1", "four")]


def test_the_end_of_a_container_is_the_end_of_its_log(shop: Namespace, follow: Follow) -> None:
    shop.put(ended("web-1"))
    shop.write("web-1", "web", "bye")
    shop.end_log("web-1", "web")
    following = follow()
    assert take(following, 1) == [("web-1", "bye")]
    while not following.drained:
        following.next(0.01)
    assert sum("/log" in asked for asked in shop.requests) == 1


def test_a_log_that_may_not_be_read_is_said_and_the_others_go_on(
    shop: Namespace, follow: Follow
) -> None:
    shop.refusals["pods/web-1/log"] = (403, "forbidden")
    shop.put(pod("web-1"))
    following = follow()
    [(name, said)] = take(following, 1)
    assert name == "web-1"
    assert said.startswith("(its log ended:")
    shop.write("web-2", "web", "hello")
    shop.put(pod("web-2"))
    assert take(following, 1) == [("web-2", "hello")]


def test_a_watch_that_is_refused_is_an_error(shop: Namespace) -> None:
    """Failure mode 16: no pods to be seen is not the same as none."""
    shop.refusals["GET pods?"] = (403, "pods is forbidden")
    following = Following(shop.cluster(), WEB, Wanted())
    with pytest.raises(RemoteError, match="refused"):
        next(iter(following))


def test_closing_ends_what_is_open(shop: Namespace, follow: Follow) -> None:
    shop.put(pod("web-1"))
    shop.write("web-1", "web", "one")
    following = follow()
    iterator = iter(following)
    assert next(iterator) == ("web-1", "one")
    iterator.close()  # type: ignore[attr-defined]
    while not following.drained:
        following.next(0.01)


def test_more_logs_than_are_followed_at_once(
    shop: Namespace, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are said to wait, and have their turn when another has ended."""
    monkeypatch.setattr(logs, "_AT_ONCE", 1)
    shop.put(pod("web-1"))
    shop.write("web-1", "web", "one")
    following = follow()
    assert take(following, 1) == [("web-1", "one")]
    shop.write("web-2", "web", "two")
    shop.put(pod("web-2"))
    assert take(following, 1) == [("web-2", "(waits: 1 logs are followed already)")]
    shop.put(ended("web-1"))
    shop.end_log("web-1", "web")
    assert take(following, 1) == [("web-2", "two")]
