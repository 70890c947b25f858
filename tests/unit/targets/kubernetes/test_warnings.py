"""`Warning` headers: what an API server lets pass and has something to say about."""

from collections.abc import Iterator

import pytest

from shipit.targets.kubernetes.client import Cluster
from shipit.targets.kubernetes.reach.access import Access
from tests.fakes.kubernetes_api import Reply, ScriptedApi

WEB = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}}


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    with ScriptedApi() as found:
        yield found


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ('299 - "v1beta1 is deprecated"', ["v1beta1 is deprecated"]),
        ('299 - "one", 299 - "two"', ["one", "two"]),
        ('299 - "one", 299 - "one"', ["one"]),
        (r'299 - "would violate \"restricted\": \\"', ['would violate "restricted": \\']),
        ('199 proxy "stale"', []),
        ("", []),
    ],
)
def test_each_is_told_once_as_it_was_meant(api: ScriptedApi, header: str, told: list[str]) -> None:
    headers = {"Warning": header} if header else {}
    api.on("PATCH /apis/apps/v1/namespaces/shop/deployments/web", Reply(200, WEB, headers))
    cluster = Cluster(Access(server=api.address, name="the test's cluster"), "shop")
    heard: list[str] = []
    cluster.apply(WEB, heard=heard.extend)
    cluster.close()
    assert heard == told
