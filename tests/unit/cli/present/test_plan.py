import io

from shipit.cli.present.ink import Ink
from shipit.cli.present.plan import draw_plans, plan_lines, with_tasks
from shipit.model.deployment import Action, Change, Desired, Plan
from shipit.model.digest import Digest


def plan(*changes: Change, target: str = "default", notes: tuple[str, ...] = ()) -> Plan:
    desired = Desired("shop", "dev", Digest.of(b"r"), "1a2b3c4", {}, {}, ())
    return Plan(target, desired, changes, "f", notes)


CHANGES = (
    Change("web", Action.UPDATE, "another image", diff=("-  PORT: 80", "+  PORT: 81", "   x")),
    Change("worker", Action.CREATE, "it does not run"),
    Change("mail", Action.REMOVE, "the release has no such service"),
    Change("migrate", Action.RUN, "runs before"),
    Change("db", Action.KEEP, "runs this image and definition"),
)


def test_whole() -> None:
    assert plan_lines([plan(*CHANGES, notes=("volume data is kept",))], Ink()) == [
        "dev: release 1a2b3c4",
        "  ~ web      update  another image",
        "      -  PORT: 80",
        "      +  PORT: 81",
        "         x",
        "  + worker   create  it does not run",
        "  - mail     remove  the release has no such service",
        "  ▸ migrate  run     runs before",
        "  = db       keep    runs this image and definition",
        "  note: volume data is kept",
        "",
        "1 to create, 1 to update, 1 to remove, 1 to run, 1 unchanged",
    ]


def test_tasks_have_their_places_among_the_changes() -> None:
    lines = plan_lines([with_tasks(plan(CHANGES[1]), ["migrate"], ["warm"])], Ink())
    assert lines[1:4] == [
        "  ▸ migrate  run     once, before",
        "  + worker   create  it does not run",
        "  ▸ warm     run     once, after",
    ]
    assert lines[-1] == "1 to create, 0 to update, 0 to remove, 2 to run, 0 unchanged"


def test_several_targets_are_named() -> None:
    lines = plan_lines([plan(target="eu"), plan(target="us")], Ink())
    assert lines[0] == "dev on eu: release 1a2b3c4"
    assert lines[3] == "dev on us: release 1a2b3c4"
    assert lines[1] == "  = nothing to do"


def test_changed_lines_are_coloured() -> None:
    text = "\n".join(plan_lines([plan(*CHANGES)], Ink(colour=True)))
    assert "\x1b[31m-  PORT: 80\x1b[0m" in text
    assert "\x1b[32m+  PORT: 81\x1b[0m" in text


def test_ascii_streams_get_ascii() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii", write_through=True)
    draw_plans([plan(*CHANGES)], stream=stream, environ={})
    assert b"> migrate" in raw.getvalue()
