"""The state, in the words of the API."""

from typing import Any

from tests.fakes.ecs import lifecycle
from tests.fakes.ecs.world import (
    Cluster,
    Container,
    Deployment,
    Json,
    Revision,
    Service,
    ServiceDeployment,
    Task,
    World,
)

PLATFORM_VERSION = "1.4.0"


def cluster(item: Cluster, world: World) -> Json:
    tasks = [t for t in world.tasks.values() if t.cluster == item.name]
    services = [s for s in world.services.values() if s.cluster == item.name]
    return {
        "clusterArn": item.arn,
        "clusterName": item.name,
        "status": item.status,
        "registeredContainerInstancesCount": item.instances,
        "runningTasksCount": sum(t.last == "RUNNING" for t in tasks),
        "pendingTasksCount": sum(t.last in ("PROVISIONING", "PENDING") for t in tasks),
        "activeServicesCount": sum(s.status == "ACTIVE" for s in services),
        "statistics": [],
        "tags": [],
        "settings": [],
        "capacityProviders": list(item.providers),
        "defaultCapacityProviderStrategy": list(item.strategy),
    }


def service(item: Service, world: World) -> Json:
    tasks = [t for t in world.tasks_of(item) if t.last != "STOPPED"]
    body = {
        **item.settings,
        "serviceArn": item.arn,
        "serviceName": item.name,
        "clusterArn": world.clusters[item.cluster].arn,
        "status": item.status,
        "desiredCount": item.desired,
        "runningCount": sum(t.last == "RUNNING" for t in tasks),
        "pendingCount": sum(t.last in ("PROVISIONING", "PENDING") for t in tasks),
        "deployments": [_deployment(d, item, tasks) for d in item.deployments],
        "events": list(item.events),
        "createdAt": item.created,
        "createdBy": f"arn:aws:iam::{item.arn.split(':')[4]}:role/deployer",
    }
    if item.deployments:
        body["currentServiceDeployment"] = item.primary.record.arn
        body["currentServiceRevisions"] = [
            _counts(d.revision, item, world) for d in item.deployments
        ]
    return body


def service_deployment(item: ServiceDeployment, of: Service, world: World) -> Json:
    body: Json = {
        "serviceDeploymentArn": item.arn,
        "serviceArn": of.arn,
        "clusterArn": world.clusters[of.cluster].arn,
        "createdAt": item.created,
        "updatedAt": item.updated,
        "sourceServiceRevisions": [_counts(r, of, world) for r in item.sources],
        "targetServiceRevision": _counts(item.target, of, world),
        "status": item.status,
        "deploymentConfiguration": item.settings,
        "deploymentCircuitBreaker": {
            "status": item.breaker,
            "failureCount": item.failures,
            "threshold": item.threshold,
        },
        "alarms": {
            "status": item.alarms,
            "alarmNames": item.alarm_names,
            "triggeredAlarmNames": item.triggered,
        },
    }
    times = {
        "startedAt": item.started,
        "finishedAt": item.finished,
        "stoppedAt": item.stopped,
        "statusReason": item.reason or None,
        "rollback": item.rollback,
    }
    return body | _given(times)


def service_deployment_brief(item: ServiceDeployment, of: Service, world: World) -> Json:
    body = {
        "serviceDeploymentArn": item.arn,
        "serviceArn": of.arn,
        "clusterArn": world.clusters[of.cluster].arn,
        "createdAt": item.created,
        "targetServiceRevisionArn": item.target.arn,
        "status": item.status,
    }
    times = {
        "startedAt": item.started,
        "finishedAt": item.finished,
        "statusReason": item.reason or None,
    }
    return body | _given(times)


def service_revision(item: Revision, of: Service, world: World) -> Json:
    tasks = [t for t in world.tasks_of(of) if t.revision == item.arn]
    containers = tasks[-1].containers if tasks else []
    return {
        **item.settings,
        "serviceRevisionArn": item.arn,
        "serviceArn": of.arn,
        "clusterArn": world.clusters[of.cluster].arn,
        "createdAt": item.created,
        "guardDutyEnabled": False,
        "containerImages": [
            {"containerName": c.name, "image": c.image, "imageDigest": c.digest} for c in containers
        ],
    }


