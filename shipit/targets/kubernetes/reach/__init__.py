"""Ways to reach a cluster. Each gives an `Access`; none writes a kubeconfig."""

from shipit.model.pipeline import EksTarget, GkeTarget, KubernetesTarget
from shipit.targets.kubernetes.reach.access import Access

Settings = KubernetesTarget | GkeTarget | EksTarget


def reach(settings: Settings, *, root: str, environment: str) -> Access:
    """The cluster that a target's settings name. `root` is the absolute folder of shipit.yaml.

    Raises ConfigurationError for settings that do not agree, PreconditionError when the cluster or
    credentials for it cannot be found. The API server itself is not asked yet.
    """
    if isinstance(settings, GkeTarget):
        from shipit.targets.kubernetes.reach import gke

        return gke.access(settings, environment)
    if isinstance(settings, EksTarget):
        from shipit.targets.kubernetes.reach import eks

        return eks.access(settings, environment)
    from shipit.targets.kubernetes.reach import kubeconfig

    return kubeconfig.access(settings, root)
