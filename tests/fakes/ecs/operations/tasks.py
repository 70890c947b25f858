"""Tasks: run, described, listed, stopped, and a command in one."""

from tests.fakes.ecs import describe, errors, lifecycle, names, placement, requests, service_rules
from tests.fakes.ecs.names import last_part
from tests.fakes.ecs.operations import tags
from tests.fakes.ecs.world import Cluster, Definition, Json, Task, World


def run(world: World, request: Json) -> Json:
    cluster = requests.cluster_of(world, request)
    known = _asked_before(world, request)
    if known is not None:
        return {"tasks": [describe.task(t, world, tags=True) for t in known], "failures": []}
    definition = _definition(world, request["taskDefinition"])
    _check_run(definition, request)
    number = request.get("count", 1)
    if placement.room(cluster, world) < number:
        return {"tasks": [], "failures": [_no_room(cluster, request)]}
    own_tags = tags.check(request.get("tags", []))
    if request.get("propagateTags") == "TASK_DEFINITION":
        own_tags = [*world.tags.get(definition.arn, []), *own_tags]
    tasks = [placement.create(world, cluster, definition, request) for _ in range(number)]
    for task in tasks:
        task.tags = world.tags[task.arn] = own_tags
    if "clientToken" in request:
        world.tokens[request["clientToken"]] = (request, [t.arn for t in tasks])
    return {"tasks": [describe.task(t, world, tags=True) for t in tasks], "failures": []}


def describe_tasks(world: World, request: Json) -> Json:
    cluster = requests.cluster_of(world, request)
    wanted = request["tasks"]
    requests.check_count(wanted, 100, "Tasks")
    found, failures = [], []
    for name in wanted:
        task = _find(world, cluster, name)
        if task is None:
            failures.append(requests.failure(world.arn("task", cluster.name, last_part(name))))
        else:
            found.append(describe.task(task, world, tags="TAGS" in request.get("include", ())))
    return {"tasks": found, "failures": failures}


def list_tasks(world: World, request: Json) -> Json:
    """By desiredStatus, RUNNING unless asked; PENDING finds nothing, as on ECS."""
    cluster = requests.cluster_of(world, request)
    if "serviceName" in request:
        requests.service_of(world, cluster, request["serviceName"])
    found = [
        t.arn
        for t in world.tasks.values()
        if t.cluster == cluster.name and _is_wanted(t, request) and not _is_forgotten(t, world)
    ]
    return requests.page("taskArns", found, request)


def stop(world: World, request: Json) -> Json:
    cluster = requests.cluster_of(world, request)
    task = _find(world, cluster, request["task"])
    if task is None:
        raise errors.invalid("The referenced task was not found.")
    reason = request.get("reason", "Task stopped by user")
    lifecycle.begin_stop(task, world, code="UserInitiated", reason=reason)
    return {"task": describe.task(task, world)}


def execute_command(world: World, request: Json) -> Json:
    """A session that nothing answers: the plugin is what would talk to `streamUrl`."""
    cluster = requests.cluster_of(world, request)
    task = _find(world, cluster, request["task"])
    if task is None:
        raise errors.invalid("The referenced task was not found.")
    if not task.request.get("enableExecuteCommand") or task.last != "RUNNING":
        raise errors.invalid(
            "The execute command failed because execute command was not enabled when the task was "
            "run or the execute command agent isn't running. Wait and try again or run a new task "
            "with execute command enabled and try again."
        )
    container = next((c for c in task.containers if c.name == request.get("container")), None)
    if container is None and ("container" in request or len(task.containers) > 1):
        raise errors.invalid("The container was not found in the task.")
    container = container or task.containers[0]
    session = f"ecs-execute-command-{names.short(world.next())}"
    return {
        "clusterArn": cluster.arn,
        "containerArn": container.arn,
        "containerName": container.name,
        "interactive": request["interactive"],
        "taskArn": task.arn,
        "session": {
            "sessionId": session,
            "streamUrl": f"wss://ssmmessages.{world.region}.amazonaws.com/v1/data-channel/{session}",
            "tokenValue": "not-a-real-token",
        },
    }


def _asked_before(world: World, request: Json) -> list[Task] | None:
    known = world.tokens.get(request.get("clientToken", ""))
    if known is None:
        return None
    if known[0] != request:
        raise errors.EcsError(
            "ConflictException",
            "The RunTask request could not be processed due to conflicts: the client token was "
            "used with other parameters.",
        )
    return [world.tasks[arn] for arn in known[1]]


def _definition(world: World, name: str) -> Definition:
    found = requests.find_definition(world, name)
    if found is None:
        raise errors.client("TaskDefinition not found.")
    if found.body["status"] != "ACTIVE":
        raise errors.invalid("TaskDefinition is inactive")
    return found


def _check_run(definition: Definition, request: Json) -> None:
    number = request.get("count", 1)
    if not 1 <= number <= 10:
        raise errors.invalid("Count should be between 1 and 10.")
    if len(request.get("startedBy", "")) > 128:
        raise errors.invalid("startedBy cannot be longer than 128 characters.")
    service_rules.check_network(definition, request)
    service_rules.check_launch(definition, request)
    known = {c["name"] for c in definition.containers}
    for override in request.get("overrides", {}).get("containerOverrides", ()):
        if override.get("name") not in known:
            raise errors.invalid(
                f"Override for container named {override.get('name')} is not a container in the "
                "TaskDefinition."
            )


def _no_room(cluster: Cluster, request: Json) -> Json:
    if service_rules.on_fargate(request):
        return requests.failure(cluster.arn, placement.NO_FARGATE)
    return requests.failure(
        f"{cluster.arn.replace(':cluster/', ':container-instance/')}/1", "RESOURCE:MEMORY"
    )


def _find(world: World, cluster: Cluster, name: str) -> Task | None:
    task = world.tasks.get(world.arn("task", cluster.name, last_part(name)))
    return None if task is None or _is_forgotten(task, world) else task


def _is_wanted(task: Task, request: Json) -> bool:
    service = request.get("serviceName")
    return (
        task.wanted == request.get("desiredStatus", "RUNNING")
        and (service is None or task.service == last_part(service))
        and request.get("family") in (None, task.definition.family)
        and request.get("startedBy") in (None, task.started_by)
        and request.get("launchType") in (None, task.request.get("launchType"))
    )


def _is_forgotten(task: Task, world: World) -> bool:
    """An hour after its end ECS knows a task no more."""
    return task.stopped is not None and world.now - task.stopped > world.timings.kept


OPERATIONS = {
    "RunTask": run,
    "DescribeTasks": describe_tasks,
    "ListTasks": list_tasks,
    "StopTask": stop,
    "ExecuteCommand": execute_command,
}
