"""The service scheduler: starts and stops tasks, a second at a time."""

import math

from tests.fakes.ecs import lifecycle, placement, rollout
from tests.fakes.ecs.world import Deployment, Json, Service, Task, World


def step(service: Service, world: World) -> None:
    if service.status == "INACTIVE":
        return
    _begin_record(service, world)
    _replace_unhealthy(service, world)
    _count(service, world)
    _start_missing(service, world)
    _stop_surplus(service, world)
    _judge(service, world)
    _forget_drained(service, world)


def _begin_record(service: Service, world: World) -> None:
    for deployment in service.deployments:
        record = deployment.record
        if record.status == "PENDING":
            record.status, record.started, record.updated = "IN_PROGRESS", world.now, world.now
    primary = service.primary
    if primary.record.status == "ROLLBACK_REQUESTED":
        rollout.stop_on_request(service, primary, world)


def _replace_unhealthy(service: Service, world: World) -> None:
    grace = service.settings.get("healthCheckGracePeriodSeconds", 0)
    for task in [t for t in world.tasks_of(service) if t.alive]:
        if lifecycle.health(task) == "UNHEALTHY":
            world.say(
                service,
                f"(service {service.name}) (task {task.id}) failed container health checks.",
            )
            _stop([task], service, world, "Task failed container health checks")
        elif lifecycle.refused_by_target_group(task, world, grace):
            _refuse(task, service, world)


def _refuse(task: Task, service: Service, world: World) -> None:
    balancer = service.settings["loadBalancers"][0]
    group = balancer.get("targetGroupArn", balancer.get("loadBalancerName", ""))
    world.say(
        service,
        f"(service {service.name}) (task {task.id}) (port {balancer.get('containerPort')}) is "
        f"unhealthy in (target-group {group}) due to (reason Health checks failed).",
    )
    _stop([task], service, world, f"Task failed ELB health checks in (target-group {group})")


def _count(service: Service, world: World) -> None:
    """A task that stopped without ever being healthy has failed; a healthy one starts anew."""
    by_id = {d.id: d for d in service.deployments}
    for task in world.tasks_of(service):
        deployment = by_id.get(task.deployment)
        if deployment is None or task.counted:
            continue
        if lifecycle.is_healthy(task, world) and not task.healthy_once:
            task.healthy_once = True
            _praise(deployment)
        elif task.wanted == "STOPPED":
            task.counted = True
            if not task.healthy_once and task.stop_code != "UserInitiated" and _own_fault(task):
                _blame(service, deployment, task, world)


def _own_fault(task: Task) -> bool:
    return not task.reason.startswith("Scaling activity")


def _praise(deployment: Deployment) -> None:
    breaker = deployment.record.settings.get("deploymentCircuitBreaker", {})
    if breaker.get("resetOnHealthyTask", True):
        deployment.failed = 0
        if deployment.rollout == "IN_PROGRESS":
            deployment.record.failures = 0


def _blame(service: Service, deployment: Deployment, task: Task, world: World) -> None:
    deployment.failed += 1
    if deployment.rollout == "IN_PROGRESS" and not deployment.is_rollback:
        deployment.record.failures += 1
    times = world.timings
    wait = times.retry * 2 ** max(0, deployment.failed - 3)
    deployment.retry_at = world.now + min(wait, times.retry_at_most)
    if task.stop_code == "TaskFailedToStart":
        placement.complain(service, world, f"was unable to place a task. Reason: {task.reason}.")
    if deployment.failed >= 3:
        text = (
            "is unable to consistently start tasks successfully. For more information, see the "
            "Troubleshooting section of the Amazon ECS Developer Guide."
        )
        placement.complain(service, world, text)


def _start_missing(service: Service, world: World) -> None:
    primary = service.primary
    if service.status != "ACTIVE" or world.now < primary.retry_at or _stalled(primary):
        return
    alive = [t for t in world.tasks_of(service) if t.alive]
    have = sum(t.deployment == primary.id for t in alive)
    most = math.floor(service.desired * _percent(service, "maximumPercent") / 100)
    number = min(service.desired - have, max(most, 1) - len(alive))
    if number > 0:
        started = placement.place(service, primary, number, world)
        if started:
            service.steady = False
            listed = " ".join(f"(task {task.id})" for task in started)
            world.say(
                service, f"(service {service.name}) has started {len(started)} tasks: {listed}."
            )


def _stalled(deployment: Deployment) -> bool:
    """A failed deployment starts nothing any more."""
    return deployment.rollout == "FAILED"


