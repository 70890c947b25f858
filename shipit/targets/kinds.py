"""The table of targets: a kind names its module and class, and is imported when it is used."""

import importlib
from typing import Any

from shipit.errors import PreconditionError
from shipit.model.pipeline import TargetSettings
from shipit.targets.interface import Target

_KINDS = {
    "docker": "shipit.targets.docker.target:DockerEngine",
    "ecs": "shipit.targets.ecs.target:EcsCluster",
    "eks": "shipit.targets.kubernetes.target:KubernetesCluster",
    "gke": "shipit.targets.kubernetes.target:KubernetesCluster",
    "kubernetes": "shipit.targets.kubernetes.target:KubernetesCluster",
}


def build(name: str, settings: TargetSettings, environment: str, app: str, root: str) -> Target:
    """The target `name` of an environment. `root` is the absolute folder of shipit.yaml.

    Raises PreconditionError for a kind that this version does not have.
    """
    where = _KINDS.get(settings.kind)
    if where is None:
        raise PreconditionError(f"the {settings.kind} target is not in this version of shipit")
    module, _, kind = where.partition(":")
    made: Any = getattr(importlib.import_module(module), kind)
    target: Target = made(
        name=name, settings=settings.settings, environment=environment, app=app, root=root
    )
    return target
