"""What changes an object, told without the server, and in words."""

from copy import deepcopy
from typing import Any

import pytest

from shipit.targets.kubernetes import readable
from shipit.targets.kubernetes.compare import same

Json = dict[str, Any]
WANTED: Json = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {
        "name": "web",
        "labels": {"app": "web"},
        "annotations": {"shipit.dev/release": "r2", "shipit.dev/digest": "sha256:2"},
    },
    "spec": {
        "replicas": 2,
        "template": {
            "spec": {
                "containers": [
                    {
                        "name": "web",
                        "image": "registry.test/web@sha256:1",
                        "args": ["serve", "now"],
                        "env": [{"name": "COLOUR", "value": "blue"}],
                        "ports": [{"containerPort": 80}],
                    }
                ]
            }
        },
    },
}
OWNED: Json = {
    "f:metadata": {"f:labels": {"f:app": {}}, "f:annotations": {"f:shipit.dev/release": {}}},
    "f:spec": {
        "f:replicas": {},
        "f:template": {
            "f:spec": {
                "f:containers": {
                    'k:{"name":"web"}': {
                        ".": {},
                        "f:name": {},
                        "f:image": {},
                        "f:args": {},
                        "f:env": {'k:{"name":"COLOUR"}': {".": {}, "f:name": {}, "f:value": {}}},
                        "f:ports": {
                            'k:{"containerPort":80,"protocol":"TCP"}': {
                                ".": {},
                                "f:containerPort": {},
                            }
                        },
                    }
                }
            }
        },
    },
}


def live() -> Json:
    """As the server has it: with its defaults, an injected sidecar, and another release's marks."""
    one = deepcopy(WANTED)
    one["metadata"] |= {
        "uid": "u1",
        "resourceVersion": "7",
        "annotations": {"shipit.dev/release": "r1", "deployment.kubernetes.io/revision": "3"},
        "managedFields": [{"manager": "shipit", "operation": "Apply", "fieldsV1": deepcopy(OWNED)}],
    }
    spec = one["spec"]["template"]["spec"]
    spec["containers"][0] |= {"imagePullPolicy": "Always"}
    spec["containers"][0]["ports"][0]["protocol"] = "TCP"
    spec["containers"].append({"name": "sidecar", "image": "mesh"})
    one["spec"]["strategy"] = {"type": "RollingUpdate"}
    one["status"] = {"replicas": 2}
    return one


def wanted(**container: Any) -> Json:
    one = deepcopy(WANTED)
    one["spec"]["template"]["spec"]["containers"][0] |= container
    return one


def test_what_the_server_and_others_added_is_no_change() -> None:
    assert same(WANTED, live())


@pytest.mark.parametrize(
    "change",
    [
        {"image": "registry.test/web@sha256:2"},
        {"args": ["serve"]},
        {"env": [{"name": "COLOUR", "value": "red"}]},
        {"env": []},
        {"env": [{"name": "COLOUR", "value": "blue"}, {"name": "SIZE", "value": "1"}]},
        {"ports": [{"containerPort": 81}]},
        {"workingDir": "/"},
    ],
)
def test_a_field_that_is_new_other_or_dropped_is_a_change(change: Json) -> None:
    assert not same(wanted(**change), live())


def test_what_others_put_into_a_value_that_is_one_is_a_change() -> None:
    """A selector and a list without keys are applied as a whole."""
    one, found = deepcopy(WANTED), live()
    one["spec"]["selector"] = {"app": "web"}
    one["spec"]["rules"] = [{"host": "a"}]
    owned = found["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]
    owned |= {"f:selector": {}, "f:rules": {}}
    found["spec"] |= {"selector": {"app": "web"}, "rules": [{"host": "a", "pathType": "Exact"}]}
    assert same(one, found)
    found["spec"]["rules"].append({"host": "b"})
    assert not same(one, found)
    found["spec"] |= {"selector": {"app": "web", "more": "1"}, "rules": [{"host": "a"}]}
    assert not same(one, found)


def test_a_field_that_we_drop_is_a_change() -> None:
    """Though all that is wanted is there: it would stay for ever."""
    one = deepcopy(WANTED)
    del one["spec"]["replicas"]
    assert not same(one, live())


def test_what_we_never_applied_is_not_ours_yet() -> None:
    found = live()
    found["metadata"]["managedFields"][0]["manager"] = "kubectl"
    assert not same(WANTED, found)
    found["metadata"]["managedFields"][0] |= {"manager": "shipit", "operation": "Update"}
    assert not same(WANTED, found)


def test_a_change_reads_by_paths() -> None:
    before, after = live(), live()
    after["spec"]["replicas"] = 3
    after["spec"]["template"]["spec"]["containers"][0]["image"] = "registry.test/web@sha256:2"
    del after["spec"]["template"]["spec"]["containers"][1]
    after["metadata"] |= {"resourceVersion": "8", "generation": 9}
    assert readable.difference(before, after) == (
        "- Deployment web: spec.replicas: 2",
        "+ Deployment web: spec.replicas: 3",
        "- Deployment web: spec.template.spec.containers.sidecar.image: mesh",
        "- Deployment web: spec.template.spec.containers.web.image: registry.test/web@sha256:1",
        "+ Deployment web: spec.template.spec.containers.web.image: registry.test/web@sha256:2",
    )


def test_what_may_be_a_secret_is_not_shown() -> None:
    after = live()
    after["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"] = "hunter2"
    lines = readable.difference(live(), after)
    assert lines == (
        "- Deployment web: spec.template.spec.containers.web.env.COLOUR: (value not shown)",
        "+ Deployment web: spec.template.spec.containers.web.env.COLOUR: (value not shown)",
    )
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}
    found = readable.difference(
        {**secret, "data": {"a": "b2xk"}}, {**secret, "stringData": {"a": "n"}}
    )
    assert found == (
        "- Secret s: data.a: (value not shown)",
        "+ Secret s: stringData.a: (value not shown)",
    )


def test_against_what_is_wanted_only_that_is_looked_at() -> None:
    other = wanted(image="registry.test/web@sha256:2")
    lines = readable.difference(readable.narrowed(live(), other), other)
    assert lines == (
        "- Deployment web: spec.template.spec.containers.web.image: registry.test/web@sha256:1",
        "+ Deployment web: spec.template.spec.containers.web.image: registry.test/web@sha256:2",
    )
