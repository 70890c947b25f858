"""What `shipit iam` says a ledger on S3 needs, held against what reaches S3."""

import re
import threading
from collections.abc import Iterator
from fnmatch import fnmatchcase
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from shipit.delivery.deploy import deploy
from shipit.delivery.request import Request
from shipit.ledger.permissions import needed
from shipit.ledger.store import open_store
from shipit.model.permission import policy
from tests.fakes.moto import CREDENTIALS, make_bucket, moto_server
from tests.fakes.project import FakeProject, run

pytestmark = pytest.mark.aws

URL = "s3://acme-shipit/teams/shop"
_OBJECTS = {"GET": "s3:GetObject", "HEAD": "s3:GetObject", "PUT": "s3:PutObject"}
_OBJECTS |= {"POST": "s3:PutObject", "DELETE": "s3:DeleteObject"}


class Recorder(ThreadingHTTPServer):
    """Passes everything on. `asked`: method, path and query, and body of every request."""

    daemon_threads = True

    def __init__(self, behind: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behind = behind.removeprefix("http://")
        self.asked: list[tuple[str, str, bytes]] = []


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Recorder

    def _pass(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.server.asked.append((self.command, self.path, body))
        connection = HTTPConnection(self.server.behind, timeout=30)
        connection.request(self.command, self.path, body, dict(self.headers))
        answer = connection.getresponse()
        said = answer.read()
        connection.close()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "content-length", "transfer-encoding"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def do_GET(self) -> None:
        self._pass()

    def do_HEAD(self) -> None:
        self._pass()

    def do_PUT(self) -> None:
        self._pass()

    def do_POST(self) -> None:
        self._pass()

    def do_DELETE(self) -> None:
        self._pass()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """The log is `asked`."""


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorder]:
    with moto_server() as endpoint:
        make_bucket(endpoint, "acme-shipit")
        recorder = Recorder(endpoint)
        thread = threading.Thread(target=recorder.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        for name, value in CREDENTIALS.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{recorder.server_port}")
        yield recorder
        recorder.shutdown()
        recorder.server_close()
        thread.join(10)


def in_iam(method: str, target: str, body: bytes) -> Iterator[tuple[str, str, str]]:
    """Action, resource and the prefix that is listed. Several objects are deleted at once by a
    request to their bucket."""
    parts = urlsplit(target)
    bucket, _, key = parts.path.lstrip("/").partition("/")
    query = parse_qs(parts.query, keep_blank_values=True)
    if key:
        yield _OBJECTS[method], f"arn:aws:s3:::{bucket}/{key}", ""
    elif "delete" in query:
        for named in re.findall(r"<Key>([^<]+)</Key>", body.decode()):
            yield "s3:DeleteObject", f"arn:aws:s3:::{bucket}/{named}", ""
    else:
        yield "s3:ListBucket", f"arn:aws:s3:::{bucket}", query.get("prefix", [""])[0]


def allowed(document: dict[str, Any], action: str, resource: str, prefix: str) -> bool:
    for statement in document["Statement"]:
        if action not in statement["Action"]:
            continue
        if not any(fnmatchcase(resource, pattern) for pattern in statement["Resource"]):
            continue
        patterns = statement.get("Condition", {}).get("StringLike", {}).get("s3:prefix")
        if patterns is None or any(fnmatchcase(prefix, pattern) for pattern in patterns):
            return True
    return False


def test_all_that_deployments_ask_of_s3_is_allowed_and_nothing_else(
    s3: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Leases with their heartbeats, releases, so many commits that states come and go."""
    monkeypatch.setenv("SHIPIT_ACTOR", "ada")
    project = FakeProject(tmp_path, store=open_store(URL, tmp_path))
    for release in "abcdefghijkl":
        project.release(release)
        run(deploy(project, Request("dev")))
    document = policy(needed(URL))
    asked = {one for request in s3.asked for one in in_iam(*request)}
    assert [one for one in sorted(asked) if not allowed(document, *one)] == []
    actions = {action for s in document["Statement"] for action in s["Action"]}
    assert actions == {action for action, _, _ in asked}


def test_another_applications_record_is_not_in_it() -> None:
    document = policy(needed(URL))
    inside = "arn:aws:s3:::acme-shipit/teams"
    assert allowed(document, "s3:GetObject", f"{inside}/shop/log/000000000001.json", "")
    assert not allowed(document, "s3:GetObject", f"{inside}/shop2/log/000000000001.json", "")
    assert not allowed(document, "s3:DeleteObject", f"{inside}/shop/log/000000000001.json", "")
    assert not allowed(document, "s3:ListBucket", "arn:aws:s3:::acme-shipit", "teams/other/")
