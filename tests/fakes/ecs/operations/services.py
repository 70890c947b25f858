"""Services: created, updated, described, listed, deleted."""

from copy import deepcopy
from typing import Any

from tests.fakes.ecs import describe, errors, lifecycle, requests, rollout, service_rules
from tests.fakes.ecs.names import last_part
from tests.fakes.ecs.operations import tags
from tests.fakes.ecs.world import Cluster, Json, Service, World

_NOT_SETTINGS = {"cluster", "serviceName", "service", "desiredCount", "clientToken", "tags", "role"}
_NOT_SETTINGS |= {"forceNewDeployment"}
_DEFAULTS: Json = {
    "loadBalancers": [],
    "serviceRegistries": [],
    "placementConstraints": [],
    "placementStrategy": [],
    "schedulingStrategy": "REPLICA",
    "deploymentController": {"type": "ECS"},
    "enableECSManagedTags": False,
    "enableExecuteCommand": False,
    "propagateTags": "NONE",
    "healthCheckGracePeriodSeconds": 0,
    "availabilityZoneRebalancing": "ENABLED",
}
_DEPLOYMENT_DEFAULTS: Json = {
    "deploymentCircuitBreaker": {"enable": False, "rollback": False},
    "maximumPercent": 200,
    "minimumHealthyPercent": 100,
    "strategy": "ROLLING",
    "bakeTimeInMinutes": 0,
}


def create(world: World, request: Json) -> Json:
    cluster = requests.cluster_of(world, request)
    name = request["serviceName"]
    _check_name_is_free(world, cluster, name)
    own_tags = tags.check(request.get("tags", []))
    settings = _settings(world, cluster, request)
    service_rules.check(world, settings)
    arn = world.arn("service", cluster.name, name)
    desired = request.get("desiredCount", 1)
    launch_type = settings.get("launchType", "")
    service = Service(
        arn, name, cluster.name, world.now, settings, desired, launch_type=launch_type
    )
    world.services[cluster.name, name] = service
    world.tags[arn] = own_tags
    rollout.begin(service, world)
    return {"service": {**describe.service(service, world), "tags": own_tags}}


def update(world: World, request: Json) -> Json:
    cluster = requests.cluster_of(world, request)
    service = requests.service_of(world, cluster, request["service"])
    if service.status != "ACTIVE":
        raise errors.inactive_service()
    settings = {**service.settings, **_given(request)}
    if "taskDefinition" in request:
        settings["taskDefinition"] = requests.usable_definition(
            world, request["taskDefinition"]
        ).arn
    if "deploymentConfiguration" in request:
        settings["deploymentConfiguration"] = {
            **service.settings["deploymentConfiguration"],
            **request["deploymentConfiguration"],
        }
    if "capacityProviderStrategy" in request:
        _check_strategy_change(service, request)
        settings = _on_other_capacity(service, settings)
    service_rules.check(world, settings)
    changed = any(settings.get(k) != service.settings.get(k) for k in rollout.DEPLOYED)
    service.settings = settings
    _scale(service, request)
    if changed or request.get("forceNewDeployment"):
        rollout.begin(service, world)
    return {"service": {**describe.service(service, world), "tags": world.tags[service.arn]}}


def describe_services(world: World, request: Json) -> Json:
    cluster = requests.cluster_of(world, request)
    wanted = request["services"]
    requests.check_count(wanted, 10, "Services")
    found, failures = [], []
    for name in wanted:
        service = world.services.get((cluster.name, last_part(name)))
        if service is None or _is_forgotten(service, world):
            arn = world.arn("service", cluster.name, last_part(name))
            failures.append(requests.failure(arn))
            continue
        body = describe.service(service, world)
        if "TAGS" in request.get("include", ()):
            body["tags"] = world.tags.get(service.arn, [])
        found.append(body)
    return {"services": found, "failures": failures}


def list_services(world: World, request: Json) -> Json:
    cluster = requests.cluster_of(world, request)
    arns = [
        s.arn
        for s in world.services.values()
        if s.cluster == cluster.name
        and s.status != "INACTIVE"
        and request.get("launchType") in (None, s.settings.get("launchType"))
    ]
    size = request.get("maxResults") or 10
    return requests.page("serviceArns", sorted(arns), {**request, "maxResults": size})


