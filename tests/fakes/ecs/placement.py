"""New tasks: of a service's deployment, or run on their own."""

from tests.fakes.ecs import lifecycle, names
from tests.fakes.ecs.world import (
    Cluster,
    Container,
    Definition,
    Deployment,
    Json,
    Service,
    Task,
    World,
)

NO_FARGATE = (
    "Capacity is unavailable at this time. Please try again later or in a different availability "
    "zone"
)
NO_INSTANCES = "No Container Instances were found in your cluster."


def place(service: Service, deployment: Deployment, number: int, world: World) -> list[Task]:
    """As many as there is room for; for the others there is an event."""
    settings = deployment.revision.settings
    cluster = world.clusters[service.cluster]
    fits = number if _waits_for_instances(settings) else min(number, room(cluster, world))
    if fits < number:
        complain(service, world, _no_room(settings))
    definition = by_arn(world, settings["taskDefinition"])
    tasks = [
        create(world, cluster, definition, {**settings, **_carried(service)}) for _ in range(fits)
    ]
    for task in tasks:
        task.group, task.service = f"service:{service.name}", service.name
        task.deployment = task.started_by = deployment.id
        task.revision = deployment.revision.arn
        task.load_balanced = bool(settings.get("loadBalancers"))
        task.tags = _propagated(service, definition, world)
    return tasks


def room(cluster: Cluster, world: World) -> int:
    if cluster.room is None:
        return 1_000_000
    used = sum(t.cluster == cluster.name and t.last != "STOPPED" for t in world.tasks.values())
    return max(0, cluster.room - used)


def create(world: World, cluster: Cluster, definition: Definition, request: Json) -> Task:
    identity = names.hexadecimal(world.next())
    arn = world.arn("task", cluster.name, identity)
    overrides = request.get("overrides", {}).get("containerOverrides", [])
    commands = {o.get("name"): o["command"] for o in overrides if "command" in o}
    task = Task(
        arn=arn,
        cluster=cluster.name,
        definition=definition,
        containers=[
            _container(world, arn, body, commands.get(body["name"]))
            for body in definition.containers
        ],
        created=world.now,
        group=request.get("group") or f"family:{definition.family}",
        request=request,
        started_by=request.get("startedBy", ""),
    )
    world.tasks[arn] = task
    return task


def by_arn(world: World, arn: str) -> Definition:
    family = arn.rsplit("/", 1)[1].rsplit(":", 1)[0]
    return next(d for d in world.definitions[family] if d.arn == arn)


def complain(service: Service, world: World, text: str) -> None:
    """ECS does not repeat the same trouble until it is over."""
    if service.last_impairment != text:
        service.last_impairment = text
        world.say(service, f"(service {service.name}) {text}")


def _no_room(settings: Json) -> str:
    if settings.get("launchType") == "EC2":
        return (
            "was unable to place a task because no container instance met all of its "
            f"requirements. Reason: {NO_INSTANCES}"
        )
    return f"was unable to place a task. Reason: {NO_FARGATE}."


def _waits_for_instances(settings: Json) -> bool:
    """With a capacity provider of instances, tasks wait in PROVISIONING until some come."""
    used = {item["capacityProvider"] for item in settings.get("capacityProviderStrategy", ())}
    return bool(used - {"FARGATE", "FARGATE_SPOT"})


def _carried(service: Service) -> Json:
    kept = ("enableExecuteCommand", "launchType", "platformVersion")
    return {k: service.settings[k] for k in kept if k in service.settings}


def _propagated(service: Service, definition: Definition, world: World) -> list[Json]:
    whose = service.settings.get("propagateTags")
    source = {"SERVICE": service.arn, "TASK_DEFINITION": definition.arn}.get(str(whose), "")
    return [dict(tag) for tag in world.tags.get(source, [])]


def _container(world: World, task: str, body: Json, command: list[str] | None) -> Container:
    effective = tuple(command if command is not None else body.get("command", ()))
    does = lifecycle.behaviour_of(world, body["image"], effective)
    _, at, digest = str(body["image"]).partition("@")
    return Container(
        name=body["name"],
        arn=f"{task.replace(':task/', ':container/')}/{names.hexadecimal(world.next())[:8]}",
        image=body["image"],
        digest=does.digest or (digest if at else ""),
        definition=body,
        behaviour=does,
    )
