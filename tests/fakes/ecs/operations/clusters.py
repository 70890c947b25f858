"""Clusters and capacity providers."""

from tests.fakes.ecs import describe, errors, requests
from tests.fakes.ecs.names import last_part
from tests.fakes.ecs.world import Cluster, Json, World

_FARGATE = ("FARGATE", "FARGATE_SPOT")


def create(world: World, request: Json) -> Json:
    name = request.get("clusterName", "default")
    cluster = world.clusters.get(name)
    if cluster is None:
        cluster = Cluster(name, world.arn("cluster", name))
        cluster.providers = list(request.get("capacityProviders", cluster.providers))
        cluster.strategy = list(request.get("defaultCapacityProviderStrategy", ()))
        world.clusters[name] = cluster
        if request.get("tags"):
            world.tags[cluster.arn] = list(request["tags"])
    return {"cluster": describe.cluster(cluster, world)}


def describe_clusters(world: World, request: Json) -> Json:
    wanted = request.get("clusters") or ["default"]
    requests.check_count(wanted, 100, "Clusters")
    found, failures = [], []
    for name in wanted:
        cluster = world.clusters.get(last_part(name))
        if cluster is None:
            failures.append(requests.failure(world.arn("cluster", last_part(name))))
        else:
            body = describe.cluster(cluster, world)
            if "TAGS" in request.get("include", ()):
                body["tags"] = world.tags.get(cluster.arn, [])
            found.append(body)
    return {"clusters": found, "failures": failures}


def list_clusters(world: World, request: Json) -> Json:
    arns = [c.arn for c in world.clusters.values() if c.status == "ACTIVE"]
    return requests.page("clusterArns", sorted(arns), request)


def describe_providers(world: World, request: Json) -> Json:
    named = {p for c in world.clusters.values() for p in c.providers} | set(_FARGATE)
    if "cluster" in request:
        named = set(requests.cluster_of(world, request).providers)
    wanted = request.get("capacityProviders") or sorted(named)
    found = [_provider(world, last_part(n)) for n in wanted if last_part(n) in named]
    missing = [n for n in wanted if last_part(n) not in named]
    if "cluster" in request and missing:
        raise errors.invalid("The specified capacity provider was not found.")
    failures = [requests.failure(world.arn("capacity-provider", last_part(n))) for n in missing]
    return {"capacityProviders": found, "failures": failures}


def _provider(world: World, name: str) -> Json:
    body: Json = {
        "capacityProviderArn": world.arn("capacity-provider", name),
        "name": name,
        "status": "ACTIVE",
        "tags": [],
        "type": name if name in _FARGATE else "EC2_AUTOSCALING",
    }
    if name not in _FARGATE:
        group = f"arn:aws:autoscaling:{world.region}:111122223333:autoScalingGroup:1:{name}"
        body["autoScalingGroupProvider"] = {"autoScalingGroupArn": group}
    return body


OPERATIONS = {
    "CreateCluster": create,
    "DescribeClusters": describe_clusters,
    "ListClusters": list_clusters,
    "DescribeCapacityProviders": describe_providers,
}