def delete(world: World, request: Json) -> Json:
    cluster = requests.cluster_of(world, request)
    service = requests.service_of(world, cluster, request["service"])
    if service.status == "INACTIVE":
        raise errors.inactive_service()
    if service.desired > 0 and not request.get("force"):
        raise errors.invalid("The service cannot be stopped while it is scaled above 0.")
    service.desired, service.status = 0, "DRAINING"
    for task in world.tasks_of(service):
        reason = f"Scaling activity initiated by (deployment {service.primary.id})"
        lifecycle.begin_stop(task, world, code="ServiceSchedulerInitiated", reason=reason)
    return {"service": describe.service(service, world)}


def _check_name_is_free(world: World, cluster: Cluster, name: str) -> None:
    known = world.services.get((cluster.name, name))
    if known is None or known.status == "INACTIVE":
        return
    if known.status == "DRAINING":
        raise errors.invalid("Unable to Start a service that is still Draining.")
    raise errors.invalid("Creation of service was not idempotent.")


def _settings(world: World, cluster: Cluster, request: Json) -> Json:
    if "taskDefinition" not in request:
        raise errors.invalid("Task definition cannot be null or empty.")
    settings = {**deepcopy(_DEFAULTS), **_given(request)}
    settings["taskDefinition"] = requests.usable_definition(world, request["taskDefinition"]).arn
    given: dict[str, Any] = request.get("deploymentConfiguration", {})
    settings["deploymentConfiguration"] = {**deepcopy(_DEPLOYMENT_DEFAULTS), **given}
    if "launchType" in request and "capacityProviderStrategy" in request:
        raise errors.invalid(
            "Specifying both a launch type and capacity provider strategy is not supported. Remove "
            "one and try again."
        )
    if request.get("schedulingStrategy") == "DAEMON" and "capacityProviderStrategy" in request:
        raise errors.invalid(
            "Specifying a capacity provider strategy is not supported when you create a service "
            "using the DAEMON scheduling strategy."
        )
    if "launchType" not in request and "capacityProviderStrategy" not in request:
        if cluster.strategy:
            settings["capacityProviderStrategy"] = list(cluster.strategy)
        else:
            settings["launchType"] = "EC2"
    if service_rules.on_fargate(settings):
        settings.setdefault("platformVersion", "LATEST")
        settings["platformFamily"] = "Linux"
    return settings


def _given(request: Json) -> Json:
    given = {k: v for k, v in request.items() if k not in _NOT_SETTINGS}
    network = given.get("networkConfiguration", {}).get("awsvpcConfiguration")
    if network is not None:
        full = {"securityGroups": [], "assignPublicIp": "DISABLED", **network}
        given["networkConfiguration"] = {"awsvpcConfiguration": full}
    return given


def _scale(service: Service, request: Json) -> None:
    desired = request.get("desiredCount", service.desired)
    if desired != service.desired:
        service.desired, service.steady = desired, False


def _check_strategy_change(service: Service, request: Json) -> None:
    same = request["capacityProviderStrategy"] == service.settings.get("capacityProviderStrategy")
    if not same and not request.get("forceNewDeployment"):
        raise errors.invalid(
            "When switching from launch type to capacity provider strategy on an existing service, "
            "or making a change to a capacity provider strategy on a service that is already using "
            "one, you must force a new deployment."
        )


def _on_other_capacity(service: Service, settings: Json) -> Json:
    """UpdateService: an empty strategy is the way back to the launch type."""
    if settings["capacityProviderStrategy"]:
        return {k: v for k, v in settings.items() if k != "launchType"}
    if not service.launch_type:
        raise errors.invalid("The service was not created with a launch type.")
    rest = {k: v for k, v in settings.items() if k != "capacityProviderStrategy"}
    return {**rest, "launchType": service.launch_type}


def _is_forgotten(service: Service, world: World) -> bool:
    old = world.now - service.inactive_since > world.timings.kept
    return service.status == "INACTIVE" and old


OPERATIONS = {
    "CreateService": create,
    "UpdateService": update,
    "DescribeServices": describe_services,
    "ListServices": list_services,
    "DeleteService": delete,
}
