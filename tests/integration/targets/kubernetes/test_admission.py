"""An API server that begins to say no in the middle: through the command, on the real plane.

Whatever is refused is told in the policy's own words, with what has become of the rest."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.cluster import admission
from tests.fakes.cluster.checkout import Checkout
from tests.fakes.cluster.proxy import ApiProxy, Fault, meanwhile
from tests.fakes.command import refused
from tests.integration.targets.kubernetes.conftest import IMAGES, Place

pytestmark = [pytest.mark.cluster, pytest.mark.slow]
Json = dict[str, Any]
PORT = {"ports": [{"mode": "ingress", "target": 80, "published": "80", "protocol": "tcp"}]}
OTHER_PORT = {"ports": [{"mode": "ingress", "target": 81, "published": "81", "protocol": "tcp"}]}
DEPLOYMENT, SERVICE = "/deployments/", "/services/"
SAID, LATER = "not on a Friday", "not on a Monday"


@pytest.fixture
def app(place: Place, proxy: ApiProxy, tmp_path: Path) -> Checkout:
    """Releases 1 and 2 of web; 2 has another port, too. 1b is 1 with the image of 2."""
    made = Checkout(tmp_path, place.kubeconfig, place.namespace)
    made.release("1", {"web": (IMAGES["1"], PORT)})
    made.release("1b", {"web": (IMAGES["2"], PORT)})
    made.release("2", {"web": (IMAGES["2"], OTHER_PORT)})
    return made


@pytest.fixture
def begun() -> Iterator[ExitStack]:
    """Policies that end with the test."""
    with ExitStack() as stack:
        yield stack


def no_second_image(place: Place, begun: ExitStack, resource: str = "deployments") -> None:
    expression = f"!object.spec.template.spec.containers.exists(c, c.image.endsWith('{two()}'))"
    says = admission.policy(place.cluster.api, place.namespace, resource, expression, SAID)
    begun.enter_context(says)


def two() -> str:
    return IMAGES["2"].digest.hex


def at_the_first(proxy: ApiProxy, part: str, does: Callable[[], object]) -> None:
    """Change, and no rehearsal of one."""
    proxy.faults = [Fault(meanwhile(does), "PATCH", part, unlike="dryRun")]


def there(place: Place) -> dict[str, Json]:
    """What of the environment is in the namespace, without what is only written about it."""
    found = {}
    kinds = "deployment,service,networkpolicy,serviceaccount,configmap"
    for one in json.loads(place.kubectl("get", kinds, "-o", "json"))["items"]:
        if "shop-dev" in json.dumps(one["metadata"].get("labels") or {}) or (
            one["metadata"]["name"] == "shop-dev"
        ):
            found[f"{one['kind']}/{one['metadata']['name']}"] = one.get("spec") or {}
    return found


def images(place: Place) -> list[str]:
    path = "jsonpath={.spec.template.spec.containers[*].image}"
    return place.kubectl("get", "deployment/web", "-o", path).split()


def test_after_the_plan_and_before_the_first_change(
    place: Place, proxy: ApiProxy, app: Checkout, begun: ExitStack
) -> None:
    app.shipit.ok("deploy", "--env", "dev", "--release", "1")
    before = there(place)
    at_the_first(proxy, DEPLOYMENT, lambda: no_second_image(place, begun))
    ran = app.shipit("deploy", "--env", "dev", "--release", "1b")
    message = refused(ran, "Deployment/web: ", SAID, "nothing was changed", code=2)
    assert "ValidatingAdmissionPolicy" in message
    assert there(place) == before
    state = app.state()
    assert state.current is not None
    assert (state.current.release_id, state.active, state.hold) == ("1", None, None)
    assert state.recent[0].outcome == "failed"
    # From now on the plan itself says it, and once the policy is gone, it goes on.
    refused(app.shipit("deploy", "--env", "dev", "--release", "1b"), SAID, code=2)
    begun.close()
    app.shipit.ok("deploy", "--env", "dev", "--release", "1b")


def test_after_the_first_wave_it_is_rolled_back(
    place: Place, proxy: ApiProxy, app: Checkout, begun: ExitStack
) -> None:
    app.shipit.ok("deploy", "--env", "dev", "--release", "1")
    before = there(place)
    at_the_first(proxy, DEPLOYMENT, lambda: no_second_image(place, begun))
    ran = app.shipit("deploy", "--env", "dev", "--release", "2")
    message = refused(ran, "2 failed in dev, which is back on 1", SAID, code=4)
    assert "unfreeze dev" in message
    assert any("PATCH" in asked and SERVICE in asked for asked in proxy.seen)
    assert there(place) == before
    state = app.state()
    assert state.current is not None
    assert state.current.release_id == "1"
    assert state.hold is not None
    assert SAID in state.hold.reason


def test_a_first_deployment_leaves_nothing(
    place: Place, proxy: ApiProxy, app: Checkout, begun: ExitStack
) -> None:
    """Services and network policies were there already when the Deployment was refused."""
    at_the_first(proxy, DEPLOYMENT, lambda: no_second_image(place, begun))
    ran = app.shipit("deploy", "--env", "dev", "--release", "2")
    refused(ran, "nothing ran there before, so what came was removed", SAID, code=1)
    assert there(place) == {}
    assert app.state().hold is None


def test_a_first_deployment_of_which_nothing_is_taken_leaves_nothing(
    place: Place, proxy: ApiProxy, app: Checkout, begun: ExitStack
) -> None:
    """Not even the list of what would be there."""

    def all_of_it() -> None:
        for kind in ("services", "networkpolicies"):
            says = admission.policy(place.cluster.api, place.namespace, kind, "false", SAID)
            begun.enter_context(says)

    at_the_first(proxy, "/configmaps/", all_of_it)
    ran = app.shipit("deploy", "--env", "dev", "--release", "1")
    refused(ran, SAID, "nothing was changed", code=2)
    assert there(place) == {}


def test_the_list_of_what_is_there_may_be_refused_too(
    place: Place, proxy: ApiProxy, app: Checkout, begun: ExitStack
) -> None:
    """ConfigMaps need a label here that shipit's own does not have."""
    expression = "has(object.metadata.labels) && 'team' in object.metadata.labels"
    begun.enter_context(
        admission.policy(place.cluster.api, place.namespace, "configmaps", expression, SAID)
    )
    ran = app.shipit("deploy", "--env", "dev", "--release", "1")
    refused(ran, "ConfigMap/shop-dev", SAID, code=2)
    assert there(place) == {}
    assert app.state().interrupted is None


