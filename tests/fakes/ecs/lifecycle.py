"""A task's way from PROVISIONING to STOPPED, a second at a time."""

from tests.fakes.ecs.behaviour import Behaviour
from tests.fakes.ecs.world import Container, Json, Task, World

_OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"
_TIMED_OUT = 137


def behaviour_of(world: World, image: str, command: tuple[str, ...]) -> Behaviour:
    """An image that is not in the table is not in the registry either."""
    found = world.images.get(image)
    if found is None:
        return Behaviour(cannot_pull="not found")
    return found.commands.get(command, found)


def step(task: Task, world: World) -> None:
    before = task.last
    if task.wanted == "STOPPED":
        _stop_further(task, world)
    elif task.last == "PROVISIONING":
        _provision(task, world)
    elif task.last == "PENDING":
        _prepare(task, world)
    elif task.last == "RUNNING":
        _run_containers(task, world)
    if task.last != before:
        task.version += 1


def begin_stop(task: Task, world: World, *, code: str, reason: str) -> None:
    """As StopTask, the scheduler, or the end of an essential container."""
    if task.wanted == "STOPPED":
        return
    task.wanted, task.stop_code, task.reason = "STOPPED", code, reason
    task.stopping = world.now
    started = [c for c in task.containers if c.status == "RUNNING"]
    if task.last == "RUNNING" and task.load_balanced and started:
        task.last, task.until = "DEACTIVATING", world.now + world.timings.draining
    elif started:
        _enter_stopping(task, world)
    else:
        task.last, task.until = "DEPROVISIONING", world.now + 1
    task.version += 1


def is_healthy(task: Task, world: World) -> bool:
    """In the service scheduler's eyes: every check that there is passes."""
    if task.last != "RUNNING" or task.wanted != "RUNNING" or task.started is None:
        return False
    checked = [c for c in task.containers if "healthCheck" in c.definition]
    if any(c.health != "HEALTHY" for c in checked):
        return False
    if task.load_balanced:
        return _in_service(task, world)
    return bool(checked) or world.now - task.started >= world.timings.proving


def health(task: Task) -> str:
    states = [c.health for c in task.containers if c.essential and "healthCheck" in c.definition]
    if "UNHEALTHY" in states:
        return "UNHEALTHY"
    return "HEALTHY" if states and set(states) == {"HEALTHY"} else "UNKNOWN"


def refused_by_target_group(task: Task, world: World, grace: float) -> bool:
    """The load balancer has watched long enough, and it did not answer."""
    if not task.load_balanced or task.last != "RUNNING" or task.started is None:
        return False
    watched = world.now - task.started - grace
    return watched >= world.timings.target_group and not _in_service(task, world)


def _in_service(task: Task, world: World) -> bool:
    after = [c.behaviour.in_service_after for c in task.containers if c.essential]
    ran = world.now - (task.started or world.now)
    return all(seconds is not None and ran >= seconds for seconds in after)


def _provision(task: Task, world: World) -> None:
    cluster = world.clusters[task.cluster]
    placed = [
        t
        for t in world.tasks.values()
        if t.cluster == task.cluster and t.last not in ("PROVISIONING", "STOPPED")
    ]
    waits = cluster.room is not None and len(placed) >= cluster.room
    if not waits and world.now >= task.created + world.timings.provisioning:
        task.last, task.pull_started = "PENDING", world.now


def _prepare(task: Task, world: World) -> None:
    """Pull, then start each container whose dependencies allow it."""
    pulled = world.now - (task.pull_started or world.now)
    for container in task.containers:
        if pulled >= container.behaviour.pull:
            why = _why_not(container)
            if why:
                container.reason = why
                begin_stop(task, world, code="TaskFailedToStart", reason=why)
                return
            _start(container, task, world)
    if all(c.status != "PENDING" for c in task.containers):
        task.last, task.started = "RUNNING", world.now
        task.pull_stopped = task.pull_stopped or world.now
    _run_containers(task, world)


