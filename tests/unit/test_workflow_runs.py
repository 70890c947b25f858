"""promote.yml as GitHub runs it, its shell for real; `shipit` is a program that does as it is told.

The real one runs in tests/integration/cli/test_promote_workflow.py.
"""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from shipit.builders import source
from tests.fakes.actions.runner import Job, Runner, pull_request, python
from tests.fakes.command import commit_all

RELEASE = "1a2b3c4"
ENVIRONMENTS = ("dev", "qa", "staging", "production")
DEPLOYING = ("first", "second", "third", "fourth")
_SHIPIT = """\
#!/bin/sh
echo "$*" >>"$TOLD"
case "$1" in
build)
    git status --porcelain --untracked-files=all
    ls -A >&2
    ;;
plan)
    case "$*" in
    *--json) echo "{\\"event\\":\\"error\\",\\"kind\\":\\"$(cat "$KINDS/$3")\\"}" ;;
    *)
        echo "what the plan for $3 says"
        printf 'error: no rights in %s\\n::error title=shipit::no rights\\n' "$3" >&2
        ;;
    esac
    ;;
check) printf 'what the check of %s says\\n::error title=shipit::that\\n' "$3" ;;
esac
[ "$1" != build ] || echo 1a2b3c4
[ ! -e "$CODES/$1-$3" ] || exit "$(cat "$CODES/$1-$3")"
"""
VARIABLES = {name: {"SHIPIT_AWS_ROLE": f"arn:role/{name}"} for name in ENVIRONMENTS}