def test_what_may_not_be_taken_away_fails_the_deployment(
    place: Place, proxy: ApiProxy, app: Checkout, begun: ExitStack
) -> None:
    """The new ones are there, and an old one cannot go: it is undone, and not left half done."""
    app.release("3", {"api": (IMAGES["3"], PORT)})
    app.shipit.ok("deploy", "--env", "dev", "--release", "1")
    before = there(place)
    expression, only = "oldObject.metadata.name != 'web'", ("DELETE",)
    begun.enter_context(
        admission.policy(
            place.cluster.api, place.namespace, "services", expression, SAID, operations=only
        )
    )
    ran = app.shipit("deploy", "--env", "dev", "--release", "3")
    refused(ran, "3 failed in dev, which is back on 1", "Service/web: ", SAID, code=4)
    after = there(place)
    assert after.keys() == before.keys()
    assert after["Service/web"] == before["Service/web"]
    assert images(place) == [IMAGES["1"].reference]


def test_a_way_back_that_is_refused_too_is_told_with_its_reason(
    place: Place, proxy: ApiProxy, app: Checkout, begun: ExitStack
) -> None:
    app.shipit.ok("deploy", "--env", "dev", "--release", "1")

    def both() -> None:
        no_second_image(place, begun)
        expression = "object.spec.ports.all(p, p.port != 80)"
        begun.enter_context(
            admission.policy(place.cluster.api, place.namespace, "services", expression, LATER)
        )

    at_the_first(proxy, DEPLOYMENT, both)
    ran = app.shipit("deploy", "--env", "dev", "--release", "2")
    refused(ran, "going back to 1 failed too", SAID, "Service/web", LATER, code=1)
    state = app.state()
    assert state.hold is not None
    assert state.interrupted is None


@pytest.fixture
def webhook(place: Place, tmp_path: Path) -> Iterator[admission.Webhook]:
    with admission.Webhook(tmp_path, place.cluster.api, place.namespace) as made:
        yield made


def test_a_webhook_that_begins_to_refuse(
    place: Place, proxy: ApiProxy, app: Checkout, webhook: admission.Webhook
) -> None:
    app.shipit.ok("deploy", "--env", "dev", "--release", "1")
    webhook.seen.clear()

    def refuse() -> None:
        webhook.judge = lambda asked: SAID if two() in json.dumps(asked["object"]) else ""

    at_the_first(proxy, DEPLOYMENT, refuse)
    ran = app.shipit("deploy", "--env", "dev", "--release", "2")
    refused(ran, "which is back on 1", f"denied the request: {SAID}", code=4)
    assert webhook.seen[:2] == ["UPDATE*", "UPDATE"]  # rehearsed, and then meant


def test_a_webhook_that_fails_is_somebody_elses_trouble_and_told_at_once(
    place: Place, proxy: ApiProxy, app: Checkout, webhook: admission.Webhook
) -> None:
    app.shipit.ok("deploy", "--env", "dev", "--release", "1")
    before = there(place)

    def fail() -> None:
        webhook.is_down = True

    at_the_first(proxy, DEPLOYMENT, fail)
    ran = app.shipit("deploy", "--env", "dev", "--release", "1b")
    refused(ran, "failed calling webhook", "rules.shipit.test", "nothing was changed", code=2)
    meant = [a for a in proxy.seen if a.startswith("PATCH") and DEPLOYMENT in a]
    assert len([a for a in meant if "dryRun" not in a]) == 2  # of 1, and of 1b
    assert there(place) == before
    webhook.is_down = False
    proxy.faults = []
    app.shipit.ok("deploy", "--env", "dev", "--release", "1b")
