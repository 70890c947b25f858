"""What reaching a cluster needs in AWS; the rest is the Role of `shipit rbac`."""

import pytest

from shipit.errors import PreconditionError
from shipit.model.pipeline import EksTarget, GkeTarget, KubernetesTarget
from shipit.targets.kubernetes.target import KubernetesCluster


def test_eks_is_asked_for_one_cluster() -> None:
    settings = EksTarget(region="eu-west-1", cluster="prod", namespace="shop")
    (one,) = KubernetesCluster("eu", settings, "production", "shop", "/").permissions(
        None, "111122223333"
    )
    assert one.actions == ("eks:DescribeCluster",)
    assert one.resources == ("arn:aws:eks:eu-west-1:111122223333:cluster/prod",)


def test_without_an_account_it_says_what_to_name() -> None:
    settings = EksTarget(region="eu-west-1", cluster="prod")
    with pytest.raises(PreconditionError) as raised:
        KubernetesCluster("eu", settings, "production", "shop", "/").permissions(None, "")
    assert raised.value.next_step == "name it with --account"


@pytest.mark.parametrize("settings", [KubernetesTarget(), GkeTarget(project="a", location="b")])
def test_other_clusters_need_nothing_of_aws(settings: KubernetesTarget | GkeTarget) -> None:
    assert KubernetesCluster("x", settings, "qa", "shop", "/").permissions(None, "") == ()
