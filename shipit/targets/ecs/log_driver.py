"""Where containers write: CloudWatch Logs unless compose.yaml says otherwise."""

from collections.abc import Mapping
from typing import Any

from shipit.errors import ConfigurationError
from shipit.targets.ecs.text import unescaped

Json = dict[str, Any]
AWSLOGS = "awslogs"
_FARGATE = (AWSLOGS, "awsfirelens", "splunk")
_EC2 = (*_FARGATE, "json-file", "syslog", "journald", "gelf", "fluentd")
GROUP, REGION, PREFIX = "awslogs-group", "awslogs-region", "awslogs-stream-prefix"


def log_configuration(
    path: str, definition: Mapping[str, Any], *, group: str, region: str, task: str, fargate: bool
) -> Json | None:
    """`logConfiguration`. Raises ConfigurationError for a driver that is not there."""
    written = definition.get("logging") or {}
    driver = written.get("driver") or AWSLOGS
    options = {k: unescaped(v) for k, v in (written.get("options") or {}).items()}
    if driver == "none":
        return None
    known = _FARGATE if fargate else _EC2
    if driver not in known:
        raise ConfigurationError(
            f"ECS has no log driver {driver} here; there are {', '.join(known)}",
            path=f"{path}.logging.driver",
            next_step="leave it out for CloudWatch Logs",
        )
    if driver == AWSLOGS:
        options = {GROUP: group, REGION: region, PREFIX: task, **options}
    return {"logDriver": driver, **({"options": options} if options else {})}


def stream(configuration: Json | None, container: str, task_id: str) -> tuple[str, str] | None:
    """Group and stream of a container's log; None when it is not in CloudWatch Logs.

    docs.aws.amazon.com/AmazonECS, "Send Amazon ECS logs to CloudWatch": prefix/container/task.
    """
    if not configuration or configuration.get("logDriver") != AWSLOGS:
        return None
    options = configuration.get("options") or {}
    if PREFIX not in options or GROUP not in options:
        return None
    return options[GROUP], f"{options[PREFIX]}/{container}/{task_id}"
