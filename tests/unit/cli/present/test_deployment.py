from msgspec.structs import replace

from shipit.cli.present.deployment import result_lines
from shipit.cli.present.ink import Ink
from shipit.delivery.request import Result
from shipit.model.digest import Digest
from shipit.model.events import Kind

WEB, WORKER = Digest.of(b"web"), Digest.of(b"worker")
RESULT = Result(
    environment="dev",
    release=Digest.of(b"r"),
    release_id="1a2b3c4",
    kind=Kind.DEPLOY,
    token=7,
    proven={"default": {"web": WEB, "worker": WORKER}},
    changed=True,
    seconds=4.25,
)


def test_it_says_what_runs_by_digest_and_where_it_answers() -> None:
    assert result_lines(RESULT, Ink(), ["http://127.0.0.1:8081"]) == [
        "✓ dev runs 1a2b3c4, proven in 4.2s",
        f"  web     {WEB.short}",
        f"  worker  {WORKER.short}",
        "  http://127.0.0.1:8081",
    ]


def test_no_change_is_said() -> None:
    head = result_lines(replace(RESULT, changed=False), Ink())[0]
    assert head == "✓ dev runs 1a2b3c4, nothing had to change, proven in 4.2s"


def test_several_targets_are_named() -> None:
    lines = result_lines(replace(RESULT, proven={"eu": {"web": WEB}, "us": {"web": WEB}}), Ink())
    assert lines[1:] == [f"  eu/web  {WEB.short}", f"  us/web  {WEB.short}"]
