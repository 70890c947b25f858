"""Whether the execution role can do its part: be assumed by ECS's tasks, pull, write, read secrets.

Its permissions are IAM's to judge, which knows boundaries and denials: SimulatePrincipalPolicy.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from shipit.model.deployment import Finding
from shipit.targets.ecs import names
from shipit.targets.ecs.images import in_ecr
from shipit.targets.ecs.look import Look, on_fargate, parameter
from shipit.targets.ecs.render import Rendered

Json = dict[str, Any]
_SUBJECT = "execution role"
_PULL = (*("ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage"),)


class Duty(NamedTuple):
    """Actions on resources, and what they are for."""

    what: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]


def look_at(look: Look) -> Iterator[Finding]:
    """Fargate needs one for a private registry, for logs and for secrets."""
    by_role: dict[str, list[Rendered]] = {}
    for one in look.wanted.values():
        by_role.setdefault(str(one.task_definition.get("executionRoleArn") or ""), []).append(one)
    if any(on_fargate(one) for one in by_role.pop("", ())):
        yield Finding(
            "error",
            _SUBJECT,
            "ECS cannot pull from ECR, read secrets or write logs without one",
            "name it as target.ecs.execution_role",
        )
    for role, several in sorted(by_role.items()):
        answer = look.cloud.call("iam", "get_role", RoleName=names.last_part(role))
        if not _is_for_tasks(answer["Role"]):
            yield Finding(
                "error",
                _SUBJECT,
                f"{role} may not be assumed by ECS's tasks",
                "let ecs-tasks.amazonaws.com assume it",
            )
        else:
            yield from _allowed(look, str(answer["Role"]["Arn"]), several)


def _is_for_tasks(found: Json) -> bool:
    return "ecs-tasks.amazonaws.com" in str(found.get("AssumeRolePolicyDocument") or {})


def _allowed(look: Look, role: str, several: Sequence[Rendered]) -> Iterator[Finding]:
    asked = list(_duties(look, role, several))
    denied = [(duty, one) for duty in asked for one in _denied(look, role, duty)]
    for duty, result in denied:
        yield Finding(
            "error",
            _SUBJECT,
            f"{names.last_part(role)} may not {result['EvalActionName']} on"
            f" {result['EvalResourceName']}, which it needs to {duty.what}",
            "allow it in the role's policies",
        )
    if not denied:
        yield Finding("ok", _SUBJECT, f"{role} can {', '.join(d.what for d in asked)}")


def _denied(look: Look, role: str, duty: Duty) -> list[Json]:
    answer = look.cloud.call(
        "iam",
        "simulate_principal_policy",
        PolicySourceArn=role,
        ActionNames=list(duty.actions),
        ResourceArns=list(duty.resources),
        MaxItems=1000,
    )
    found: list[Json] = answer.get("EvaluationResults") or []
    return [one for one in found if one["EvalDecision"] != "allowed"]


def _duties(look: Look, role: str, several: Sequence[Rendered]) -> Iterator[Duty]:
    """`arn:aws:iam::111122223333:role/…` also says whose the log groups are."""
    _, partition, _, _, account, _ = role.split(":", 5)
    containers = [c for one in several for c in one.task_definition["containerDefinitions"]]
    found = {in_ecr(str(c["image"])) for c in containers} - {None}
    pulled = {f"arn:{partition}:ecr:{r.region}:{r.account}:repository/{r.name}" for r in found if r}
    if pulled:
        yield Duty("sign in to ECR", ("ecr:GetAuthorizationToken",), ("*",))
        yield Duty("pull the images", _PULL, tuple(sorted(pulled)))
    groups = set(look.log_groups(containers))
    place = f"arn:{partition}:logs:{look.cloud.region}:{account}:log-group:"
    if groups:
        actions = ("logs:CreateLogStream", "logs:PutLogEvents")
        yield Duty("write logs", actions, tuple(f"{place}{name}:*" for name in sorted(groups)))
    secrets = sorted({str(s["valueFrom"]) for c in containers for s in c.get("secrets") or ()})
    stored = tuple(":".join(arn.split(":")[:7]) for arn in secrets if ":secretsmanager:" in arn)
    named = {p for p in map(parameter, secrets) if p}
    place = f"arn:{partition}:ssm:{look.cloud.region}:{account}:parameter"
    parameters = tuple(f"{place}/{name.lstrip('/')}" for name in sorted(named))
    if stored:
        yield Duty("read secrets", ("secretsmanager:GetSecretValue",), stored)
    if parameters:
        yield Duty("read parameters", ("ssm:GetParameters",), parameters)
