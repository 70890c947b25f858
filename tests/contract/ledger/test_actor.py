"""Who a commit is signed with."""

import os
from pathlib import Path

import pytest

from shipit.ledger import this_actor

_CI = (
    "GITHUB_",
    "GITLAB_",
    "CI",
    "BUILD",
    "JENKINS_",
    "CIRCLE",
    "SHIPIT_ACTOR",
    "GIT_",
)


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith(_CI):
            monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")
    monkeypatch.setenv("LOGNAME", "anna")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("environment", "name", "run"),
    [
        (
            {
                "GITHUB_ACTIONS": "true",
                "GITHUB_ACTOR": "octo",
                "GITHUB_RUN_ID": "7",
                "GITHUB_SERVER_URL": "https://github.com",
                "GITHUB_REPOSITORY": "acme/shop",
            },
            "octo",
            "https://github.com/acme/shop/actions/runs/7",
        ),
        (
            {"GITLAB_CI": "true", "GITLAB_USER_LOGIN": "tanuki", "CI_JOB_URL": "https://gl/j/1"},
            "tanuki",
            "https://gl/j/1",
        ),
        (
            {"JENKINS_URL": "https://ci", "BUILD_URL": "https://ci/job/1"},
            "jenkins",
            "https://ci/job/1",
        ),
        (
            {"BUILDKITE_BUILD_CREATOR_EMAIL": "a@b.c", "BUILDKITE_BUILD_URL": "https://bk/1"},
            "a@b.c",
            "https://bk/1",
        ),
        ({"CIRCLE_USERNAME": "round", "CIRCLE_BUILD_URL": "https://cc/1"}, "round", "https://cc/1"),
        (
            {
                "GIT_CONFIG_COUNT": "1",
                "GIT_CONFIG_KEY_0": "user.email",
                "GIT_CONFIG_VALUE_0": "g@h.i",
            },
            "g@h.i",
            "",
        ),
        ({}, f"anna@{os.uname().nodename}", ""),
        (
            {"GITHUB_ACTOR": "octo", "GITHUB_RUN_ID": "7", "SHIPIT_ACTOR": "release-bot"},
            "release-bot",
            "https://github.com//actions/runs/7",
        ),
    ],
)
def test_who_and_from_where(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], name: str, run: str
) -> None:
    for key, value in environment.items():
        monkeypatch.setenv(key, value)

    actor = this_actor()

    assert (actor.name, actor.run) == (name, run)
    assert actor.host == os.uname().nodename


def test_without_git_it_is_the_login(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert this_actor().name == f"anna@{os.uname().nodename}"
