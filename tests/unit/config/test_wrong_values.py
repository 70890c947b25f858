"""What the types refuse: the line, the column, the path, and a sentence in people's words."""

from collections.abc import Callable

import pytest

from shipit.errors import ConfigurationError

Refused = Callable[[str | bytes], ConfigurationError]

HEAD = "app: shop\nenvironments:\n  dev:\n    target: {docker: {}}\n"
DESIGN = """\
app: shop
environments:
  dev:
    target: {docker: {}}
  qa:
    after: dev
    target:
      swarm:
        hots: ssh://deploy@qa.example.com
"""

CASES = [
    (
        DESIGN,
        "shipit.yaml:9:9: environments.qa.target.swarm.hots: unknown key; did you mean host?",
    ),
    (
        "app: shop\nledgr: x\n" + HEAD[10:],
        "shipit.yaml:2:1: ledgr: unknown key; did you mean ledger?",
    ),
    (HEAD + "zzzz: 1\n", "shipit.yaml:5:1: zzzz: unknown key"),
    ("app: shop\n", "shipit.yaml:1:1: environments: missing; it has to be here"),
    (
        HEAD + "    verify:\n      - status: 200\n",
        "shipit.yaml:6:9: environments.dev.verify[0].http: missing; it has to be here",
    ),
    (
        "app: shop\nenvironments: {}\n",
        "shipit.yaml:2:15: environments: empty; there has to be at least one",
    ),
    (
        "app: shop\nenvironments:\n",
        "shipit.yaml:2:14: environments: expected a mapping, found nothing",
    ),
    (
        "app: shop\nenvironments: [dev]\n",
        "shipit.yaml:2:15: environments: expected a mapping, found a list",
    ),
    (
        HEAD + "    gates: strict\n",
        "shipit.yaml:5:12: environments.dev.gates: expected a mapping, found the text 'strict'",
    ),
    (
        HEAD + "    gates: {approvals: two}\n",
        (
            "shipit.yaml:5:24: environments.dev.gates.approvals:"
            " expected a whole number, found the text 'two'"
        ),
    ),
    (
        HEAD + "    gates: {approvals: 1.5}\n",
        "shipit.yaml:5:24: environments.dev.gates.approvals: expected a whole number, found 1.5",
    ),
    (
        HEAD + "    gates: {approvals: true}\n",
        "shipit.yaml:5:24: environments.dev.gates.approvals: expected a whole number, found true",
    ),
    (
        HEAD + "    gates: {approvals: -1}\n",
        "shipit.yaml:5:24: environments.dev.gates.approvals: expected at least 0, found -1",
    ),
    (
        HEAD + "    verify: [{http: 'http://a', status: 999}]\n",
        "shipit.yaml:5:41: environments.dev.verify[0].status: expected at most 599, found 999",
    ),
    (
        HEAD + "    verify: {http: 'http://a'}\n",
        "shipit.yaml:5:13: environments.dev.verify: expected a list, found a mapping",
    ),
    (
        HEAD + "    registry: [a]\n",
        "shipit.yaml:5:15: environments.dev.registry: expected text, found a list",
    ),
    (HEAD + "registry:\n", "shipit.yaml:5:10: registry: expected text, found nothing"),
    (
        HEAD + "    deadline: soon\n",
        (
            "shipit.yaml:5:15: environments.dev.deadline:"
            " expected a length of time (90s, 10m, 24h), found the text 'soon'"
        ),
    ),
    (
        HEAD + "    deadline: 90\n",
        (
            "shipit.yaml:5:15: environments.dev.deadline:"
            " expected a length of time (90s, 10m, 24h), found 90"
        ),
    ),
    (
        HEAD + '    deadline: "5m\\n"\n',
        (
            "shipit.yaml:5:15: environments.dev.deadline:"
            " expected a length of time (90s, 10m, 24h), found the text '5m\\n'"
        ),
    ),
    (
        HEAD + "    verify: [{http: 'ftp://a'}]\n",
        (
            "shipit.yaml:5:21: environments.dev.verify[0].http:"
            " expected an address that starts with http:// or https://, found the text 'ftp://a'"
        ),
    ),
    (
        HEAD.replace("docker: {}", "ecs: {launch_type: farget}"),
        (
            "shipit.yaml:4:33: environments.dev.target.ecs.launch_type:"
            " expected fargate or ec2, found the text 'farget'"
        ),
    ),
    (
        HEAD.replace("dev", "Dev Env"),
        (
            "shipit.yaml:3:3: environments.Dev Env: expected a name"
            " (lower-case letters, digits and dashes, 63 at most), found 'Dev Env'"
        ),
    ),
    (
        "app: Shöp\n" + HEAD[10:],
        (
            "shipit.yaml:1:6: app: expected a name"
            " (lower-case letters, digits and dashes, 63 at most), found the text 'Shöp'"
        ),
    ),
    (
        HEAD + "    strategy: {canary: {steps: []}}\n",
        (
            "shipit.yaml:5:32: environments.dev.strategy.canary.steps:"
            " empty; there has to be at least one"
        ),
    ),
]


@pytest.mark.parametrize(("text", "said"), CASES, ids=[said for _, said in CASES])
def test_one_sentence_with_the_place(refused: Refused, text: str, said: str) -> None:
    assert str(refused(text)) == said


def test_every_problem_is_told_at_once_in_the_files_order(refused: Refused) -> None:
    error = refused(DESIGN + "      docker: no\nregistri: x\n")
    assert str(error).splitlines() == [
        "shipit.yaml:9:9: environments.qa.target.swarm.hots: unknown key; did you mean host?",
        "shipit.yaml:10:15: environments.qa.target.docker: expected a mapping, found the text 'no'",
        "shipit.yaml:11:1: registri: unknown key; did you mean registry?",
    ]
    assert (error.file, error.line, error.column) == ("shipit.yaml", 9, 9)
    assert error.path == "environments.qa.target.swarm.hots"


def test_what_is_missing_is_told_in_its_place(refused: Refused) -> None:
    error = refused(HEAD.removeprefix("app: shop\n") + "registri: x\n")
    assert [line.split(": ")[1] for line in str(error).splitlines()] == ["app", "registri"]


def test_hundreds_of_problems_are_not_all_told(refused: Refused) -> None:
    said = str(refused(HEAD + "".join(f"wrong{n}: 1\n" for n in range(300)))).splitlines()
    assert len(said) == 12
    assert said[-1] == "and 289 more"


def test_what_is_said_stays_short(refused: Refused) -> None:
    assert len(str(refused(f"{HEAD}{'k' * 1000}: 1\n"))) < 200
    assert len(str(refused(f"app: {'X' * 5000}\n{HEAD[10:]}"))) < 300
