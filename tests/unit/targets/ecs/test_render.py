"""What a compose service becomes on ECS: a case a file, written out in full.

A digest is the SHA-256 of the service's version; `registry.test/web@1` stands for that. Case
files leave out what is the same in all: see `COMMON_TASK` and `COMMON_SERVICE`.
"""

from pathlib import Path
from typing import Any

import pytest
import yaml
from msgspec import convert
from msgspec.structs import replace

from shipit.errors import ConfigurationError
from shipit.model import application
from shipit.model.deployment import Desired
from shipit.model.digest import Digest
from shipit.model.image import Image, Platform, PlatformImage
from shipit.model.pipeline import EcsTarget
from shipit.targets.ecs.render import Network, Rendered, Setting, render

CASES = sorted((Path(__file__).parent / "cases").glob("*.yaml"))
COMMON_TASK = {
    "networkMode": "awsvpc",
    "requiresCompatibilities": ["FARGATE"],
    "runtimePlatform": {"cpuArchitecture": "X86_64", "operatingSystemFamily": "LINUX"},
    "executionRoleArn": "arn:aws:iam::111122223333:role/execution",
}
COMMON_SERVICE = {
    "launchType": "FARGATE",
    "schedulingStrategy": "REPLICA",
    "networkConfiguration": {
        "awsvpcConfiguration": {
            "subnets": ["subnet-0a1"],
            "securityGroups": ["sg-0b2"],
            "assignPublicIp": "DISABLED",
        }
    },
    "deploymentConfiguration": {
        "deploymentCircuitBreaker": {"enable": True, "rollback": False},
        "maximumPercent": 200,
        "minimumHealthyPercent": 100,
    },
}
COMMON_CONTAINER = {"essential": True}


def image(name: str, platforms: list[str]) -> Image:
    children = tuple(
        PlatformImage(Platform.parse(p), Digest.of(p.encode()), Digest.of(b"config " + p.encode()))
        for p in platforms
    )
    return Image(f"registry.test/{name}", Digest.of(b"1"), children)


def desired(case: dict[str, Any]) -> Desired:
    services = case["services"]
    images = {n: image(n, case.get("platforms", {}).get(n, [])) for n in services}
    project = {
        "name": "shop-dev",
        **case.get("sections", {}),
        "services": {
            n: {"networks": {"default": None}, **(s or {}), "image": images[n].reference}
            for n, s in services.items()
        },
    }
    return Desired(
        app="shop",
        environment="dev",
        release=Digest.of(b"release"),
        release_id="r1",
        project=project,
        images=images,
        services=application.long_running(project),
        before=application.one_offs(project, "before"),
    )


def setting(case: dict[str, Any]) -> Setting:
    target = EcsTarget(
        region="eu-west-1",
        subnets=("subnet-0a1",),
        security_groups=("sg-0b2",),
        execution_role=COMMON_TASK["executionRoleArn"],  # type: ignore[arg-type]
    )
    target = replace(target, **convert(case.get("target", {}), dict[str, Any]))
    return Setting(
        target=target,
        prefix="shop-dev",
        log_group="/ecs/shop-dev",
        region="eu-west-1",
        network=Network(tuple(target.subnets), tuple(target.security_groups)),
    )


def shown(one: Rendered) -> dict[str, Any]:
    """The parts in which a case can differ from the common ones."""
    task = {k: v for k, v in one.task_definition.items() if COMMON_TASK.get(k) != v}
    assert task.pop("family") == one.name == f"shop-dev-{one.group.name}"
    containers = {c["name"]: _container(c, one) for c in task.pop("containerDefinitions")}
    service = {k: v for k, v in one.service.items() if COMMON_SERVICE.get(k) != v}
    parts: dict[str, Any] = {"containers": containers, "task": task}
    parts |= {"service": service} if service else {}
    parts |= {"count": one.count} if one.count != 1 else {}
    parts |= {"notes": list(one.notes)} if one.notes else {}
    return parts


def _container(found: dict[str, Any], one: Rendered) -> dict[str, Any]:
    name = found["name"]
    made = {k: v for k, v in found.items() if k != "name" and COMMON_CONTAINER.get(k) != v}
    assert made.pop("image") == f"registry.test/{name}@{Digest.of(b'1')}"
    options = {
        "awslogs-group": "/ecs/shop-dev",
        "awslogs-region": "eu-west-1",
        "awslogs-stream-prefix": one.group.name,
    }
    if made.get("logConfiguration") == {"logDriver": "awslogs", "options": options}:
        made.pop("logConfiguration")
    return made


@pytest.mark.parametrize("file", CASES, ids=[c.stem for c in CASES])
def test_case(file: Path) -> None:
    case = yaml.safe_load(file.read_text())
    wanted, where = desired(case), setting(case)
    if "refused" in case:
        with pytest.raises(ConfigurationError) as raised:
            render(wanted, where)
        assert str(raised.value).splitlines()[0] == case["refused"]
        return
    made = {name: shown(one) for name, one in render(wanted, where).items()}
    assert made == case["rendered"]
    assert all(_valid(one) for one in render(wanted, where).values())


