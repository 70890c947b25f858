"""An address that never ends its answer does not keep a deployment, and its lease, for ever."""

import threading
from collections.abc import Iterator

import pytest

from shipit.delivery.probes import answer
from tests.fakes.site import Site


@pytest.fixture
def stream(site: Site) -> Iterator[Site]:
    """As a stream of events: a status, and then a word now and again."""
    site.endless = True
    yield site
    site.endless = False


def answered(site: Site, **more: object) -> str:
    """Within 10 seconds, or it is taken to hang."""
    said: list[str] = []
    asking = threading.Thread(target=lambda: said.append(answer(site.check(**more))), daemon=True)
    asking.start()
    asking.join(10)
    return said[0] if said else "hangs"


def test_its_status_is_enough(stream: Site) -> None:
    assert answered(stream) == ""


def test_words_are_found_as_they_come(stream: Site) -> None:
    assert answered(stream, contains="lohello") == ""


def test_words_that_do_not_come_are_waited_for_no_longer_than_asked(stream: Site) -> None:
    said = answered(stream, contains="goodbye")
    assert said == "answered without 'goodbye' in its body (for 300ms)"


def test_another_status(stream: Site) -> None:
    stream.status = 503
    assert answered(stream) == "answered 503, not 200 (for 300ms)"
