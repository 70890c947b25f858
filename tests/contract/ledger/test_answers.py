"""What buckets answer: conflicts, lost answers, refusals, and stores that cannot do the one write
that the ledger needs. The server answers over HTTP; obstore is the real one."""

from collections.abc import Callable
from pathlib import Path

import pytest

from shipit.errors import (
    NoBucketError,
    PreconditionError,
    RemoteError,
    ShipitError,
    StoreError,
    UsageError,
)
from shipit.ledger import Ledger
from shipit.ledger.store import open_store
from tests.fakes.facts import commit, held, started
from tests.fakes.moto import CREDENTIALS
from tests.fakes.objects import Answer, ObjectServer

URL = "s3://acme/shop"


@pytest.fixture
def ledger(objects: ObjectServer, s3_environment: Callable[[str], None]) -> Ledger:
    s3_environment(objects.endpoint)
    return Ledger.open(URL, root=Path("/"))


def puts(objects: ObjectServer, number: int) -> int:
    return objects.requests.count(f"PUT acme/shop/log/{number:012d}.json")


def test_fm28_409_is_tried_again_and_then_it_works(ledger: Ledger, objects: ObjectServer) -> None:
    commit(ledger, held("dev"))
    objects.script += [Answer(409, "ConditionalRequestConflict")] * 3

    assert commit(ledger, held("qa")).number == 2
    assert puts(objects, 2) == 4


def test_fm28_412_is_held_and_the_next_number_is_taken(
    ledger: Ledger, objects: ObjectServer
) -> None:
    ledger.read()
    other = Ledger.open(URL, root=Path("/"))
    commit(other, held("dev"))

    assert commit(ledger, held("qa")).number == 2
    assert puts(objects, 2) == 1


@pytest.mark.parametrize("answer", [Answer(0, obey=True), Answer(500, "InternalError", obey=True)])
def test_a_commit_whose_answer_was_lost_is_recognized(
    ledger: Ledger, objects: ObjectServer, answer: Answer
) -> None:
    """It landed; asked again the store says 412, and the log says whose it is."""
    commit(ledger, held("dev"))
    objects.script.append(answer)

    done = commit(ledger, started())

    assert done.number == 2
    assert next(c.id for c in ledger.history()) == done.id
    assert ledger.read().number == 2


def test_an_answer_lost_for_good_is_looked_up_in_the_log(
    ledger: Ledger, objects: ObjectServer
) -> None:
    """obstore gives up; the commit is there all the same."""
    commit(ledger, held("dev"))
    objects.script += [Answer(0, obey=True), *[Answer(503, "SlowDown")] * 5]

    assert commit(ledger, started()).number == 2
    assert ledger.read().number == 2


def test_fm28_a_store_that_ignores_the_condition_is_refused(
    ledger: Ledger, objects: ObjectServer
) -> None:
    objects.conditional = False

    with pytest.raises(StoreError) as refused:
        commit(ledger, held("dev"))
    assert "overwrites objects that it was asked to create only if absent" in refused.value.what
    assert not puts(objects, 1)


def test_it_is_refused_for_a_ledger_that_was_copied_there_too(
    ledger: Ledger, objects: ObjectServer
) -> None:
    commit(ledger, held("dev"))
    objects.conditional = False

    with pytest.raises(StoreError, match="only if absent"):
        commit(Ledger.open(URL, root=Path("/")), held("qa"))
    assert not puts(objects, 2)


def test_fm28_501_is_a_store_that_cannot(ledger: Ledger, objects: ObjectServer) -> None:
    objects.script += [Answer(501, "NotImplemented", "If-None-Match is not implemented")] * 20

    with pytest.raises(StoreError) as refused:
        commit(ledger, held("dev"))
    assert "If-None-Match is not implemented" in refused.value.why
    assert "conditional writes" in refused.value.next_step


