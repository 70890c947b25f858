"""What values must agree in: one case a rule, each with its line, its path and its sentence."""

from collections.abc import Callable
from typing import Any

import pytest

from shipit.errors import ConfigurationError
from shipit.model.pipeline import Pipeline

Load = Callable[[str | bytes], Pipeline]
Refused = Callable[[str | bytes], ConfigurationError]

HEAD = "app: shop\nenvironments:\n  dev:\n    target: {docker: {}}\n"


def targets(first: str, second: str) -> str:
    """dev and qa with these targets."""
    return (
        f"app: shop\nenvironments:\n  dev:\n    target: {first}\n"
        f"  qa:\n    after: dev\n    target: {second}\n"
    )


def graph(**after: str) -> str:
    """Environments by name, on Docker, each after the other one."""
    lines = [
        f"  {name}: {{target: {{docker: {{}}}}{f', after: {other}' if other else ''}}}\n"
        for name, other in after.items()
    ]
    return "app: shop\nenvironments:\n" + "".join(lines)


CLUSTER = HEAD.replace("docker", "kubernetes")
ECS = HEAD.replace("docker", "ecs")
CASES = [
    (
        graph(dev="", qa="", staging="qa"),
        (
            "4:3: environments.qa: dev and qa both come after nothing,"
            " and only one can be the first; give one of them an `after`"
        ),
    ),
    (
        graph(dev="", qa="dve"),
        "4:30: environments.qa.after: there is no environment dve; did you mean dev?",
    ),
    (graph(dev="", qa="zzz"), "4:30: environments.qa.after: there is no environment zzz"),
    (
        graph(dev="", a="c", b="a", c="b"),
        "4:29: environments.a.after: the environments go in a circle: a after c after b after a",
    ),
    (
        graph(dev="", qa="qa"),
        "4:30: environments.qa.after: the environments go in a circle: qa after qa",
    ),
    (
        "app: shop\nenvironments:\n  dev: {}\n",
        "3:3: environments.dev: no target; write target: {docker: {}}, or another kind",
    ),
    (
        HEAD + "    targets: {eu: {docker: {}}}\n",
        "5:5: environments.dev.targets: target and targets are both here; one of them says where",
    ),
    (
        HEAD.replace("{docker: {}}", "{}"),
        (
            "4:5: environments.dev.target: no kind of target;"
            " name one of docker, swarm, kubernetes, gke, eks, ecs"
        ),
    ),
    (
        HEAD.replace("{docker: {}}", "{docker: {}, swarm: {}}"),
        "4:5: environments.dev.target: docker and swarm are both here; a target is of one kind",
    ),
    (
        HEAD.replace("docker: {}", "docker: {host: 'ssh://a', context: b}"),
        (
            "4:40: environments.dev.target.docker.context: host and context are both here;"
            " one says where"
        ),
    ),
    (
        HEAD.replace("docker: {}", "docker: {host: qa.example.com}"),
        (
            "4:23: environments.dev.target.docker.host: 'qa.example.com' has no scheme;"
            " write ssh://user@host, tcp://host:port or unix:///path"
        ),
    ),
    (
        HEAD + "    gates: {freeze: ['Fri 16:00 - Mon 08:00', ' ']}\n",
        (
            "5:47: environments.dev.gates.freeze[1]: ' ' is not a freeze window:"
            " write 'Fri 16:00 - Mon 08:00 Europe/Madrid'"
            " or '2026-12-20 - 2027-01-07 Europe/Madrid'"
        ),
    ),
    (
        HEAD + "    gates: {soak: 1h}\n",
        (
            "5:13: environments.dev.gates.soak: dev is the first environment:"
            " there is nothing upstream to run in"
        ),
    ),
    (
        HEAD + "    strategy: {canary: {steps: [50, 10]}}\n",
        "5:25: environments.dev.strategy.canary.steps: the steps 50, 10 do not increase",
    ),
    (
        HEAD + "    strategy: {canary: {steps: [10, 10]}}\n",
        "5:25: environments.dev.strategy.canary.steps: the steps 10, 10 do not increase",
    ),
    (
        HEAD + "    deadline: 0s\n",
        "5:5: environments.dev.deadline: '0s' is no time at all",
    ),
    (
        HEAD + f"    deadline: {'9' * 30}d\n",
        (
            f"5:5: environments.dev.deadline: '{'9' * 30}d' is not a duration;"
            " write 90s, 10m, 24h or 1h30m"
        ),
    ),
    (
        HEAD + "    verify: [{http: 'http://a', timeout: 0ms}]\n",
        "5:33: environments.dev.verify[0].timeout: '0ms' is no time at all",
    ),
    (
        HEAD + "    verify: [{http: 'http://'}]\n",
        (
            "5:15: environments.dev.verify[0].http: 'http://' is not an address;"
            " write http://host:port/path"
        ),
    ),
    (
        HEAD + "    verify: [{http: 'http://a:b:c/'}]\n",
        (
            "5:15: environments.dev.verify[0].http: 'http://a:b:c/' is not an address;"
            " write http://host:port/path"
        ),
    ),
    (
        HEAD + "    source: {}\n",
        (
            "5:5: environments.dev.source: no kind of source;"
            " name one of manifests, kustomize, helm, task_definition"
        ),
    ),
    (
        HEAD + "    source: {helm: a, kustomize: b}\n",
        (
            "5:5: environments.dev.source: kustomize and helm are both here;"
            " name one of manifests, kustomize, helm, task_definition"
        ),
    ),
    (
        CLUSTER + "    source: {helm: a, service: b}\n",
        "5:23: environments.dev.source.service: service goes with task_definition",
    ),
    (
        CLUSTER + "    source: {manifests: a, values: [b]}\n",
        "5:28: environments.dev.source.values: values goes with helm",
    ),
    (
        HEAD + "    source: {kustomize: k8s}\n",
        (
            "5:14: environments.dev.source.kustomize: target is of the kind docker;"
            " it is for kubernetes, gke, eks"
        ),
    ),
    (
        CLUSTER + "    source: {task_definition: web.json}\n",
        (
            "5:14: environments.dev.source.task_definition: target is of the kind kubernetes;"
            " it is for ecs"
        ),
    ),
    (
        ECS + "    source: {task_definition: web.json, service: {web: s.json}}\n",
        (
            "5:41: environments.dev.source.service: task_definition and service are both one"
            " file, or both several by name"
        ),
    ),
    (
        ECS + "    source: {task_definition: {web: t.json}, service: {wep: s.json}}\n",
        (
            "5:56: environments.dev.source.service.wep: there is no task_definition wep;"
            " did you mean web?"
        ),
    ),
    (
        HEAD + "registry: registry.example.com/shop:1.0\n",
        (
            "5:1: registry: 'registry.example.com/shop:1.0' is not a repository prefix;"
            " write host/path, as in registry.example.com/shop (no tag and no digest)"
        ),
    ),
    (
        HEAD + "    registry: https://registry.example.com/shop\n",
        (
            "5:5: environments.dev.registry: 'https://registry.example.com/shop' is an address"
            " and not a repository; write host/path, as in registry.example.com/shop"
        ),
    ),
    (
        HEAD + "registry: Acme/Shop\n",
        (
            "5:1: registry: 'Acme/Shop' is not a repository prefix;"
            " write host/path, as in registry.example.com/shop"
        ),
    ),
    (
        HEAD + "ledger: ftp://x\n",
        "5:1: ledger: 'ftp://x' is neither a folder nor s3://bucket/prefix nor gs://bucket/prefix",
    ),
    (
        HEAD + "ledger: s3:///x\n",
        "5:1: ledger: 's3:///x' names no bucket; write s3://bucket/prefix",
    ),
    (
        targets("{kubernetes: {namespace: a}}", "{kubernetes: {namespace: a}}"),
        "7:5: environments.qa.target: the same place as dev.target; one would overwrite the other",
    ),
    (
        targets("{ecs: {prefix: a}}", "{ecs: {prefix: a, launch_type: ec2}}"),
        "7:5: environments.qa.target: the same place as dev.target; one would overwrite the other",
    ),
    (
        HEAD.replace("target: {docker: {}}", "targets: {a: {docker: {}}, b: {docker: {}}}"),
        (
            "4:32: environments.dev.targets.b: the same place as dev.targets.a;"
            " one would overwrite the other"
        ),
    ),
]


