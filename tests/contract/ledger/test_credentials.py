"""Where credentials come from, and that the metadata address is not asked for them by accident."""

import importlib.util
import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from shipit.errors import PreconditionError
from shipit.ledger import Ledger
from shipit.ledger.gcs import credentials
from tests.fakes.facts import commit, held
from tests.fakes.objects import Answer, ObjectServer, object_server


@pytest.fixture
def metadata(monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectServer]:
    """Stands where 169.254.169.254 would answer: for obstore, botocore and Google's libraries."""
    with object_server() as server:
        server.everywhere = Answer(403, "Forbidden")
        monkeypatch.setenv("AWS_METADATA_ENDPOINT", server.endpoint)
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.endpoint)
        address = server.endpoint.removeprefix("http://")
        for name in ("GCE_METADATA_HOST", "GCE_METADATA_ROOT", "METADATA_HOST"):
            monkeypatch.setenv(name, address)
        yield server


def without(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    """As if it were not installed."""
    real: Callable[[str], Any] = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == package else real(name)
    )


def test_the_trap_works(metadata: ObjectServer) -> None:
    """Without credentials obstore does ask it, which is what the rest of this file is about."""
    import obstore
    from obstore.exceptions import BaseError
    from obstore.store import S3Store

    store = S3Store(
        "acme",
        config={"region": "eu-west-1", "metadata_endpoint": metadata.endpoint},
        client_options={"allow_http": True},
        retry_config={"max_retries": 0, "retry_timeout": timedelta(seconds=2)},
    )
    with pytest.raises(BaseError):
        obstore.get(store, "x")
    assert metadata.requests


@pytest.mark.parametrize(
    ("url", "hint"),
    [("s3://acme/shop", "AWS_ACCESS_KEY_ID"), ("gs://acme/shop", "GOOGLE_APPLICATION_CREDENTIALS")],
)
def test_no_credentials_is_one_clear_error(metadata: ObjectServer, url: str, hint: str) -> None:
    ledger = Ledger.open(url, root=Path("/"))

    with pytest.raises(PreconditionError) as refused:
        ledger.read()
    assert "credentials for the ledger" in refused.value.what
    assert url in refused.value.what
    assert hint in refused.value.next_step
    assert metadata.requests == []


def test_the_instance_s_role_is_asked_for_on_purpose(
    metadata: ObjectServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")

    with pytest.raises(PreconditionError):
        Ledger.open("s3://acme/shop", root=Path("/")).read()
    assert metadata.requests


def test_half_a_key_is_none(metadata: ObjectServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")

    with pytest.raises(PreconditionError) as refused:
        Ledger.open("s3://acme/shop", root=Path("/")).read()
    assert "AKIA" not in str(refused.value)
    assert metadata.requests == []


def test_a_profile_is_found_with_botocore(
    metadata: ObjectServer, objects: ObjectServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    credentials = tmp_path / "credentials"
    credentials.write_text("[release]\naws_access_key_id = AKIAX\naws_secret_access_key = s\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))
    monkeypatch.setenv("AWS_PROFILE", "release")
    monkeypatch.setenv("AWS_ENDPOINT_URL", objects.endpoint)

    assert commit(Ledger.open("s3://acme/shop", root=Path("/")), held("dev")).number == 1
    assert metadata.requests == []


def test_a_profile_that_does_not_exist(
    metadata: ObjectServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")

    with pytest.raises(PreconditionError) as refused:
        Ledger.open("s3://acme/shop", root=Path("/")).read()
    assert "nobody" in refused.value.why
    assert metadata.requests == []


def test_without_botocore_profiles_are_not_tried(
    metadata: ObjectServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch, "botocore")

    with pytest.raises(PreconditionError) as refused:
        Ledger.open("s3://acme/shop", root=Path("/")).read()
    assert "boto3 is not installed" in refused.value.why
    assert metadata.requests == []


@pytest.mark.parametrize(
    "content",
    [
        "not JSON",
        "[]",
        "{}",
        '{"type": "external_account"}',
        '{"type": "impersonated_service_account"}',
    ],
)
def test_a_google_file_that_cannot_be_used(
    metadata: ObjectServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    path = tmp_path / "key.json"
    path.write_text(content)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))

    with pytest.raises(PreconditionError) as refused:
        Ledger.open("gs://acme/shop", root=Path("/")).read()
    assert str(path) in refused.value.why
    assert metadata.requests == []


@pytest.fixture
def token_service() -> Iterator[str]:
    """Google's Security Token Service (RFC 8693): a token for the CI system's token."""

    class Exchange(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base's name
            """Quiet."""

        def do_POST(self) -> None:
            asked = self.rfile.read(int(self.headers["Content-Length"])).decode()
            given = "exchanged" if "subject_token=from-github" in asked else "wrong"
            body = {"access_token": given, "token_type": "Bearer", "expires_in": 3600}
            answer = json.dumps(body | {"issued_token_type": "urn:x"}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

    with ThreadingHTTPServer(("127.0.0.1", 0), Exchange) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1/token"
        server.shutdown()
        thread.join(10)


def test_a_federated_file_is_exchanged_for_a_token(
    metadata: ObjectServer, token_service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What google-github-actions/auth writes."""
    pytest.importorskip("google.auth")
    (tmp_path / "token").write_text("from-github")
    path = tmp_path / "federated.json"
    path.write_text(
        json.dumps(
            {
                "type": "external_account",
                "audience": "//iam.googleapis.com/projects/1/location",
                "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
                "token_url": token_service,
                "credential_source": {"file": str(tmp_path / "token")},
            }
        )
    )
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))

    token = credentials("gs://acme/shop")["credential_provider"]()

    assert token["token"] == "exchanged"
    assert token["expires_at"] > datetime.now(UTC)
    assert metadata.requests == []


def test_federated_ones_need_google_s_library(
    metadata: ObjectServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "federated.json"
    path.write_text('{"type": "external_account"}')
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    without(monkeypatch, "google")

    with pytest.raises(PreconditionError) as refused:
        Ledger.open("gs://acme/shop", root=Path("/")).read()
    assert "needs google-auth: install it" in refused.value.why
    assert metadata.requests == []