def _why_not(container: Container) -> str:
    does, image = container.behaviour, container.image
    if does.cannot_pull:
        return (
            f"CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to "
            f"resolve ref {image}: {image}: {does.cannot_pull}"
        )
    return does.cannot_start


def _start(container: Container, task: Task, world: World) -> None:
    if container.status == "PENDING" and _may_start(container, task):
        container.status, container.started = "RUNNING", world.now


def _may_start(container: Container, task: Task) -> bool:
    return all(_holds(need, task) for need in container.definition.get("dependsOn", ()))


def _holds(need: Json, task: Task) -> bool:
    other = next(c for c in task.containers if c.name == need["containerName"])
    return {
        "START": other.started is not None,
        "COMPLETE": other.status == "STOPPED",
        "SUCCESS": other.status == "STOPPED" and other.exit_code == 0,
        "HEALTHY": other.health == "HEALTHY",
    }[need["condition"]]


def _run_containers(task: Task, world: World) -> None:
    for container in task.containers:
        if container.status == "RUNNING":
            _live(container, world)
    ended = [c for c in task.containers if c.status == "STOPPED"]
    if any(c.essential for c in ended):
        reason = "Essential container in task exited"
        begin_stop(task, world, code="EssentialContainerExited", reason=reason)
    elif any(_can_never_start(c, task) for c in task.containers):
        reason = "Dependent container(s) did not reach the wanted condition"
        begin_stop(task, world, code="TaskFailedToStart", reason=reason)


def _can_never_start(container: Container, task: Task) -> bool:
    """It waits for the SUCCESS of one that failed."""
    if container.status != "PENDING":
        return False
    failed = {c.name for c in task.containers if c.exit_code}
    needs = container.definition.get("dependsOn", ())
    return any(n["condition"] == "SUCCESS" and n["containerName"] in failed for n in needs)


def _live(container: Container, world: World) -> None:
    does = container.behaviour
    ran = world.now - (container.started or world.now)
    if does.exits is not None and ran >= does.exits:
        container.status, container.exit_code = "STOPPED", does.exit_code
        container.reason = _OUT_OF_MEMORY if does.out_of_memory else ""
    elif "healthCheck" in container.definition:
        container.health = _judge(does, container.definition["healthCheck"], ran)


def _judge(does: Behaviour, check: Json, ran: float) -> str:
    """HEALTHY with the first pass; UNHEALTHY after the last retry."""
    retries = check.get("interval", 30) * check.get("retries", 3)
    if does.unhealthy_after is not None and ran >= does.unhealthy_after + retries:
        return "UNHEALTHY"
    if does.healthy_after is None:
        return "UNHEALTHY" if ran >= check.get("startPeriod", 0) + retries else "UNKNOWN"
    return "HEALTHY" if ran >= does.healthy_after else "UNKNOWN"


def _enter_stopping(task: Task, world: World) -> None:
    longest = max(
        min(c.behaviour.stop_takes, c.definition.get("stopTimeout", 30))
        for c in task.containers
        if c.status == "RUNNING"
    )
    task.last, task.until = "STOPPING", world.now + longest


def _stop_further(task: Task, world: World) -> None:
    if task.last == "STOPPED" or world.now < task.until:
        return
    if task.last == "DEACTIVATING":
        _enter_stopping(task, world)
    elif task.last == "STOPPING":
        _end_containers(task)
        task.last, task.until = "DEPROVISIONING", world.now + 1
    else:
        task.last, task.stopped = "STOPPED", world.now
        for container in task.containers:
            container.status = "STOPPED"


def _end_containers(task: Task) -> None:
    for container in task.containers:
        if container.status == "RUNNING":
            too_slow = container.behaviour.stop_takes > container.definition.get("stopTimeout", 30)
            container.status = "STOPPED"
            container.exit_code = _TIMED_OUT if too_slow else 0
