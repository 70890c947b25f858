"""ECS Exec: ECS opens a session, and AWS's session-manager-plugin talks through it.

docs.aws.amazon.com/AmazonECS, "Monitor Amazon ECS containers with ECS Exec"; the plugin's words
are those with which the AWS CLI starts it (awscli/customizations/ecs/executecommand.py).
"""

import json
import shlex
import shutil
from collections.abc import Sequence
from typing import Any

from shipit import process
from shipit.errors import PreconditionError, RemoteError
from shipit.targets.ecs.names import last_part
from shipit.targets.ecs.survey import Live, Survey

Json = dict[str, Any]
PLUGIN = "session-manager-plugin"


def execute(survey: Survey, live: Live, service: str, command: Sequence[str]) -> int:
    """The plugin's exit code: ECS does not give the command's own.

    Raises PreconditionError when the plugin is missing, nothing runs, or ECS Exec is off.
    """
    plugin = shutil.which(PLUGIN)
    if not plugin:
        raise PreconditionError(
            f"{PLUGIN} is not installed",
            "a command in a running ECS container goes through it",
            "install it: https://docs.aws.amazon.com/systems-manager/latest/userguide/"
            "session-manager-working-with-install-plugin.html",
        )
    task = next((t for t in live.tasks if t.get("lastStatus") == "RUNNING"), None)
    if task is None:
        raise PreconditionError(
            f"{service} does not run in {survey.prefix}", next_step="`shipit ps` shows what does"
        )
    if not task.get("enableExecuteCommand"):
        raise PreconditionError(
            f"ECS Exec is off for {service}",
            "a task has it only when it was on as the task started",
            f"set `x-ecs: {{exec: true}}` under services.{service} and deploy",
        )
    session = _open(survey, task, service, command)
    return process.attached(_argv(plugin, survey, task, service, session))


def _open(survey: Survey, task: Json, service: str, command: Sequence[str]) -> Json:
    try:
        answer = survey.cloud.call(
            "ecs",
            "execute_command",
            cluster=survey.cluster,
            task=str(task["taskArn"]),
            container=service,
            command=shlex.join(command),
            interactive=True,
        )
    except RemoteError as error:
        raise PreconditionError(
            f"ECS opens no session in {service}: {error.what}", error.why, error.next_step
        ) from error
    session: Json = answer["session"]
    return session


def _argv(plugin: str, survey: Survey, task: Json, service: str, session: Json) -> list[str]:
    spoken = {
        "SessionId": session["sessionId"],
        "StreamUrl": session["streamUrl"],
        "TokenValue": session["tokenValue"],
    }
    runtime = next(
        (str(c.get("runtimeId")) for c in task["containers"] if c["name"] == service), ""
    )
    target = f"ecs:{survey.cluster_name}_{last_part(task['taskArn'])}_{runtime}"
    client = survey.cloud.client("ecs")
    return [
        *(plugin, json.dumps(spoken), survey.cloud.region, "StartSession", ""),
        *(json.dumps({"Target": target}), str(client.meta.endpoint_url)),
    ]
