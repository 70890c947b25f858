"""Where credentials come from, and that the metadata address is not asked for them by accident."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from shipit.errors import PreconditionError
from shipit.ledger import Ledger
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
    import importlib.util

    real: Callable[[str], Any] = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "botocore" else real(name)
    )

    with pytest.raises(PreconditionError) as refused:
        Ledger.open("s3://acme/shop", root=Path("/")).read()
    assert "boto3 is not installed" in refused.value.why
    assert metadata.requests == []


@pytest.mark.parametrize("content", ["not JSON", "[]", '{"type": "external_account"}'])
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
