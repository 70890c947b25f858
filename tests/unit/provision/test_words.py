"""What Pulumi says of a lock, as it said it, is an error with the way out."""

from shipit.errors import LeasedError
from shipit.provision.words import ending, failed

# pulumi 3.259, a file backend.
LOCKED = """\
error: the stack is currently locked by 1 lock(s). Either wait for the other process(es) to end or \
delete the lock file with `pulumi cancel`.
  file:///shop/.shipit/pulumi/.pulumi/locks/organization/shop/staging/0b6.json: created by \
ada@laptop (pid 4711) at 2026-11-24T12:00:00Z
"""


def test_a_lock_names_its_owner_and_the_command() -> None:
    problem = ending(LOCKED, "stack staging of stacks/", "pulumi cancel --yes")
    assert isinstance(problem, LeasedError)
    assert "ada@laptop pid 4711, since 2026-11-24T12:00:00Z" in problem.what
    assert "`pulumi cancel --yes`" in problem.next_step


def test_a_service_says_it_in_other_words() -> None:
    said = "error: [409] Conflict: Another update is currently in progress."
    assert isinstance(ending(said, "stack staging", "pulumi cancel"), LeasedError)


def test_anything_else_is_none_of_them() -> None:
    assert ending("error: no such resource", "stack staging", "pulumi cancel") is None


def test_the_engines_own_errors_come_before_what_was_printed() -> None:
    assert failed(["  the quota is used up\n"], "stderr: a wall of text") == "the quota is used up"
    assert failed([], "one\n\ntwo\n") == "one\ntwo"
