"""Whether a policy allows a request, as AWS's IAM and Google's say it: as much as ours have.

IAM User Guide, "Policy evaluation logic" and "Condition operators"; Google's IAM Conditions in CEL.
"""

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

Statement = Mapping[str, Any]
Context = Mapping[str, str]

# "IAM roles for Cloud Storage": what they allow of objects.
ROLES = {
    "roles/storage.legacyBucketReader": {"storage.objects.list"},
    "roles/storage.objectViewer": {"storage.objects.get", "storage.objects.list"},
    "roles/storage.objectCreator": {"storage.objects.create"},
    "roles/storage.objectUser": {
        f"storage.objects.{verb}" for verb in ("create", "delete", "get", "list", "update")
    },
}
_STARTS_WITH = re.compile(r'resource\.name\.startsWith\("([^"]+)"\)')
_EQUALS = re.compile(r"assertion\.(\w+) == '([^']*)'")


def allows(
    statements: Iterable[Statement], action: str, resource: str = "", context: Context | None = None
) -> bool:
    """A denial counts more than any permission."""
    effects = applied(statements, action, resource, context or {})
    return "Allow" in effects and "Deny" not in effects


def applied(
    statements: Iterable[Statement], action: str, resource: str, context: Context
) -> set[str]:
    """The effects of the statements that are about this request. A trust policy names no
    resource."""
    return {
        str(s["Effect"])
        for s in statements
        if action in s["Action"]
        and any(fnmatchcase(resource, pattern) for pattern in s.get("Resource", ["*"]))
        and all(
            _holds(operator, context.get(key), wanted)
            for operator, keys in s.get("Condition", {}).items()
            for key, wanted in keys.items()
        )
    }


def _holds(operator: str, found: str | None, wanted: str | list[str]) -> bool:
    values = [wanted] if isinstance(wanted, str) else wanted
    if operator == "Null":
        return (found is None) == (values == ["true"])
    if operator == "StringNotLike":
        return found is None or not any(fnmatchcase(found, value) for value in values)
    if found is None:
        return False
    if operator == "StringLike":
        return any(fnmatchcase(found, value) for value in values)
    assert operator in ("StringEquals", "Bool", "ArnEquals"), operator
    return found in values


def may(grants: Iterable[tuple[str, str]], permission: str, name: str) -> bool:
    """Google's: `grants` are roles with their conditions, on a bucket that `name` is in."""
    return any(
        permission in ROLES[role]
        and (not condition or any(name.startswith(p) for p in _clauses(condition, _STARTS_WITH)))
        for role, condition in grants
    )


def asserted(condition: str, claims: Mapping[str, str]) -> bool:
    """The attribute condition of a workload identity provider's."""
    parts = condition.split(" && ")
    found = [m for part in parts if (m := _EQUALS.fullmatch(part))]
    assert len(found) == len(parts), condition
    return all(claims.get(m[1]) == m[2] for m in found)


def _clauses(condition: str, form: re.Pattern[str]) -> list[str]:
    parts = condition.split(" || ")
    found = [m[1] for part in parts if (m := form.fullmatch(part))]
    assert len(found) == len(parts), condition
    return found
