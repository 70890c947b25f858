"""What reaching an EKS cluster needs of IAM. What is inside it is the Role of `shipit rbac`."""

import os

from shipit.errors import PreconditionError
from shipit.model.permission import Permission, partition_of
from shipit.model.pipeline import EksTarget


def needed(settings: EksTarget, account: str) -> Permission:
    """One action: the token of a cluster is a signature, and asks for no permission.

    Raises PreconditionError when neither the settings nor the caller say where it is.
    """
    region = settings.region or os.environ.get("AWS_REGION", "")
    for what, value in (("AWS account", account), ("AWS region", region)):
        if not value:
            raise PreconditionError(
                f"which {what} is the cluster {settings.cluster} in?",
                next_step="name it with --account"
                if what == "AWS account"
                else "write target: {eks: {region: …}}",
            )
    arn = f"arn:{partition_of(region)}:eks:{region}:{account}:cluster/{settings.cluster}"
    return Permission("find the cluster", ("eks:DescribeCluster",), (arn,))
