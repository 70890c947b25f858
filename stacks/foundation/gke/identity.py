"""Whose identity the nodes have, and who may deploy."""

import re

import pulumi
import pulumi_gcp as gcp

from foundation.settings import Settings
from shipit.model.naming import short

# GKE, "Harden your cluster's security": the least that a node needs.
_NODE, _READER = "roles/container.defaultNodeServiceAccount", "roles/artifactregistry.reader"
_REGISTRY = re.compile(r"[a-z0-9-]+-docker\.pkg\.dev/(?P<project>[^/]+)(/.*)?")
_DEPLOYER = (
    "roles/container.clusterViewer"  # what is inside a namespace is the Role of `shipit rbac`
)


class Identity(pulumi.ComponentResource):
    """Nodes pull from Artifact Registry as themselves, from whichever project the registry is in:
    pods need no secret for it."""

    def __init__(self, name: str, settings: Settings, opts: pulumi.ResourceOptions) -> None:
        super().__init__("foundation:gke:Identity", name, None, opts)
        own, project = pulumi.ResourceOptions(parent=self), settings.gke.project
        self.node = gcp.serviceaccount.Account(
            f"{name}-node",
            account_id=short(f"{name}-node", 30),
            display_name=f"Nodes of {name}",
            project=project,
            opts=own,
        )
        for role, where in ((_NODE, project), (_READER, _pulled_from(settings.registry, project))):
            gcp.projects.IAMMember(
                f"{name}-node-{role.rpartition('.')[2]}",
                project=where,
                role=role,
                member=self.node.email.apply(lambda email: f"serviceAccount:{email}"),
                opts=own,
            )
        for n, member in enumerate(settings.gke.deployers):
            gcp.projects.IAMMember(
                f"{name}-deployer-{n}", project=project, role=_DEPLOYER, member=member, opts=own
            )
        self.register_outputs({"node": self.node.email})


def _pulled_from(registry: str, otherwise: str) -> str:
    """The project of a registry in Artifact Registry."""
    found = _REGISTRY.fullmatch(registry)
    return found["project"] if found else otherwise
