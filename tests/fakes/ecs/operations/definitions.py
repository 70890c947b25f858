"""Task definitions: families and their revisions."""

import re
from copy import deepcopy
from typing import Any

from tests.fakes.ecs import definition_rules, errors, fargate, requests
from tests.fakes.ecs.names import last_part
from tests.fakes.ecs.operations import tags
from tests.fakes.ecs.world import Definition, Json, World

_FAMILY = re.compile(r"[A-Za-z0-9_-]{1,255}")


def register(world: World, request: Json) -> Json:
    """Everything is kept as it was given, with what ECS adds to it."""
    family = request["family"]
    if not _FAMILY.fullmatch(family):
        raise errors.client("Family contains invalid characters.")
    own_tags = tags.check(request.get("tags", []))
    body = _with_defaults(request)
    definition_rules.check(body)
    known = world.definitions.setdefault(family, [])
    revision = known[-1].revision + 1 if known else 1
    arn = world.arn("task-definition", f"{family}:{revision}")
    body |= {
        "taskDefinitionArn": arn,
        "revision": revision,
        "status": "ACTIVE",
        "registeredAt": world.now,
        "registeredBy": "arn:aws:iam::111122223333:role/deployer",
        "compatibilities": _compatibilities(body),
        "requiresAttributes": [],
    }
    known.append(Definition(arn, family, revision, body))
    if own_tags:
        world.tags[arn] = own_tags
    return {"taskDefinition": body, "tags": own_tags}


def describe(world: World, request: Json) -> Json:
    found = requests.find_definition(world, request["taskDefinition"])
    if found is None:
        raise errors.client("Unable to describe task definition.")
    answer: Json = {"taskDefinition": found.body}
    if "TAGS" in request.get("include", ()):
        answer["tags"] = world.tags.get(found.arn, [])
    return answer


def list_definitions(world: World, request: Json) -> Json:
    """`familyPrefix` is the family's whole name here, as on ECS."""
    wanted, status = request.get("familyPrefix"), request.get("status", "ACTIVE")
    arns = [
        d.arn
        for family in sorted(world.definitions)
        for d in world.definitions[family]
        if wanted in (None, family) and d.body["status"] == status
    ]
    if request.get("sort") == "DESC":
        arns.reverse()
    return requests.page("taskDefinitionArns", arns, request)


def list_families(world: World, request: Json) -> Json:
    prefix, status = request.get("familyPrefix", ""), request.get("status", "ACTIVE")
    found = [
        family
        for family, revisions in sorted(world.definitions.items())
        if family.startswith(prefix) and _has_status(revisions, status)
    ]
    return requests.page("families", found, request)


def deregister(world: World, request: Json) -> Json:
    found = requests.find_definition(world, request["taskDefinition"])
    if ":" not in last_part(request["taskDefinition"]):
        raise errors.client("Invalid revision number. Number: null")
    if found is None or found.body["status"] != "ACTIVE":
        raise errors.client("The specified task definition does not exist.")
    found.body |= {"status": "INACTIVE", "deregisteredAt": world.now}
    return {"taskDefinition": found.body}


def delete(world: World, request: Json) -> Json:
    """Only what was deregistered; it is gone when nothing uses it any more."""
    wanted = request["taskDefinitions"]
    requests.check_count(wanted, 10, "TaskDefinitions")
    gone, failures = [], []
    for name in wanted:
        found = requests.find_definition(world, name)
        if found is None:
            failures.append(requests.failure(name, "The specified task definition does not exist."))
        elif found.body["status"] == "ACTIVE":
            why = "The specified task definition is still in ACTIVE status."
            failures.append(requests.failure(found.arn, f"{why} Please deregister it first."))
        else:
            gone.append(_delete(world, found))
    return {"taskDefinitions": gone, "failures": failures}


def _delete(world: World, found: Definition) -> Json:
    used = {s.settings["taskDefinition"] for s in world.services.values() if s.status != "INACTIVE"}
    used |= {t.definition.arn for t in world.tasks.values() if t.last != "STOPPED"}
    found.body |= {"status": "DELETE_IN_PROGRESS", "deleteRequestedAt": world.now}
    if found.arn not in used:
        found.body["containerDefinitions"] = []
    return found.body


def _has_status(revisions: list[Definition], status: str) -> bool:
    active = any(d.body["status"] == "ACTIVE" for d in revisions)
    return {"ACTIVE": active, "INACTIVE": not active}.get(status, True)


def _with_defaults(request: Json) -> Json:
    body = deepcopy({k: v for k, v in request.items() if k != "tags"})
    body.setdefault("volumes", [])
    body.setdefault("placementConstraints", [])
    if "cpu" in body:
        body["cpu"] = fargate.units(body["cpu"])
    if "memory" in body:
        body["memory"] = fargate.mebibytes(body["memory"])
    awsvpc = body.get("networkMode") == "awsvpc"
    body["containerDefinitions"] = [_container(c, awsvpc) for c in body["containerDefinitions"]]
    return body


def _container(given: Json, awsvpc: bool) -> Json:
    added: dict[str, Any] = {
        "cpu": 0,
        "essential": True,
        "portMappings": [],
        "environment": [],
        "mountPoints": [],
        "volumesFrom": [],
        "systemControls": [],
    }
    body = {**added, **given}
    body["portMappings"] = [_port(port, awsvpc) for port in body["portMappings"]]
    if "healthCheck" in body:
        body["healthCheck"] = {"interval": 30, "timeout": 5, "retries": 3, **body["healthCheck"]}
    return body


def _port(given: Json, awsvpc: bool) -> Json:
    host = given["containerPort"] if awsvpc and "containerPort" in given else 0
    return {"hostPort": host, "protocol": "tcp", **given}


def _compatibilities(body: Json) -> list[str]:
    fits = body.get("networkMode") == "awsvpc" and "cpu" in body and "memory" in body
    return ["EC2", "FARGATE"] if fits else ["EC2"]


OPERATIONS = {
    "RegisterTaskDefinition": register,
    "DescribeTaskDefinition": describe,
    "ListTaskDefinitions": list_definitions,
    "ListTaskDefinitionFamilies": list_families,
    "DeregisterTaskDefinition": deregister,
    "DeleteTaskDefinitions": delete,
}
