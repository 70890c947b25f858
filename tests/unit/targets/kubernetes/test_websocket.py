"""The WebSocket of exec, against another implementation of the same protocol, over TLS."""

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from wsproto.events import CloseConnection, Ping

from shipit.errors import PreconditionError, RemoteError
from shipit.targets.kubernetes import upgrade, websocket
from shipit.targets.kubernetes.connection import Call, Connection
from shipit.targets.kubernetes.reach.access import Access
from shipit.targets.kubernetes.websocket import Session
from tests.fakes.talking_door import Talk, TalkingDoor
from tests.fakes.tunnel import tunnel

PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
EXEC = Call(
    "GET", "/api/v1/namespaces/shop/pods/web-1/exec", [("command", "a b&c"), ("tty", "true")]
)


@pytest.fixture
def door(tmp_path: Path) -> Iterator[TalkingDoor]:
    with TalkingDoor(tmp_path) as open_:
        yield open_


def connection(door: TalkingDoor, **more: Any) -> Connection:
    return Connection(Access(server=door.address, name="the cluster", ca=door.ca, **more))


def opened(door: TalkingDoor, **more: Any) -> Session:
    return upgrade.open_session(connection(door, **more), EXEC, PROTOCOLS)


def test_the_request_is_what_was_asked(door: TalkingDoor) -> None:
    with opened(door, headers=(("Impersonate-User", "bob"),)) as session:
        assert session.subprotocol == "v5.channel.k8s.io"
    request = door.talks[0].request
    assert request.target == f"{EXEC.path}?command=a+b%26c&tty=true"
    headers = [(k.lower(), v) for k, v in request.extra_headers]
    assert (b"impersonate-user", b"bob") in headers
    # With another one the API server answers 406: a WebSocket is no JSON.
    assert [v for k, v in headers if k == b"accept"] == [b"*/*"]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536, 300_000])
def test_messages_of_every_length(door: TalkingDoor, size: int) -> None:
    door.talk = lambda talk: talk.say(talk.hear())
    data = os.urandom(size)
    with opened(door) as session:
        session.send_bytes(data)
        assert session.receive_bytes() == data


def test_a_message_in_pieces(door: TalkingDoor) -> None:
    def talk(talk: Talk) -> None:
        talk.say(b"x" * 100_000, pieces=7)
        talk.say(b"y")

    door.talk = talk
    with opened(door) as session:
        assert [session.receive_bytes(), session.receive_bytes()] == [b"x" * 100_000, b"y"]


