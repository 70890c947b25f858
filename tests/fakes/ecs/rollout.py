"""Deployments of a service: how one begins, completes, fails and is rolled back.

Developer guide: "Deploy Amazon ECS services by replacing tasks", "How the Amazon ECS deployment
circuit breaker detects failures", "View service history using Amazon ECS service deployments".
"""

import math

from tests.fakes.ecs import names
from tests.fakes.ecs.world import Deployment, Json, Revision, Service, ServiceDeployment, World

# What a deployment carries from the service's settings; a change of one of these makes a new one.
DEPLOYED = (
    "taskDefinition",
    "networkConfiguration",
    "platformVersion",
    "loadBalancers",
    "serviceRegistries",
    "capacityProviderStrategy",
    "launchType",
    "serviceConnectConfiguration",
    "volumeConfigurations",
    "vpcLatticeConfigurations",
)
_TRIPPED = "Service deployment rolled back because the circuit breaker threshold was exceeded."
_ALARMED = "Service deployment rolled back because of CloudWatch alarm(s): "
_ASKED = "Service deployment rolled back because a rollback was requested."
_NO_CANDIDATE = "No rollback candidate was found to run the rollback."


def begin(service: Service, world: World) -> Deployment:
    """A new primary, for a request; what was under way is superseded."""
    revision = _revise(service, world)
    record = _record(service, revision, world)
    if service.deployments:
        _supersede(service.primary, world)
    fresh = _enter(service, revision, record, world)
    fresh.reason = f"ECS deployment {fresh.id} in progress."
    fresh.ignored_alarms = set(world.alarms)  # in ALARM at the start: not watched at all
    if world.first_is_born_completed and len(service.records) == 1:
        complete(service, fresh, world)
    return fresh


def complete(service: Service, deployment: Deployment, world: World) -> None:
    deployment.rollout, deployment.updated = "COMPLETED", world.now
    deployment.reason = f"ECS deployment {deployment.id} completed."
    service.completed = deployment
    record = deployment.record
    record.finished = record.updated = world.now
    record.status = "ROLLBACK_SUCCESSFUL" if deployment.is_rollback else "SUCCESSFUL"
    if not deployment.is_rollback:
        record.breaker = _watched_to_the_end(record.breaker)
        record.alarms = _watched_to_the_end(record.alarms)
    world.say(
        service, f"(service {service.name}) (deployment {deployment.id}) deployment completed."
    )


def fail_by_breaker(service: Service, deployment: Deployment, world: World) -> None:
    deployment.record.breaker = "TRIGGERED"
    reason = "ECS deployment circuit breaker: "
    breaker = _breaker(deployment.record)
    _fail(service, deployment, world, why=f"{reason}tasks failed to start.", text=_TRIPPED)
    _say_failed(service, deployment, world, "tasks failed to start")
    if breaker.get("rollback"):
        _roll_back(service, deployment, world, reason)


def fail_by_alarm(
    service: Service, deployment: Deployment, alarms: list[str], world: World
) -> None:
    record = deployment.record
    record.alarms, record.triggered = "TRIGGERED", alarms
    text = _ALARMED + ", ".join(alarms) + "."
    _fail(service, deployment, world, why="ECS deployment alarm: alarm detected.", text=text)
    _say_failed(service, deployment, world, "alarm detected")
    if record.settings.get("alarms", {}).get("rollback"):
        _roll_back(service, deployment, world, "ECS deployment alarm: ")


def stop_on_request(service: Service, deployment: Deployment, world: World) -> None:
    """StopServiceDeployment, once ECS comes to it."""
    why = "ECS deployment stopped: rollback requested."
    _fail(service, deployment, world, why=why, text=_ASKED)
    _say_failed(service, deployment, world, "rollback requested")
    _roll_back(service, deployment, world, "ECS deployment stopped: ")


def threshold(settings: Json, desired: int) -> int:
    """0.5 x desired, at least 3 and at most 200, unless the service has its own figures."""
    own = settings.get("deploymentCircuitBreaker", {}).get("thresholdConfiguration")
    kind, value = (own["type"], own["value"]) if own else ("BOUNDED_PERCENT", 50)
    if kind == "COUNT":
        return int(value)
    part = math.ceil(desired * value / 100)
    return max(1, part) if kind == "UNBOUNDED_PERCENT" else min(200, max(3, part))


