"""Whether GKE's nodes may pull from Artifact Registry, by what the cluster says of them. Pure.

cloud.google.com: "Deploying to Google Kubernetes Engine" (Artifact Registry) and "Access scopes in
GKE": nodes pull as their service account, within the access scopes of their pool, which an existing
pool cannot change. Autopilot's are in the defaults of its node auto-provisioning. What IAM grants
the account, the cluster does not say.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from shipit.model.deployment import Finding

_SCOPE = "https://www.googleapis.com/auth/"
_READING = frozenset(
    _SCOPE + name
    for name in (
        "cloud-platform",
        *("devstorage.read_only", "devstorage.read_write", "devstorage.full_control"),
    )
)
_DEFAULT = "the Compute Engine default service account"
_REPOSITORY = re.compile(
    r"(?P<place>[a-z0-9-]+)-docker\.pkg\.dev/(?P<project>[^/]+)/(?P<name>[^/]+)/.*"
)
_GCR = re.compile(r"(?:(?:[a-z]+)\.)?gcr\.io/(?P<project>[^/]+)/.*")
_READER = "roles/artifactregistry.reader"


class Pool(NamedTuple):
    name: str
    account: str
    may_read: bool


def judged(cluster: Any, project: str, repositories: Sequence[str]) -> Mapping[str, Finding]:
    """`cluster` as google-cloud-container gives it, in `project`."""
    pools = list(_pools(cluster))
    return {one: _judged(pools, project, one) for one in repositories}


def _pools(cluster: Any) -> Iterator[Pool]:
    if cluster.autopilot.enabled:
        found = cluster.autoscaling.autoprovisioning_node_pool_defaults
        if found.service_account or found.oauth_scopes:
            yield _pool("Autopilot", found)
            return
    for pool in cluster.node_pools:
        yield _pool(pool.name, pool.config)


def _pool(name: str, config: Any) -> Pool:
    account = str(config.service_account or "default")
    scopes = set(config.oauth_scopes)
    return Pool(name, _DEFAULT if account == "default" else account, bool(scopes & _READING))


def _judged(pools: Sequence[Pool], project: str, repository: str) -> Finding:
    host = repository.partition("/")[0]
    closed = [pool.name for pool in pools if not pool.may_read]
    if closed:
        what = f"{host}: the access scopes of {', '.join(closed)} do not let its nodes pull"
        step = (
            "make a node pool with the default scopes (`--scopes=gke-default`) and move to it:"
            " those of one that is there cannot be changed"
        )
        return Finding("error" if len(closed) == len(pools) else "warning", "images", what, step)
    accounts = sorted({pool.account for pool in pools}) or ["the nodes' service account"]
    owner = _project(repository)
    where = f" in the project {owner}, and the cluster is in {project}" if owner != project else ""
    what = f"{host}: not verified whether {', '.join(accounts)} has {_READER}{where}"
    return Finding("warning", "images", what, _grant(repository, accounts))


def _project(repository: str) -> str:
    found = _REPOSITORY.fullmatch(repository) or _GCR.fullmatch(repository)
    return found["project"] if found else ""


def _grant(repository: str, accounts: Sequence[str]) -> str:
    found = _REPOSITORY.fullmatch(repository)
    named = next((one for one in accounts if "@" in one), "ACCOUNT")
    if not found:
        return f"grant it {_READER} in the project {_project(repository)}"
    return (
        f"`gcloud artifacts repositories add-iam-policy-binding {found['name']}"
        f" --project={found['project']} --location={found['place']}"
        f" --member=serviceAccount:{named} --role={_READER}` grants it"
    )
