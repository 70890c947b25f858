"""Asking an API server as `Access` says, with nothing but the standard library."""

import http.client
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from shipit.targets.kubernetes.reach.access import Access
from tests.fakes.front_door import FrontDoor

Ask = Callable[[Access], int]


@pytest.fixture
def door(tmp_path: Path) -> Iterator[FrontDoor]:
    with FrontDoor(tmp_path) as open_:
        yield open_


@pytest.fixture
def ask() -> Ask:
    """The status of GET /version, asked again with a fresh token after a 401."""

    def get(access: Access) -> int:
        status = _get(access, fresh=False)
        return _get(access, fresh=True) if status == 401 else status

    return get


def _get(access: Access, *, fresh: bool) -> int:
    address = urlsplit(access.server)
    connection = http.client.HTTPSConnection(
        address.hostname or "", address.port, timeout=10, context=access.tls()
    )
    try:
        connection.putrequest("GET", f"{address.path}/version")
        authorization = access.authorization(fresh)
        headers = (("Authorization", authorization), *access.headers)
        for name, value in headers:
            if value:
                connection.putheader(name, value)
        connection.endheaders()
        with connection.getresponse() as answer:
            answer.read()
            return answer.status
    finally:
        connection.close()