@pytest.mark.parametrize(("text", "said"), CASES, ids=[said for _, said in CASES])
def test_a_rule_that_does_not_hold(refused: Refused, text: str, said: str) -> None:
    assert str(refused(text)) == f"shipit.yaml:{said}"


def test_which_environment_is_first_is_settled_before_it_is_spoken_of(refused: Refused) -> None:
    error = refused(HEAD + "  qa: {target: {docker: {}}, gates: {soak: 1h}}\n")
    assert error.path == "environments.qa"
    assert "soak" not in str(error)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("{docker: {}}", "{docker: {}}"),
        ("{swarm: {host: 'ssh://a'}}", "{swarm: {host: 'ssh://a'}}"),
        ("{kubernetes: {namespace: a}}", "{kubernetes: {namespace: b}}"),
        ("{gke: {cluster: a}}", "{gke: {cluster: b}}"),
        ("{gke: {cluster: a}}", "{eks: {cluster: a}}"),
        ("{gke: {namespace: a}}", "{gke: {namespace: a}}"),
        ("{ecs: {cluster: a}}", "{ecs: {cluster: a, launch_type: ec2}}"),
    ],
)
def test_places_that_are_kept_apart(loaded: Load, first: str, second: str) -> None:
    assert [*loaded(targets(first, second)).environments] == ["dev", "qa"]


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        (CLUSTER + "    source: {manifests: k8s/}\n", "manifests", "k8s/"),
        (CLUSTER + "    source: {manifests: [a.yaml, b/]}\n", "manifests", ("a.yaml", "b/")),
        (ECS + "    source: {task_definition: web.json}\n", "task_definition", "web.json"),
        (ECS + "    source: {task_definition: {web: t}}\n", "task_definition", {"web": "t"}),
    ],
)
def test_a_source_is_one_file_or_several(loaded: Load, text: str, field: str, value: Any) -> None:
    assert getattr(loaded(text).environments["dev"].source, field) == value