def test_both_ways_at_once(door: TalkingDoor) -> None:
    """More than the buffers hold: whoever waits for the other to read must read itself."""
    total = 8 * 1024 * 1024
    chunk = os.urandom(32 * 1024)

    def echo(talk: Talk) -> None:
        while heard := talk.hear():
            talk.say(heard)

    door.talk = echo
    with opened(door) as session:

        def speak() -> None:
            for _ in range(total // len(chunk)):
                session.send_bytes(chunk)

        speaker = threading.Thread(target=speak)
        speaker.start()
        for _ in range(total // len(chunk)):
            assert session.receive_bytes() == chunk
        speaker.join()


def test_a_ping_is_answered(door: TalkingDoor) -> None:
    def talk(talk: Talk) -> None:
        talk.send(Ping(payload=b"there?"))
        talk.say(talk.hear())

    door.talk = talk
    with opened(door) as session:
        assert session.receive_bytes() == b"pong there?"


def test_a_silent_side_is_asked_and_may_go_on_being_silent(
    door: TalkingDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "_SILENCE", 0.05)

    def talk(talk: Talk) -> None:
        assert [talk.hear() for _ in range(3)] == [b"ping "] * 3
        talk.say(b"here")

    door.talk = talk
    with opened(door) as session:
        assert session.receive_bytes() == b"here"


def test_a_side_that_is_gone_is_an_end(door: TalkingDoor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "_SILENCE", 0.05)
    over = threading.Event()
    door.talk = lambda _: over.wait(10)
    with opened(door) as session, pytest.raises(RemoteError) as caught:
        session.receive_bytes()
    over.set()
    assert caught.value.why == "it does not answer any more"
    assert caught.value.temporary


@pytest.mark.parametrize(
    ("last", "why"),
    [
        (lambda talk: None, "the connection ended"),
        (
            lambda talk: talk.send(CloseConnection(code=1011, reason="internal")),
            "it closed the connection (1011 internal)",
        ),
        (lambda talk: talk.raw(b"\x82\x7f" + (1 << 40).to_bytes(8, "big")), "its message has 1099"),
    ],
)
def test_an_end_says_why(door: TalkingDoor, last: Any, why: str) -> None:
    door.talk = last
    with opened(door) as session, pytest.raises(RemoteError) as caught:
        session.receive_bytes()
    assert caught.value.why.startswith(why)
    assert EXEC.path in caught.value.what


def test_it_says_goodbye(door: TalkingDoor) -> None:
    done = threading.Event()

    def talk(talk: Talk) -> None:
        talk.hear()
        done.set()

    door.talk = talk
    with opened(door):
        pass
    assert done.wait(10)
    assert door.talks[0].closed is not None
    assert door.talks[0].closed.code == 1000


def test_a_token_that_has_just_ended_is_replaced(door: TalkingDoor) -> None:
    door.judge = lambda value: "ann" if value == "Bearer new" else ""
    with opened(door, authorization=lambda fresh: "Bearer new" if fresh else "Bearer old"):
        pass
    assert len(door.talks) == 1


def test_credentials_that_are_not_taken(door: TalkingDoor) -> None:
    door.judge = lambda _: ""
    with pytest.raises(PreconditionError, match="does not take our credentials") as caught:
        opened(door, refused="make an access entry")
    assert caught.value.next_step == "make an access entry"


def test_a_refusal_is_the_servers_own_words(door: TalkingDoor) -> None:
    said = {"status": "Failure", "message": 'pods "web-1" is forbidden: User "ann"', "code": 403}
    door.refusal = (403, json.dumps(said).encode())
    with pytest.raises(RemoteError) as caught:
        opened(door)
    assert caught.value.status == 403
    assert "is forbidden" in caught.value.why


def test_something_in_between_that_takes_no_websocket(door: TalkingDoor) -> None:
    door.refusal = (200, b"hello")
    with pytest.raises(RemoteError, match="refused GET /api") as caught:
        opened(door)
    assert "takes no WebSocket" in caught.value.why


def test_nobody_answers(door: TalkingDoor) -> None:
    gone = Access(server="https://127.0.0.1:1", name="the cluster", unreached="start the VPN")
    with pytest.raises(RemoteError, match="the cluster does not answer") as caught:
        upgrade.open_session(Connection(gone), EXEC, PROTOCOLS)
    assert caught.value.next_step == "start the VPN"


def test_a_certificate_of_somebody_elses(door: TalkingDoor) -> None:
    access = Access(server=door.address, name="the cluster")
    with pytest.raises(RemoteError, match="the cluster"):
        upgrade.open_session(Connection(access), EXEC, PROTOCOLS)


def test_the_name_that_the_certificate_is_held_against(door: TalkingDoor) -> None:
    with opened(door, server_name="kubernetes.default"):
        pass
    with pytest.raises(RemoteError, match="the cluster"):
        opened(door, server_name="elsewhere")


def test_through_a_proxy(door: TalkingDoor, tmp_path: Path) -> None:
    door.talk = lambda talk: talk.say(talk.hear())
    with tunnel() as (address, asked), opened(door, proxy=address) as session:
        session.send_bytes(b"x")
        assert session.receive_bytes() == b"x"
    assert asked == [door.address.removeprefix("https://")]


def test_a_proxy_of_another_kind_is_said(door: TalkingDoor) -> None:
    with pytest.raises(PreconditionError, match="spoken to by https"):
        opened(door, proxy="https://127.0.0.1:3128")