def _valid(one: Rendered) -> bool:
    """As botocore's own validator sees it."""
    import botocore.session
    from botocore.validate import ParamValidator

    model = botocore.session.get_session().get_service_model("ecs")
    for operation, asked in (
        ("RegisterTaskDefinition", one.task_definition),
        ("CreateService", {"serviceName": one.name, **one.service}),
    ):
        shape = model.operation_model(operation).input_shape
        report = ParamValidator().validate(asked, shape)
        assert not report.has_errors(), report.generate_report()
    return True


# What a plain Fargate task cannot have, and the key that is named.
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"tmpfs": ["/tmp"]}, "services.web.tmpfs: Fargate cannot do this"),
    ({"privileged": True}, "services.web.privileged: Fargate cannot do this"),
    ({"container_name": "w"}, "services.web.container_name: ECS cannot honour this"),
    ({"configs": [{"source": "c"}]}, "services.web.configs: ECS cannot honour this"),
    ({"devices": ["/dev/kvm"]}, "services.web.devices: ECS cannot honour this"),
    ({"pid": "host"}, "services.web.pid: ECS cannot honour this"),
    ({"links": ["db"]}, "services.web.links: ECS cannot honour this"),
    (
        {"cap_add": ["NET_ADMIN"]},
        "services.web.cap_add: Fargate adds no NET_ADMIN, only SYS_PTRACE",
    ),
    ({"network_mode": "host"}, "services.web.network_mode: host is not possible here"),
    ({"deploy": {"mode": "global"}}, "services.web.deploy.mode: global is not possible here"),
    (
        {"deploy": {"placement": {"constraints": ["a"]}}},
        "services.web.deploy.placement: ECS cannot honour this",
    ),
    (
        {"deploy": {"resources": {"limits": {"pids": 5}}}},
        "services.web.deploy.resources.limits.pids: ECS cannot honour this",
    ),
    (
        {"deploy": {"resources": {"limits": {"cpus": 32}}}},
        "services.web.deploy.resources: Fargate has no task with 32 vCPU and 0 MiB",
    ),
    ({"ulimits": {"nproc": 5}}, "services.web.ulimits.nproc: Fargate has nofile alone"),
    (
        {"stop_grace_period": "3m0s"},
        "services.web.stop_grace_period: Fargate waits for 120 s at most, not 180",
    ),
    (
        {"volumes": [{"type": "bind", "source": "/srv", "target": "/data"}]},
        "services.web.volumes[0]: Fargate cannot mount a folder of the machine",
    ),
    (
        {"volumes": [{"type": "volume", "source": "data", "target": "/data"}]},
        "volumes.data: on Fargate a volume ends with its task",
    ),
    (
        {"logging": {"driver": "journald"}},
        (
            "services.web.logging.driver: ECS has no log driver journald here;"
            " there are awslogs, awsfirelens, splunk"
        ),
    ),
    (
        {"secrets": [{"source": "token"}]},
        "secrets.token: ECS takes secrets from Secrets Manager or SSM, and this has no ARN",
    ),
    (
        {"x-ecs": {"secrets": {"TOKEN": "hunter2"}}},
        (
            "services.web.x-ecs.secrets.TOKEN: this is no ARN of Secrets Manager or of SSM"
            " Parameter Store"
        ),
    ),
    ({"x-ecs": {"tsk": "web"}}, "services.web.x-ecs.tsk: unknown key; did you mean task?"),
    (
        {"x-ecs": {"task": "wbe"}},
        "services.web.x-ecs.task: there is no long-running service wbe; did you mean web?",
    ),
    (
        {"platform": "windows/amd64"},
        "services.web.platform: ECS runs linux/amd64 and linux/arm64, not windows/amd64",
    ),
    (
        {"restart": "no"},
        "services.web.restart: ECS starts a service's tasks again whenever they end",
    ),
]


@pytest.mark.parametrize(("written", "said"), REFUSED, ids=[said for _, said in REFUSED])
def test_what_fargate_cannot_honour_is_an_error_that_names_the_key(
    written: dict[str, Any], said: str
) -> None:
    case = {"services": {"web": written}, "sections": {"volumes": {"data": {"name": "d"}}}}
    with pytest.raises(ConfigurationError) as raised:
        render(desired(case), setting(case))
    assert str(raised.value).splitlines()[0] == said


def test_no_value_of_a_secret_is_in_an_error() -> None:
    case = {"services": {"web": {"x-ecs": {"secrets": {"TOKEN": "hunter2"}}}}}
    with pytest.raises(ConfigurationError) as raised:
        render(desired(case), setting(case))
    assert "hunter2" not in str(raised.value)