def _revise(service: Service, world: World) -> Revision:
    settings = {k: service.settings[k] for k in DEPLOYED if k in service.settings}
    name = names.decimal(world.next())
    arn = world.arn("service-revision", service.cluster, service.name, name)
    revision = Revision(arn, world.now, settings)
    service.revisions.append(revision)
    return revision


def _record(service: Service, revision: Revision, world: World) -> ServiceDeployment:
    settings = dict(service.settings["deploymentConfiguration"])
    name = names.short(world.next())
    record = ServiceDeployment(
        arn=world.arn("service-deployment", service.cluster, service.name, name),
        created=world.now,
        updated=world.now,
        target=revision,
        sources=[d.revision for d in service.deployments],
        settings=settings,
        threshold=threshold(settings, service.desired),
    )
    if _breaker(record).get("enable"):
        record.breaker = "MONITORING"
    if settings.get("alarms", {}).get("enable"):
        record.alarms, record.alarm_names = "MONITORING", list(settings["alarms"]["alarmNames"])
    service.records.insert(0, record)
    return record


def _enter(
    service: Service, revision: Revision, record: ServiceDeployment, world: World
) -> Deployment:
    for older in service.deployments:
        older.status, older.updated = "ACTIVE", world.now
    name = f"ecs-svc/{names.decimal(world.next())}"
    fresh = Deployment(name, revision, record, created=world.now, updated=world.now)
    service.deployments.insert(0, fresh)
    service.steady, service.last_impairment = False, ""
    return fresh


def _supersede(deployment: Deployment, world: World) -> None:
    record = deployment.record
    if not record.over:
        record.status, record.stopped, record.finished = "STOPPED", world.now, world.now
        record.reason = "Service deployment stopped because a new service deployment was started."
        record.updated = world.now


def _fail(service: Service, deployment: Deployment, world: World, *, why: str, text: str) -> None:
    deployment.rollout, deployment.reason, deployment.updated = "FAILED", why, world.now
    record = deployment.record
    record.reason, record.updated = text, world.now
    if deployment.is_rollback:
        record.status, record.finished = "ROLLBACK_FAILED", world.now
    else:
        record.status, record.stopped, record.finished = "STOPPED", world.now, world.now


def _say_failed(service: Service, deployment: Deployment, world: World, why: str) -> None:
    message = f"(service {service.name}) (deployment {deployment.id}) deployment failed: {why}."
    world.say(service, message)


def _roll_back(service: Service, failed: Deployment, world: World, why: str) -> None:
    """A new deployment of the last completed one's revision, in the same service deployment."""
    good, record = service.completed, failed.record
    if failed.is_rollback:
        return
    if good is None:
        record.status, record.reason = "ROLLBACK_FAILED", _NO_CANDIDATE
        return
    record.rollback = {
        "reason": record.reason,
        "startedAt": world.now,
        "serviceRevisionArn": good.revision.arn,
    }
    record.status, record.stopped, record.finished = "ROLLBACK_IN_PROGRESS", None, None
    fresh = _enter(service, good.revision, record, world)
    fresh.is_rollback = True
    service.settings.update(good.revision.settings)
    if world.rollback_keeps_id:
        fresh.id = good.id
        service.deployments = [d for d in service.deployments if d is not good]
    fresh.reason = f"{why}rolling back to deploymentId {fresh.id}."
    world.say(service, f"(service {service.name}) rolling back to deployment {fresh.id}.")
    _adopt(service, fresh, world)


def _adopt(service: Service, fresh: Deployment, world: World) -> None:
    """Tasks of the same revision that still run are kept; `startedBy` stays as it was."""
    for task in world.tasks_of(service):
        if task.alive and task.revision == fresh.revision.arn:
            task.deployment = fresh.id


def _watched_to_the_end(monitor: str) -> str:
    return "MONITORING_COMPLETE" if monitor == "MONITORING" else monitor


def _breaker(record: ServiceDeployment) -> Json:
    breaker: Json = record.settings.get("deploymentCircuitBreaker", {})
    return breaker
