"""What is in somebody's ledger stays readable: each event as it was first written, and its page."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from shipit.model import codec
from shipit.model import events as e
from shipit.model.progress import Reason, Stage
from shipit.model.release import Source

DIGEST = "sha256:" + "a" * 64
PAGE = Path(__file__).parents[3] / "docs" / "reference" / "ledger.md"
REASON = {"subject": "web", "what": "exit code 1", "logs": ["a line"]}

# Never change a line here: it is what version 1 of the event looks like in a log.
WRITTEN: list[dict[str, object]] = [
    {
        "type": "release.created",
        "release": {
            "id": "r1",
            "digest": DIGEST,
            "created_at": "2026-11-02T10:00:00Z",
            "created_by": "anna",
            "source": {"commit": "c0ffee", "dirty": True, "branch": "main"},
            "images": {"web": DIGEST},
        },
    },
    {"type": "release.approved", "environment": "qa", "release": DIGEST, "comment": "fine"},
    {"type": "release.rejected", "environment": "qa", "release": DIGEST},
    {
        "type": "deployment.started",
        "environment": "qa",
        "release": DIGEST,
        "release_id": "r1",
        "kind": "promote",
        "ttl": 45.0,
        "resumes": 7,
        "override": "an incident",
    },
    {
        "type": "deployment.stage_finished",
        "environment": "qa",
        "token": 42,
        "stage": "before",
        "target": "eu",
        "subject": "migrate",
        "detail": "exit code 0",
    },
    {
        "type": "deployment.rollback_started",
        "environment": "qa",
        "token": 42,
        "reasons": [REASON],
    },
    {
        "type": "deployment.succeeded",
        "environment": "qa",
        "token": 42,
        "proven": {"eu": {"web": DIGEST}},
    },
    {
        "type": "deployment.failed",
        "environment": "qa",
        "token": 42,
        "reasons": [REASON],
        "changed": False,
    },
    {
        "type": "deployment.rolled_back",
        "environment": "qa",
        "token": 42,
        "reasons": [REASON],
        "to": DIGEST,
    },
    {"type": "deployment.superseded", "environment": "qa", "token": 42, "by": "deployment 50"},
    {"type": "deployment.interrupted", "environment": "qa", "token": 42, "why": "no sign of life"},
    {"type": "environment.held", "environment": "qa", "reason": "an incident"},
    {"type": "environment.released", "environment": "qa", "reason": "it is over"},
    {"type": "environment.checked", "environment": "qa", "healthy": False, "note": "web is down"},
    {"type": "environment.removed", "environment": "qa"},
    {
        "type": "stack.provisioned",
        "stack": "qa",
        "environment": "qa",
        "project": "shop",
        "outputs": {"cluster": "shop-qa", "subnets": ["subnet-1"]},
    },
    {"type": "stack.destroyed", "stack": "qa", "environment": "qa", "project": "shop"},
]


def tag(kind: type) -> str:
    return str(msgspec.inspect.type_info(kind).tag)  # type: ignore[attr-defined]


def envelope(*events: dict[str, object]) -> bytes:
    by = {
        "name": "anna",
        "host": "build-7",
        "pid": 7,
        "process": "b:n:1",
        "run": "u",
        "version": "1",
    }
    at = "2026-11-02T10:31:07.204113Z"
    return json.dumps({"number": 42, "at": at, "by": by, "events": events, "id": "i"}).encode()


@pytest.mark.parametrize("written", WRITTEN, ids=lambda w: str(w["type"]))
def test_what_was_written_is_read_and_written_the_same(written: dict[str, object]) -> None:
    commit = codec.decode(envelope(written), e.Commit)

    assert commit.number == 42
    assert commit.at == datetime(2026, 11, 2, 10, 31, 7, 204113, tzinfo=UTC)
    assert json.loads(codec.encode(commit)) == json.loads(envelope(written))


def test_none_is_missing() -> None:
    assert sorted(map(tag, get_args(e.Event))) == sorted(str(w["type"]) for w in WRITTEN)


def test_values_come_back_as_what_they_are() -> None:
    stage, failed, created = (
        codec.decode(envelope(WRITTEN[n]), e.Commit).events[0] for n in (4, 7, 0)
    )

    assert isinstance(stage, e.StageFinished)
    assert stage.stage is Stage.BEFORE
    assert isinstance(failed, e.DeploymentFailed)
    assert failed.reasons == (Reason("web", "exit code 1", ("a line",)),)
    assert isinstance(created, e.ReleaseCreated)
    assert created.release.source == Source("c0ffee", dirty=True, branch="main")


@pytest.mark.parametrize("kind", get_args(e.Event), ids=tag)
def test_the_reference_page_tells_of_every_field(kind: type) -> None:
    rows = re.findall(r"^\| `([a-z_.]+)` \| ([^|]*) \|", PAGE.read_text("utf-8"), re.MULTILINE)
    told = dict(rows)[tag(kind)]

    fields = [field for field in kind.__struct_fields__ if field != "v"]  # type: ignore[attr-defined]
    assert re.findall(r"`([a-z_]+)`", told) == fields


def test_an_actor_says_where_it_is() -> None:
    assert str(e.Actor("anna")) == "anna"
    assert str(e.Actor("anna", "build-7", 7)) == "anna (build-7 pid 7)"
    assert str(e.Actor("anna", "build-7", 7, run="https://ci/7")) == "anna (https://ci/7)"
