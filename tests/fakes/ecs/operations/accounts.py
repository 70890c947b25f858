"""Account settings."""

from tests.fakes.ecs import requests
from tests.fakes.ecs.names import ACCOUNT
from tests.fakes.ecs.world import Json, World

_ROOT = f"arn:aws:iam::{ACCOUNT}:root"
_DEFAULTS = {
    "serviceLongArnFormat": "enabled",
    "taskLongArnFormat": "enabled",
    "containerInstanceLongArnFormat": "enabled",
    "awsvpcTrunking": "disabled",
    "containerInsights": "disabled",
    "fargateTaskRetirementWaitPeriod": "7",
    "tagResourceAuthorization": "on",
    "defaultLogDriverMode": "non-blocking",
}


def put(world: World, request: Json) -> Json:
    world.account_settings[request["name"]] = request["value"]
    return {"setting": _setting(request["name"], request["value"])}


def list_settings(world: World, request: Json) -> Json:
    known = {**(_DEFAULTS if request.get("effectiveSettings") else {}), **world.account_settings}
    wanted = request.get("name")
    found = [_setting(n, v) for n, v in known.items() if wanted in (None, n)]
    return requests.page("settings", found, request)


def _setting(name: str, value: str) -> Json:
    return {"name": name, "value": value, "principalArn": _ROOT, "type": "user"}


OPERATIONS = {"PutAccountSetting": put, "ListAccountSettings": list_settings}
