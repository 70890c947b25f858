"""IAM documents, each statement with what it is for."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pulumi
import pulumi_aws as aws

Resource = pulumi.Input[str]
Statement = pulumi.Output[dict[str, Any]]
Arn = Callable[[str, pulumi.Input[str]], pulumi.Output[str]]


def trust(service: str, actions: Sequence[str] = ("sts:AssumeRole",)) -> str:
    """That a service of AWS may take the role."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": list(actions),
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def allow(
    sid: str,
    actions: Sequence[str],
    resources: Sequence[Resource],
    condition: Mapping[str, Any] | None = None,
) -> Statement:
    statement: dict[str, Any] = {"Sid": sid, "Effect": "Allow", "Action": list(actions)}
    if condition:
        statement["Condition"] = dict(condition)
    return pulumi.Output.all(*resources).apply(lambda found: {**statement, "Resource": found})


def document(*statements: Statement) -> pulumi.Output[str]:
    return pulumi.Output.all(*statements).apply(
        lambda found: json.dumps({"Version": "2012-10-17", "Statement": found})
    )


def arns(region: str, opts: pulumi.InvokeOptions) -> Arn:
    """Makes ARNs of this account and region, from a service and what follows."""
    account = aws.get_caller_identity_output(opts=opts).account_id

    def arn(service: str, rest: pulumi.Input[str]) -> pulumi.Output[str]:
        where = "" if service == "iam" else region
        return pulumi.Output.concat("arn:aws:", service, ":", where, ":", account, ":", rest)

    return arn
