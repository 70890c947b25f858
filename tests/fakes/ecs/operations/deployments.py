"""Service deployments and service revisions."""

from tests.fakes.ecs import describe, errors, requests
from tests.fakes.ecs.world import Json, Revision, Service, ServiceDeployment, World


def describe_deployments(world: World, request: Json) -> Json:
    wanted = request["serviceDeploymentArns"]
    requests.check_count(wanted, 20, "serviceDeploymentArns")
    found, failures = [], []
    for arn in wanted:
        known = _find(world, arn)
        if known is None:
            failures.append(requests.failure(arn))
        else:
            found.append(describe.service_deployment(known[1], known[0], world))
    return {"serviceDeployments": found, "failures": failures}


def list_deployments(world: World, request: Json) -> Json:
    """The newest first."""
    cluster = requests.cluster_of(world, request)
    service = requests.service_of(world, cluster, request["service"])
    within = request.get("createdAt", {})
    found = [
        describe.service_deployment_brief(record, service, world)
        for record in service.records
        if record.status in (request.get("status") or [record.status])
        and within.get("after", 0) <= record.created <= within.get("before", world.now)
    ]
    return requests.page("serviceDeployments", found, request)


def describe_revisions(world: World, request: Json) -> Json:
    wanted = request["serviceRevisionArns"]
    requests.check_count(wanted, 20, "serviceRevisionArns")
    known = _revisions(world)
    found = [
        describe.service_revision(known[a][1], known[a][0], world) for a in wanted if a in known
    ]
    failures = [requests.failure(arn) for arn in wanted if arn not in known]
    return {"serviceRevisions": found, "failures": failures}


def stop(world: World, request: Json) -> Json:
    """It is requested here; the scheduler comes to it a second later."""
    if request.get("stopType", "ROLLBACK") != "ROLLBACK":
        raise errors.invalid("Invalid stopType. The valid values are ROLLBACK.")
    arn = request["serviceDeploymentArn"]
    known = _find(world, arn)
    if known is None:
        code = "ServiceDeploymentNotFoundException"
        raise errors.EcsError(code, "Service deployment not found.")
    record = known[1]
    if record.over:
        raise errors.EcsError(
            "ConflictException",
            f"Cannot stop service deployment {arn} because it is in a terminal state.",
        )
    if record.status in ("PENDING", "IN_PROGRESS"):
        record.status, record.updated = "ROLLBACK_REQUESTED", world.now
    return {"serviceDeploymentArn": arn}


def _find(world: World, arn: str) -> tuple[Service, ServiceDeployment] | None:
    for service in world.services.values():
        for record in service.records:
            if record.arn == arn:
                return service, record
    return None


def _revisions(world: World) -> dict[str, tuple[Service, Revision]]:
    return {r.arn: (s, r) for s in world.services.values() for r in s.revisions}


OPERATIONS = {
    "DescribeServiceDeployments": describe_deployments,
    "ListServiceDeployments": list_deployments,
    "DescribeServiceRevisions": describe_revisions,
    "StopServiceDeployment": stop,
}