class GitHub:
    """A repository of shop's, and what became of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.origin = folder / "origin"
        self.origin.mkdir()
        (self.origin / "shipit.yaml").write_text("app: shop\n")
        commit_all(self.origin)
        self.told = folder / "told"
        self.told.write_text("")
        self.comments = folder / "comments.json"
        self.comments.write_text("[]")
        for name in ("codes", "kinds"):
            (folder / name).mkdir()
        self.runner = Runner(
            folder / "machines",
            self.origin,
            {"shipit": _SHIPIT, "gh": python("tests.fakes.actions.gh")},
            env={
                "TOLD": str(self.told),
                "CODES": str(folder / "codes"),
                "KINDS": str(folder / "kinds"),
                "GH_COMMENTS": str(self.comments),
            },
            variables=VARIABLES,
        )

    def ends(self, verb: str, environment: str, code: int) -> None:
        """`shipit VERB --env ENVIRONMENT` ends with this code from now on."""
        (self.folder / "codes" / f"{verb}-{environment}").write_text(str(code))

    def commands(self, *verbs: str) -> list[str]:
        lines = self.told.read_text().splitlines()
        return [line for line in lines if line.split()[0] in verbs]

    def bodies(self) -> list[str]:
        return [one["body"] for one in json.loads(self.comments.read_text())]


@pytest.fixture
def github(tmp_path: Path) -> GitHub:
    return GitHub(tmp_path)


def outcomes(jobs: dict[str, Job], names: Sequence[str] = DEPLOYING) -> list[str]:
    return [jobs[name].outcome for name in names]


def test_the_release_that_was_built_is_the_one_that_goes_on(github: GitHub) -> None:
    """Whatever runs upstream by the time that somebody approves: every job names its release."""
    jobs = github.runner.run()
    assert outcomes(jobs) == ["success"] * 4, [job.log for job in jobs.values()]
    assert github.commands("build") == ["build"]
    assert github.commands("deploy", "promote") == [
        f"deploy --env {name} --release {RELEASE}" for name in ENVIRONMENTS
    ]
    assert [jobs["plan"].outcome, jobs["fork"].outcome] == ["skipped", "skipped"]


def test_each_environment_is_entered_with_its_own_role(github: GitHub) -> None:
    jobs = github.runner.run()
    assert [jobs[name].role for name in DEPLOYING] == [f"arn:role/{e}" for e in ENVIRONMENTS]


def test_what_an_earlier_run_left_is_taken_up_first(github: GitHub) -> None:
    github.runner.run()
    assert github.commands("resume", "deploy")[:2] == [
        "resume --env dev",
        f"deploy --env dev --release {RELEASE}",
    ]


def test_after_a_hold_no_later_environment_is_entered(github: GitHub) -> None:
    github.ends("deploy", "staging", 3)
    jobs = github.runner.run()
    assert outcomes(jobs) == ["success", "success", "success", "skipped"]
    assert f"{RELEASE} waits before staging" in jobs["third"].summary
    assert "Run this job again" in jobs["third"].summary
    assert jobs["second"].summary == ""

    github.ends("deploy", "staging", 0)
    again = github.runner.run(before=jobs, only=("third", "fourth"))
    assert outcomes(again) == ["success"] * 4
    assert github.commands("build") == ["build"]
    assert github.commands("deploy")[-2:] == [
        f"deploy --env {name} --release {RELEASE}" for name in ("staging", "production")
    ]


@pytest.mark.parametrize("code", [1, 2, 4, 5, 6, 130])
def test_every_other_end_fails_the_job_with_its_code(code: int, github: GitHub) -> None:
    github.ends("deploy", "qa", code)
    jobs = github.runner.run()
    assert outcomes(jobs) == ["success", "failure", "skipped", "skipped"]
    assert jobs["second"].log.endswith(f"[exit code {code}]\n")


def test_a_failed_build_deploys_nothing(github: GitHub) -> None:
    github.ends("build", "", 1)
    jobs = github.runner.run()
    assert outcomes(jobs) == ["failure", "skipped", "skipped", "skipped"]
    assert github.commands("deploy") == []


def test_a_pipeline_may_end_early(github: GitHub) -> None:
    jobs = github.runner.run(inputs={"second": "production", "third": "", "fourth": ""})
    assert outcomes(jobs) == ["success", "success", "skipped", "skipped"]
    assert [c.split()[2] for c in github.commands("deploy")] == ["dev", "production"]


def test_a_release_that_is_there_is_not_built_again(github: GitHub) -> None:
    jobs = github.runner.run(inputs={"release": "0ldone1"})
    assert outcomes(jobs) == ["success"] * 4
    assert github.commands("build") == []
    assert {c.split()[4] for c in github.commands("deploy")} == {"0ldone1"}


@pytest.mark.parametrize("name", ["merge_group", "pull_request_target", "pull_request_review"])
def test_what_is_not_merged_is_not_deployed(name: str, github: GitHub) -> None:
    jobs = github.runner.run(event=pull_request(name))
    assert {job.outcome for job in jobs.values()} == {"skipped"}


def test_nothing_of_ours_lies_in_the_folder_that_is_built(github: GitHub) -> None:
    """Not the action's source, and no credentials: both would be in images of `COPY . .`, and make
    every release a dirty one."""
    google = {"SHIPIT_GCP_PROVIDER": "projects/1/providers/github", "SHIPIT_GCP_ACCOUNT": "a@b"}
    github.runner.variables = {"dev": google}
    job = github.runner.run()["first"]
    assert job.outcome == "success", job.log
    assert job.outputs == {"release": RELEASE}  # and no line of `git status` before it
    app = job.folder / "workspace" / "app"
    assert sorted(path.name for path in app.iterdir()) == [".git", "shipit.yaml"]
    assert source.read(app).clean_commit == commit_of(github.origin)
    # A workflow of one's own checks out into the workspace itself, and has the action alone.
    assert list((job.folder / "workspace").rglob("gha-creds-*")) == []
    assert list((job.folder / "temp").glob("gha-creds-*")) != []


def commit_of(folder: Path) -> str:
    return source.read(folder).commit


def test_where_google_s_credentials_are_now_is_told_to_all_who_ask(github: GitHub) -> None:
    github.runner.variables = {"dev": {"SHIPIT_GCP_PROVIDER": "projects/1/providers/github"}}
    github.runner.install(
        "shipit", '#!/bin/sh\ncat "$GOOGLE_APPLICATION_CREDENTIALS" >&2\necho 1\n'
    )
    assert github.runner.run()["first"].outcome == "success"


# Pull requests

needs_jq = pytest.mark.skipif(not shutil.which("jq"), reason="no jq, which gh's filters are")


@needs_jq
def test_a_pull_request_gets_each_plan_with_its_environments_role(github: GitHub) -> None:
    jobs = github.runner.run(event=pull_request())
    assert jobs["plan (qa)"].role == "arn:role/qa"
    assert jobs["plan (staging)"].role == "arn:role/staging"
    assert outcomes(jobs) == ["skipped"] * 4
    first, second = github.bodies()
    assert "### shipit: plan for qa" in first
    assert "what the plan for qa says" in first
    assert "what the plan for staging says" in second
    assert github.commands("deploy", "build", "resume") == []


@needs_jq
def test_later_pushes_edit_that_comment_and_nobody_elses(github: GitHub) -> None:
    bot = {"login": "github-actions[bot]"}
    others = [
        {"id": 1, "user": bot, "body": "coverage is 81 %"},
        {"id": 2, "user": {"login": "eve"}, "body": "<!-- shipit plan . qa -->\nmine"},
    ]
    github.comments.write_text(json.dumps(others))
    github.runner.run(event=pull_request(), inputs={"plan": '["qa"]'})
    github.runner.install("shipit", _SHIPIT.replace("what the plan", "what the new plan"))
    github.comments.write_text(
        json.dumps([*json.loads(github.comments.read_text()), {**others[0], "id": 9}])
    )
    github.runner.run(event=pull_request(), inputs={"plan": '["qa"]'})
    bodies = github.bodies()
    assert [bodies[n] for n in (0, 1, 3)] == [others[0]["body"], others[1]["body"], bodies[0]]
    assert "what the new plan for qa says" in bodies[2]
    assert len(bodies) == 4


@needs_jq
def test_a_plan_that_fails_is_told_and_fails(github: GitHub) -> None:
    """A role that may not look, above all."""
    github.ends("plan", "qa", 1)
    jobs = github.runner.run(event=pull_request())
    assert jobs["plan (qa)"].outcome == "failure"
    assert "::error title=shipit::no plan for qa: no rights in qa\n" in jobs["plan (qa)"].log
    assert jobs["plan (staging)"].outcome == "success"
    first, _ = github.bodies()
    assert "error: no rights in qa" in first
    assert "::" not in first


@needs_jq
def test_what_check_finds_is_told_and_fails(github: GitHub) -> None:
    github.ends("check", "qa", 2)
    jobs = github.runner.run(event=pull_request(), inputs={"plan": '["qa"]'})
    assert jobs["plan (qa)"].outcome == "failure"
    (body,) = github.bodies()
    assert "what the check of qa says" in body
    assert "::" not in body


@needs_jq
@pytest.mark.parametrize(
    ("kind", "outcome"), [("Usage", "success"), ("Precondition", "failure"), ("Co", "failure")]
)
def test_nothing_to_plan_yet_is_no_failure(kind: str, outcome: str, github: GitHub) -> None:
    github.ends("plan", "qa", 2)
    (github.folder / "kinds" / "qa").write_text(kind)
    jobs = github.runner.run(event=pull_request(), inputs={"plan": '["qa"]'})
    assert jobs["plan (qa)"].outcome == outcome
    failed = outcome == "failure"
    assert ("title=shipit::no plan" in jobs["plan (qa)"].log) is failed


def test_a_fork_is_told_why_there_is_no_plan(github: GitHub) -> None:
    jobs = github.runner.run(event=pull_request(head="eve/shop"))
    assert [name for name, job in jobs.items() if job.outcome != "skipped"] == ["fork"]
    assert "a pull request from a fork" in jobs["fork"].summary
    assert "::notice title=shipit::No plan" in jobs["fork"].log


def test_no_plan_is_made_where_none_is_wanted(github: GitHub) -> None:
    jobs = github.runner.run(event=pull_request(), inputs={"plan": "[]"})
    assert {job.outcome for job in jobs.values()} == {"skipped"}
