"""The least that an environment's deployments have to be allowed in its cluster."""

from typing import Any

from shipit.delivery.containers import able, one_target
from shipit.delivery.desired import newest
from shipit.delivery.project import Project
from shipit.targets.interface import NeedsRole


def least(
    project: Project, environment: str, *, target: str, subject: tuple[str, str] | None
) -> tuple[list[dict[str, Any]], str]:
    """A Role, and with a `subject` (kind, name) its RoleBinding; then what it could not know.

    Raises UsageError for a target that is no cluster.
    """
    wanted = project.environment(environment)
    chosen = able(one_target(project, environment, target), NeedsRole, "use a Role")
    desired = newest(project, wanted)
    unknown = "" if desired else "there is no release yet: it allows every kind that shipit makes"
    return list(chosen.role(desired, subject)), unknown