def task(item: Task, world: World, *, tags: bool = False) -> Json:
    body = item.definition.body
    launch = item.request.get("launchType") or _launch_type(item.request)
    described: Json = {
        "taskArn": item.arn,
        "taskDefinitionArn": item.definition.arn,
        "clusterArn": world.clusters[item.cluster].arn,
        "attachments": [],
        "attributes": [],
        "availabilityZone": f"{world.region}a",
        "connectivity": "CONNECTED",
        "containers": [_container(c, item) for c in item.containers],
        "createdAt": item.created,
        "desiredStatus": item.wanted,
        "enableExecuteCommand": bool(item.request.get("enableExecuteCommand")),
        "group": item.group,
        "healthStatus": lifecycle.health(item),
        "lastStatus": item.last,
        "launchType": launch,
        "overrides": _overrides(item),
        "tags": item.tags if tags else [],
        "version": item.version,
    }
    if launch == "FARGATE":
        described |= {"platformVersion": PLATFORM_VERSION, "platformFamily": "Linux"}
    sizes = {key: body.get(key) for key in ("cpu", "memory", "ephemeralStorage")}
    return described | _given(sizes) | _given(_moments(item))


def _moments(item: Task) -> Json:
    return {
        "startedBy": item.started_by or None,
        "pullStartedAt": item.pull_started,
        "pullStoppedAt": item.pull_stopped,
        "startedAt": item.started,
        "stoppingAt": item.stopping,
        "stoppedAt": item.stopped,
        "executionStoppedAt": item.stopped,
        "stopCode": item.stop_code or None,
        "stoppedReason": item.reason or None,
    }


def _overrides(item: Task) -> Json:
    given: Json = item.request.get("overrides", {})
    named = {o.get("name") for o in given.get("containerOverrides", ())}
    others = [{"name": c.name} for c in item.containers if c.name not in named]
    return {
        "inferenceAcceleratorOverrides": [],
        **given,
        "containerOverrides": [*given.get("containerOverrides", ()), *others],
    }


def _container(item: Container, of: Task) -> Json:
    body: Json = {
        "containerArn": item.arn,
        "taskArn": of.arn,
        "name": item.name,
        "image": item.image,
        "lastStatus": item.status,
        "networkBindings": [],
        "networkInterfaces": [],
        "healthStatus": item.health,
        "cpu": str(item.definition.get("cpu", 0)),
    }
    pulled = item.started is not None
    extra = {
        "imageDigest": (item.digest or None) if pulled else None,
        "runtimeId": f"{of.id}-{item.arn[-8:]}" if pulled else None,
        "exitCode": item.exit_code,
        "reason": item.reason or None,
        "managedAgents": _agents(item, of),
    }
    return body | _given(extra)


def _agents(item: Container, of: Task) -> list[Json] | None:
    if not of.request.get("enableExecuteCommand"):
        return None
    running = item.status == "RUNNING"
    status = "RUNNING" if running else "PENDING" if item.started is None else "STOPPED"
    agent: Json = {"name": "ExecuteCommandAgent", "lastStatus": status}
    return [agent | _given({"lastStartedAt": item.started})]


def _deployment(item: Deployment, of: Service, tasks: list[Task]) -> Json:
    own = [t for t in tasks if t.deployment == item.id]
    primary = item is of.primary
    stopped = item.rollout == "FAILED" and not primary
    settings = dict(item.revision.settings)
    for name in ("loadBalancers", "serviceRegistries"):
        settings.pop(name, None)
    body: Json = {
        **settings,
        "id": item.id,
        "status": item.status,
        "desiredCount": of.desired if primary else 0 if stopped else sum(t.alive for t in own),
        "pendingCount": sum(t.last in ("PROVISIONING", "PENDING") for t in own),
        "runningCount": sum(t.last == "RUNNING" for t in own),
        "failedTasks": item.failed,
        "createdAt": item.created,
        "updatedAt": item.updated,
        "rolloutState": item.rollout,
        "rolloutStateReason": item.reason,
    }
    if body.get("platformVersion"):
        body |= {"platformVersion": PLATFORM_VERSION, "platformFamily": "Linux"}
    return body


def _counts(item: Revision, of: Service, world: World) -> Json:
    own = [t for t in world.tasks_of(of) if t.revision == item.arn and t.last != "STOPPED"]
    current = bool(of.deployments) and of.primary.revision is item
    return {
        "arn": item.arn,
        "requestedTaskCount": of.desired if current else sum(t.alive for t in own),
        "runningTaskCount": sum(t.last == "RUNNING" for t in own),
        "pendingTaskCount": sum(t.last in ("PROVISIONING", "PENDING") for t in own),
    }


def _launch_type(request: Json) -> str:
    used = {item["capacityProvider"] for item in request.get("capacityProviderStrategy", ())}
    return "FARGATE" if used & {"FARGATE", "FARGATE_SPOT"} else "EC2"


def _given(members: dict[str, Any]) -> Json:
    return {key: value for key, value in members.items() if value is not None}