@pytest.mark.parametrize(
    ("answer", "why", "next_step"),
    [
        (Answer(404, "NoSuchBucket"), "no such bucket", "create it"),
        (Answer(403, "AccessDenied", "Access Denied"), "may not do that", "let them list"),
        (Answer(403, "InvalidAccessKeyId", "no such key"), "not accepted", "renew them"),
        (Answer(403, "SignatureDoesNotMatch"), "not accepted", "renew them"),
        (Answer(400, "ExpiredToken", "it is old"), "have expired", "renew them"),
        (Answer(401, "Unauthorized"), "not accepted", "renew them"),
        (Answer(301, "PermanentRedirect"), "another region", "AWS_REGION"),
        (Answer(400, "AuthorizationHeaderMalformed"), "another region", "AWS_REGION"),
    ],
)
def test_found_before_anything_changed_is_a_precondition(
    ledger: Ledger, objects: ObjectServer, answer: Answer, why: str, next_step: str
) -> None:
    objects.everywhere = answer

    with pytest.raises(PreconditionError) as refused:
        ledger.read()
    assert refused.value.exit_code == 2
    assert URL in refused.value.what
    assert why in refused.value.why
    assert next_step in refused.value.next_step
    assert_no_credentials(refused.value)


def test_an_object_of_no_bucket_is_not_just_an_object_that_is_missing(
    ledger: Ledger, objects: ObjectServer
) -> None:
    objects.everywhere = Answer(404, "NoSuchBucket")

    with pytest.raises(PreconditionError, match="no such bucket"):
        ledger.store.get("heartbeats/000000000001.json")


@pytest.mark.parametrize("url", [URL, "gs://acme/shop"])
def test_a_bucket_that_is_not_there_is_an_error_of_its_own(
    url: str,
    objects: ObjectServer,
    s3_environment: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It can be made; a bucket that refuses cannot."""
    s3_environment(objects.endpoint)
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", objects.endpoint)
    store = open_store(url, Path("/"))
    objects.everywhere = Answer(404, "NoSuchBucket", "The specified bucket does not exist.")
    with pytest.raises(NoBucketError):
        store.list("log")
    objects.everywhere = Answer(403, "AccessDenied", "Access Denied")
    with pytest.raises(PreconditionError) as refused:
        store.list("log")
    assert not isinstance(refused.value, NoBucketError)


def test_the_same_in_the_middle_is_not(ledger: Ledger, objects: ObjectServer) -> None:
    """A deployment is under way: exit 2 would say that nothing has changed."""
    ledger.read()
    objects.everywhere = Answer(403, "ExpiredToken", "it is old")

    with pytest.raises(RemoteError) as refused:
        commit(ledger, held("dev"))
    assert not refused.value.temporary
    assert refused.value.status == 403
    assert refused.value.request.startswith("PUT log/")
    assert "renew" in refused.value.next_step
    assert_no_credentials(refused.value)


def test_a_store_that_stays_broken_is_a_temporary_error(
    ledger: Ledger, objects: ObjectServer
) -> None:
    objects.everywhere = Answer(503, "SlowDown", "reduce your rate")

    with pytest.raises(RemoteError) as refused:
        ledger.read()
    assert refused.value.temporary
    assert "reduce your rate" in refused.value.why
    assert_no_credentials(refused.value)


def test_nobody_there(s3_environment: Callable[[str], None]) -> None:
    s3_environment("http://127.0.0.1:9")

    with pytest.raises(PreconditionError) as refused:
        Ledger.open(URL, root=Path("/")).read()
    assert "cannot be reached" in refused.value.why


@pytest.mark.parametrize("url", ["s3://", "gs://", "ftp://acme/shop", "s3:///prefix"])
def test_an_address_that_names_no_store(url: str) -> None:
    with pytest.raises(UsageError, match="ledger"):
        Ledger.open(url, root=Path("/"))


def test_credentials_do_not_cross_a_network_in_the_clear(
    s3_environment: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    s3_environment("http://minio.example.com:9000")

    with pytest.raises(UsageError, match="in the clear"):
        Ledger.open(URL, root=Path("/"))
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    Ledger.open(URL, root=Path("/"))


def assert_no_credentials(error: ShipitError) -> None:
    for secret in (*CREDENTIALS.values(), "StringToSign"):
        if secret not in {CREDENTIALS["AWS_REGION"], "true"}:
            assert secret not in str(error)
