"""What would stop schedules from starting anything, found before they do: they fail silently."""

from collections.abc import Iterator

from shipit.errors import RemoteError
from shipit.model.deployment import Finding
from shipit.targets.ecs import names
from shipit.targets.ecs.cloud import Cloud, is_refused

_SUBJECT = "scheduler role"
_PRINCIPAL = "scheduler.amazonaws.com"


def look(cloud: Cloud, role: str) -> Iterator[Finding]:
    """Nothing where no role is named."""
    if not role:
        return
    try:
        found = cloud.call("iam", "get_role", RoleName=names.last_part(role))["Role"]
    except RemoteError as error:
        level, what = "error", f"{error.what}: {error.why}"
        if is_refused(error):
            level, what = "warning", f"cannot be looked at: {error.what}"
        yield Finding(level, _SUBJECT, what, error.next_step)
        return
    if _PRINCIPAL in str(found.get("AssumeRolePolicyDocument") or {}):
        yield Finding("ok", _SUBJECT, role)
    else:
        yield Finding(
            "error",
            _SUBJECT,
            f"{role} may not be assumed by EventBridge Scheduler",
            f"let {_PRINCIPAL} assume it: its schedules start nothing until then",
        )
