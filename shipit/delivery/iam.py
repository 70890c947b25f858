"""The least that an environment's deployments have to be allowed, from what the code calls."""

from collections.abc import Iterator
from typing import Any

from shipit.config import compose
from shipit.delivery.desired import newest
from shipit.delivery.project import Project
from shipit.delivery.repositories import needed
from shipit.errors import UsageError
from shipit.ledger import permissions as of_the_ledger
from shipit.model.deployment import Desired
from shipit.model.permission import Grant, Permission, policy
from shipit.model.pipeline import Environment, GkeTarget
from shipit.registry import permissions as of_the_registry
from shipit.targets.interface import NeedsPermissions


def least(
    project: Project, environment: str, account: str, *, clearing: bool, key: str = ""
) -> tuple[dict[str, Any], str]:
    """The policy's document, and what it could not know, "" when it knew all. `clearing`: also what
    `shipit gc` needs. `key`: the ARN of the KMS key that the ledger's bucket is encrypted with.

    Raises UsageError for an environment that has nothing to do with AWS, and for a key that is
    none of a ledger's on S3.
    """
    wanted = project.environment(environment)
    keys = _of_key(project, key) if key else ()
    desired = newest(project, wanted)
    permissions = [
        *_of_targets(project, wanted, desired, account, clearing=clearing),
        *_always(project, wanted, clearing=clearing),
        *keys,
    ]
    if not permissions:
        raise UsageError(
            f"{environment} needs nothing of AWS: no target, registry or ledger of it is there"
        )
    refer = any(isinstance(t, NeedsPermissions) for t in project.targets(wanted).values())
    unknown = "there is no release yet: what its services refer to is not in it"
    return policy(permissions), unknown if refer and not desired else ""


def beforehand(project: Project, environment: str, account: str) -> tuple[dict[str, Any], str]:
    """As `least`, before there is a ledger to read or a stack to deploy to: then what is known
    already, and why it is not all. Statements are none where nothing of AWS is needed."""
    try:
        return least(project, environment, account, clearing=False)
    except UsageError as error:
        known = policy(_always(project, project.environment(environment), clearing=False))
        return known, error.what if known["Statement"] else ""


def granted(project: Project, environment: str) -> tuple[Grant, ...]:
    """What an environment's deployments need of Google Cloud. What is inside a cluster is the Role
    of `shipit rbac`."""
    wanted = project.environment(environment)
    repositories = (
        grant
        for repository, push in _repositories(project, wanted)
        for grant in of_the_registry.granted(repository, push=push)
    )
    ledger = of_the_ledger.granted(project.pipeline.ledger)
    return tuple(dict.fromkeys((*repositories, *ledger, *_of_clusters(wanted))))


def _of_clusters(wanted: Environment) -> Iterator[Grant]:
    """To find a cluster and be let in (GKE, "IAM roles for GKE"). Where it is a stack's, the stack
    gives that to its deployers."""
    for target in wanted.targets.values():
        gke = target.settings
        if isinstance(gke, GkeTarget) and gke.project and not gke.stack:
            on = f"projects/{gke.project}"
            yield Grant("find the cluster", "roles/container.clusterViewer", on)


def _always(project: Project, wanted: Environment, *, clearing: bool) -> Iterator[Permission]:
    yield from _of_registries(project, wanted, clearing=clearing)
    yield from of_the_ledger.needed(project.pipeline.ledger)


def _of_key(project: Project, arn: str) -> tuple[Permission]:
    ledger = project.pipeline.ledger
    if not ledger.startswith("s3://"):
        raise UsageError(
            f"{arn} encrypts no ledger: it is in {ledger or '.shipit/ledger'}",
            next_step="leave --key out",
        )
    if arn.count(":") < 5 or arn.split(":")[2] != "kms":
        raise UsageError(
            f"{arn} is no KMS key's ARN",
            next_step="write --key arn:aws:kms:REGION:ACCOUNT:key/ID: an alias is none",
        )
    return (of_the_ledger.of_key(arn),)


def _of_targets(
    project: Project,
    wanted: Environment,
    desired: Desired | None,
    account: str,
    *,
    clearing: bool,
) -> Iterator[Permission]:
    for target in project.targets(wanted).values():
        if isinstance(target, NeedsPermissions):
            yield from target.permissions(desired, account, clearing=clearing)


def _of_registries(
    project: Project, wanted: Environment, *, clearing: bool
) -> Iterator[Permission]:
    for repository, push in _repositories(project, wanted):
        yield from of_the_registry.needed(repository, push=push, clear=push and clearing)


def _repositories(project: Project, wanted: Environment) -> Iterator[tuple[str, bool]]:
    """And whether they are pushed to. What is deployed is pulled from where it was built, and
    pushed to where it is served from: its retention tags are written there."""
    found = needed(project, compose.render_all(project.pipeline))
    for repository in found.get(project.pipeline.registry, ()):
        yield repository, not wanted.registry
    for repository in found.get(wanted.registry, ()) if wanted.registry else ():
        yield repository, True
