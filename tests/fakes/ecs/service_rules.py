"""Why ECS would refuse a service's or a task's settings."""

from tests.fakes.ecs import errors, placement
from tests.fakes.ecs.world import Definition, Json, World

_FARGATE = {"FARGATE", "FARGATE_SPOT"}


def on_fargate(settings: Json) -> bool:
    used = {item["capacityProvider"] for item in settings.get("capacityProviderStrategy", ())}
    return settings.get("launchType") == "FARGATE" or bool(used & _FARGATE)


def check(world: World, settings: Json) -> None:
    definition = placement.by_arn(world, settings["taskDefinition"])
    check_network(definition, settings)
    check_launch(definition, settings)
    _check_balancers(definition, settings)
    _check_percents(settings["deploymentConfiguration"])


def check_network(definition: Definition, settings: Json) -> None:
    network = settings.get("networkConfiguration", {}).get("awsvpcConfiguration")
    if definition.body.get("networkMode") != "awsvpc":
        if network:
            raise errors.invalid(
                "Network Configuration is not valid for the given networkMode of this task "
                "definition."
            )
        return
    if not network:
        raise errors.invalid(
            "Network Configuration must be provided when networkMode 'awsvpc' is specified."
        )
    if not network["subnets"] or len(network["subnets"]) > 16:
        raise errors.invalid("subnets can have at most 16 items, and at least one.")


def check_launch(definition: Definition, settings: Json) -> None:
    if on_fargate(settings) and "FARGATE" not in definition.body["compatibilities"]:
        raise errors.invalid("Task definition does not support launch_type FARGATE.")


def _check_balancers(definition: Definition, settings: Json) -> None:
    for balancer in settings["loadBalancers"]:
        name, port = balancer.get("containerName"), balancer.get("containerPort")
        container = next((c for c in definition.containers if c["name"] == name), None)
        if container is None:
            raise errors.invalid(f"The container {name} does not exist in the task definition.")
        if port not in {p.get("containerPort") for p in container["portMappings"]}:
            raise errors.invalid(
                f"The container {name} did not have a container port {port} defined."
            )


def _check_percents(settings: Json) -> None:
    least, most = settings["minimumHealthyPercent"], settings["maximumPercent"]
    if least == most == 100:
        raise errors.invalid(
            "Both maximumPercent and minimumHealthyPercent cannot be 100 as this will block "
            "deployments."
        )
    if most < least:
        raise errors.invalid("maximumPercent cannot be less than minimumHealthyPercent.")
    if settings["strategy"] != "ROLLING":
        raise errors.invalid(f"This simulation does not know the strategy {settings['strategy']}.")
