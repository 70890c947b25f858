"""Two roles: with one ECS pulls, reads secrets and writes logs; the other is the tasks' own."""

import pulumi
import pulumi_aws as aws

from foundation import policy
from foundation.settings import Settings

_TASKS = "ecs-tasks.amazonaws.com"
_PULL = ("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchCheckLayerAvailability")
# AWS takes no resource for these (Service Authorization Reference): a region narrows them.
_CHANNELS = (
    *("ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel"),
    *("ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel"),
)


class Identity(pulumi.ComponentResource):
    """Secrets are those under `<app>/<environment>/`, images those under `<app>/`."""

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
            policy.allow("LogIn", ("ecr:GetAuthorizationToken",), ("*",), here),
            policy.allow(
                "Pull",
                _PULL,
                (arn("ecr", f"repository/{settings.app}/*"),),
            ),
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
                policy=policy.document(policy.allow("Exec", _CHANNELS, ("*",), here)),
                opts=own,
            )
        self.register_outputs({})
