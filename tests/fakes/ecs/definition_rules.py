"""Why ECS would refuse a task definition."""

import re

from tests.fakes.ecs import errors, fargate
from tests.fakes.ecs.world import Json

_NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")


def check(body: Json) -> None:
    containers = body["containerDefinitions"]
    if not containers:
        raise errors.client("Container list cannot be empty.")
    for container in containers:
        _check_container(container, body)
    names = [c["name"] for c in containers]
    if len(set(names)) != len(names):
        raise errors.client("Container names must be unique.")
    if not any(c["essential"] for c in containers):
        raise errors.client("At least one container must be essential.")
    _check_dependencies(containers)
    if "FARGATE" in body.get("requiresCompatibilities", ()):
        _check_fargate(body)


def _check_container(container: Json, body: Json) -> None:
    if not container.get("image"):
        raise errors.client("Container.image should not be null or empty.")
    if not _NAME.fullmatch(container.get("name", "")):
        raise errors.client("Container.name contains invalid characters.")
    sized = "memory" in container or "memoryReservation" in container or "memory" in body
    if not sized:
        raise errors.client(
            "Invalid setting for container "
            f"'{container['name']}'. At least one of 'memory' or 'memoryReservation' must be "
            "specified."
        )
    volumes = {volume["name"] for volume in body["volumes"]}
    for mount in container["mountPoints"]:
        if mount.get("sourceVolume") not in volumes:
            raise errors.client(f"Unknown volume '{mount.get('sourceVolume')}'.")
    _check_names(container)


def _check_names(container: Json) -> None:
    """A name stands either for a value or for a secret, not for both."""
    plain = {item.get("name") for item in container["environment"]}
    secret = {item["name"] for item in container.get("secrets", ())}
    both = sorted(str(name) for name in plain & secret)
    if both:
        raise errors.client(
            f"The secret name must be unique and not shared with any new or existing environment "
            f"variables set on the container, such as '{both[0]}'."
        )


def _check_dependencies(containers: list[Json]) -> None:
    known = {c["name"]: c for c in containers}
    for container in containers:
        for need in container.get("dependsOn", ()):
            other = known.get(need["containerName"])
            if other is None:
                raise errors.client(
                    f"Container '{container['name']}' depends on '{need['containerName']}', which "
                    "does not exist."
                )
            if need["condition"] == "HEALTHY" and "healthCheck" not in other:
                raise errors.client(
                    f"Container '{other['name']}' does not have a healthCheck, and cannot be "
                    "depended on with HEALTHY."
                )
            if need["condition"] in ("COMPLETE", "SUCCESS") and other["essential"]:
                raise errors.client(
                    f"Essential container '{other['name']}' cannot be depended on with "
                    f"{need['condition']}."
                )
    _check_cycles(known)


def _check_cycles(known: dict[str, Json]) -> None:
    for start in known:
        seen: set[str] = set()
        ahead = [start]
        while ahead:
            for need in known[ahead.pop()].get("dependsOn", ()):
                name = need["containerName"]
                if name == start:
                    raise errors.client("Container dependencies have a cycle.")
                if name not in seen:
                    seen.add(name)
                    ahead.append(name)


def _check_fargate(body: Json) -> None:
    if body.get("networkMode") != "awsvpc":
        raise errors.client("Fargate only supports network mode 'awsvpc'.")
    if "cpu" not in body or "memory" not in body:
        missing = "cpu" if "cpu" not in body else "memory"
        raise errors.client(f"Fargate requires that '{missing}' be defined at the task level.")
    if not fargate.is_pair(body["cpu"], body["memory"]):
        raise errors.client(
            f"No Fargate configuration exists for given values: {body['cpu']} CPU, "
            f"{body['memory']} memory. See the Amazon ECS documentation for the valid values."
        )
    for container in body["containerDefinitions"]:
        _check_fargate_container(container, body)
    for volume in body["volumes"]:
        if volume.get("host", {}).get("sourcePath"):
            raise errors.client("host.sourcePath should not be set for volumes in Fargate.")


def _check_fargate_container(container: Json, body: Json) -> None:
    if container.get("privileged"):
        raise errors.client("Fargate does not support privileged containers.")
    for port in container["portMappings"]:
        if port.get("hostPort") not in (None, port.get("containerPort")):
            raise errors.client(
                "When networkMode=awsvpc, the host ports and container ports must match."
            )
    log = container.get("logConfiguration", {})
    if "executionRoleArn" in body:
        return
    if log.get("logDriver") == "awslogs":
        raise errors.client(
            "Fargate requires task definition to have execution role ARN to support log driver "
            "awslogs."
        )
    if container.get("secrets"):
        raise errors.client(
            "When you are specifying container secrets, you must also specify a value for "
            "'executionRoleArn'."
        )
    if ".dkr.ecr." in container["image"]:
        raise errors.client(
            "Fargate requires task definition to have execution role ARN to support ECR images."
        )