def _stop_surplus(service: Service, world: World) -> None:
    """Old tasks go as the new ones get healthy, never below the minimum."""
    alive = [t for t in world.tasks_of(service) if t.alive]
    primary = service.primary
    ours = [t for t in alive if t.deployment == primary.id]
    surplus = ours[service.desired :]
    if not _stalled(primary):
        surplus += _replaceable(service, alive, ours, world)
    if surplus:
        reason = f"Scaling activity initiated by (deployment {primary.id})"
        _stop(surplus, service, world, reason)


def _replaceable(service: Service, alive: list[Task], ours: list[Task], world: World) -> list[Task]:
    least = math.ceil(service.desired * _percent(service, "minimumHealthyPercent") / 100)
    old = [t for t in alive if t not in ours]
    healthy = [t for t in old if lifecycle.is_healthy(t, world)]
    unhealthy = [t for t in old if t not in healthy]
    spare = len(healthy) + sum(lifecycle.is_healthy(t, world) for t in ours) - least
    return unhealthy + healthy[: max(0, spare)]


def _stop(tasks: list[Task], service: Service, world: World, reason: str) -> None:
    for task in tasks:
        lifecycle.begin_stop(task, world, code="ServiceSchedulerInitiated", reason=reason)
    service.steady = False
    listed = " ".join(f"(task {task.id})" for task in tasks)
    world.say(
        service, f"(service {service.name}) has stopped {len(tasks)} running tasks: {listed}."
    )


def _forget_drained(service: Service, world: World) -> None:
    """An older deployment is listed as long as it has tasks that did not stop."""
    held = {t.deployment for t in world.tasks_of(service) if t.last != "STOPPED"}
    kept = [d for d in service.deployments[1:] if d.id in held]
    for deployment in kept:
        if not any(t.alive for t in world.tasks_of(service) if t.deployment == deployment.id):
            deployment.status = "DRAINING"
    service.deployments[1:] = kept
    if service.status == "DRAINING" and not held:
        service.status, service.deployments[1:] = "INACTIVE", []
        service.inactive_since = world.now


def _judge(service: Service, world: World) -> None:
    primary = service.primary
    if service.status != "ACTIVE":
        return
    if primary.rollout == "IN_PROGRESS":
        primary.record.threshold = rollout.threshold(primary.record.settings, service.desired)
        if _failed(service, primary, world):
            return
    if not _is_steady(service, primary, world):
        primary.steady_since = None
        return
    primary.steady_since = world.now if primary.steady_since is None else primary.steady_since
    watched = world.now - primary.steady_since
    if primary.rollout == "IN_PROGRESS" and watched >= _watch(primary, world):
        rollout.complete(service, primary, world)
    if primary.rollout == "COMPLETED" and not service.steady:
        service.steady, service.last_impairment = True, ""
        world.say(service, f"(service {service.name}) has reached a steady state.")


def _watch(primary: Deployment, world: World) -> float:
    alarms = primary.record.alarms == "MONITORING" and not primary.is_rollback
    return world.timings.settle + (world.timings.alarm_bake if alarms else 0)


def _failed(service: Service, primary: Deployment, world: World) -> bool:
    record = primary.record
    breaker = record.settings.get("deploymentCircuitBreaker", {})
    if breaker.get("enable") and primary.failed >= record.threshold:
        rollout.fail_by_breaker(service, primary, world)
        return True
    watched = set(record.alarm_names) - primary.ignored_alarms
    ringing = sorted(watched & world.alarms)
    if record.alarms == "MONITORING" and ringing and not primary.is_rollback:
        rollout.fail_by_alarm(service, primary, ringing, world)
        return True
    return False


def _is_steady(service: Service, primary: Deployment, world: World) -> bool:
    ours = [t for t in world.tasks_of(service) if t.alive and t.deployment == primary.id]
    healthy = sum(lifecycle.is_healthy(t, world) for t in ours)
    early: Json = primary.record.settings.get("earlySuccessCriteria", {})
    if early.get("enable") and primary.rollout == "IN_PROGRESS":
        share = early.get("healthyPercent", 100)
        wanted: int = math.ceil(service.desired * share / 100)
        return healthy >= wanted
    alone = len(service.deployments) == 1
    return alone and healthy == len(ours) == service.desired


def _percent(service: Service, name: str) -> int:
    percent: int = service.settings["deploymentConfiguration"][name]
    return percent
