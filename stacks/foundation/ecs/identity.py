"""Two roles: with one ECS pulls, reads secrets and writes logs; the other is the tasks' own."""

from collections.abc import Iterator

import pulumi
import pulumi_aws as aws

from foundation import policy
from foundation.settings import Settings
from shipit.registry import aws as ecr

_TASKS = "ecs-tasks.amazonaws.com"
_PULL = ("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchCheckLayerAvailability")
# AWS takes no resource for these (Service Authorization Reference): a region narrows them.
_CHANNELS = (
    *("ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel"),
    *("ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel"),
)


class Identity(pulumi.ComponentResource):
    """Secrets are those under `<app>/<environment>/`, images those of the registry."""

    def __init__(
        self,
        name: str,
        settings: Settings,
        logs: aws.cloudwatch.LogGroup,
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("foundation:ecs:Identity", name, None, opts)
        own = pulumi.ResourceOptions(parent=self)
        region = settings.ecs.region
        arn = policy.arns(region, pulumi.InvokeOptions(parent=self))
        here = {"StringEquals": {"aws:RequestedRegion": region}}
        self.execution = aws.iam.Role(
            f"{name}-execution",
            assume_role_policy=policy.trust(_TASKS),
            tags=settings.tags,
            opts=own,
        )
        under = f"{settings.app}/{settings.environment}"
        statements = [
            *_pull(settings.registry),
            policy.allow(
                "WriteLogs",
                ("logs:CreateLogStream", "logs:PutLogEvents"),
                (logs.arn.apply(lambda arn: f"{arn}:log-stream:*"),),
            ),
            policy.allow(
                "ReadSecrets",
                ("secretsmanager:GetSecretValue",),
                (arn("secretsmanager", f"secret:{under}/*"),),
            ),
            policy.allow(
                "ReadParameters",
                ("ssm:GetParameters",),
                (arn("ssm", f"parameter/{under}/*"),),
            ),
        ]
        aws.iam.RolePolicy(
            f"{name}-execution",
            role=self.execution.id,
            policy=policy.document(*statements),
            opts=own,
        )
        self.task = aws.iam.Role(
            f"{name}-task", assume_role_policy=policy.trust(_TASKS), tags=settings.tags, opts=own
        )
        if settings.ecs.exec:
            aws.iam.RolePolicy(
                f"{name}-exec",
                role=self.task.id,
                policy=policy.document(
                    policy.allow("Exec", _CHANNELS, ("*",), here), *_session_logs(logs, region)
                ),
                opts=own,
            )
        self.register_outputs({})


def _pull(registry: str) -> Iterator[policy.Statement]:
    """From ECR, wherever it is: a token is asked of the registry's own region."""
    name, _, path = registry.partition("/")
    host = ecr.parse(name)
    if host is None or not host.account:
        return
    there = {"StringEquals": {"aws:RequestedRegion": host.region}}
    yield policy.allow("LogIn", ("ecr:GetAuthorizationToken",), ("*",), there)
    under = f"{path}/*" if path else "*"
    arn = f"arn:aws:ecr:{host.region}:{host.account}:repository/{under}"
    yield policy.allow("Pull", _PULL, (arn,))


def _session_logs(logs: aws.cloudwatch.LogGroup, region: str) -> Iterator[policy.Statement]:
    """What is typed in a session is kept in the cluster's log group: by the task's role, as the
    ECS developer guide has it ("IAM permissions required for Amazon CloudWatch Logs")."""
    here = {"StringEquals": {"aws:RequestedRegion": region}}
    yield policy.allow("FindLogs", ("logs:DescribeLogGroups",), ("*",), here)
    yield policy.allow(
        "KeepSessions",
        ("logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"),
        (logs.arn.apply(lambda arn: f"{arn}:*"),),
    )
