"""How services are reached: by one another, from outside, and by whom not."""

from typing import Any

import pytest

from shipit.model.deployment import Action, Observed
from shipit.targets.kubernetes import names
from shipit.targets.kubernetes.plan import plan
from tests.unit.targets.kubernetes.render.conftest import SETTING, Cluster, Refused, Render, desired

HTTP = {"ports": [{"target": 8080, "published": "80", "protocol": "tcp", "name": "http"}]}


def test_a_service_is_reached_at_the_containers_port(web: Render) -> None:
    ports = [
        {"target": 8080, "published": "80", "name": "http", "app_protocol": "http"},
        {"target": 53, "protocol": "udp"},
    ]
    made = web(ports=ports, expose=["9000", "9100-9101/tcp", "8080"])
    spec = made.of("Service")["spec"]
    assert spec["selector"] == {names.NAME: "web", names.INSTANCE: "shop-dev"}
    assert "clusterIP" not in spec
    assert spec["ports"][0] == {
        "name": "http",
        "port": 8080,
        "targetPort": 8080,
        "protocol": "TCP",
        "appProtocol": "http",
    }
    found = [(p["name"], p["port"], p["protocol"]) for p in spec["ports"][1:]]
    assert found == [
        ("udp-53", 53, "UDP"),
        ("tcp-9000", 9000, "TCP"),
        ("tcp-9100", 9100, "TCP"),
        ("tcp-9101", 9101, "TCP"),
    ]
    assert [p["containerPort"] for p in made.container()["ports"]] == [8080, 53, 9000, 9100, 9101]


def test_one_that_names_no_port_is_reached_at_any(web: Render) -> None:
    """Compose's services reach one another at ports that nobody wrote down."""
    spec = web().of("Service")["spec"]
    assert spec["clusterIP"] == "None"
    assert "ports" not in spec


def test_dnsrr_is_the_pods_themselves(web: Render) -> None:
    assert (
        web(**HTTP, deploy={"endpoint_mode": "dnsrr"}).of("Service")["spec"]["clusterIP"] == "None"
    )


def test_every_name_that_it_has(web: Render) -> None:
    made = web(
        **HTTP,
        networks={"default": {"aliases": ["shop", "web"]}, "back": {"aliases": ["api"]}},
        container_name="front",
    )
    assert made.names("Service") == ["web", "shop", "api", "front"]
    selectors = {
        str(made.of("Service", name)["spec"]["selector"]) for name in made.names("Service")
    }
    assert len(selectors) == 1


@pytest.mark.parametrize(
    ("services", "path"),
    [
        (
            {"web": {"networks": {"default": {"aliases": ["my_api"]}}}},
            "web.networks.default.aliases",
        ),
        ({"web": {"container_name": "My_Web"}}, "web.container_name"),
        (
            {"web": {"networks": {"default": {"aliases": ["db"]}}}, "db": {}},
            "web.networks.default.aliases",
        ),
        (
            {
                "web": {"networks": {"default": {"aliases": ["api"]}}},
                "db": {"networks": {"default": {"aliases": ["api"]}}},
            },
            "db.networks",
        ),
        ({"web": {"links": ["db:database"]}, "db": {}}, "web.links[0]"),
        ({"my_web": {}}, "my_web"),
        ({"w" * 53: {}}, "w" * 53),
        ({"web": {**HTTP, "x-kubernetes": {"publish": {}}}, "web-public": {}}, "web-public"),
        ({"9web": {}}, "9web"),
        ({"web": {"ports": [{"target": 80, "name": "Admin Page"}]}}, "web.ports[0].name"),
    ],
)
def test_names_that_none_can_have(refused: Refused, services: dict[str, Any], path: str) -> None:
    assert refused(services).path == f"services.{path}"


def test_a_link_by_its_own_name_is_nothing_more(rendered: Render) -> None:
    assert rendered({"web": {"links": ["db", "db:db"]}, "db": {}}).names("Service") == ["web", "db"]


def test_a_port_of_the_machine(web: Render) -> None:
    made = web(ports=[{"target": 80, "published": "8080", "mode": "host"}])
    assert made.container()["ports"][0]["hostPort"] == 8080
    assert not made.notes


def test_what_is_published_is_said_to_stay_inside(web: Render) -> None:
    [note] = web(**HTTP).notes
    assert note.startswith("services.web.ports: 80 is not reached from outside")


def test_published_by_a_service_of_its_own(web: Render) -> None:
    said = {"publish": {"annotations": {"cloud": "internal"}}}
    made = web(**HTTP, expose=["9000"], **{"x-kubernetes": said})
    public = made.of("Service", "web-public")
    assert public["spec"]["type"] == "LoadBalancer"
    assert [(p["port"], p["targetPort"]) for p in public["spec"]["ports"]] == [(80, 8080)]
    assert public["metadata"]["annotations"]["cloud"] == "internal"
    assert "type" not in made.of("Service", "web")["spec"]
    assert not made.notes


def test_nothing_to_publish(refused: Refused) -> None:
    assert refused({"web": {"x-kubernetes": {"publish": {}}}}).path == "services.web.ports"


def test_an_ingress(web: Render) -> None:
    said = {
        "ingress": {
            "hosts": ["shop.test", "www.shop.test"],
            "class": "nginx",
            "tls": "shop-tls",
            "annotations": {"a": "b"},
        }
    }
    made = web(**HTTP, **{"x-kubernetes": said})
    one = made.of("Ingress")
    assert one["metadata"]["annotations"]["a"] == "b"
    assert one["spec"]["ingressClassName"] == "nginx"
    assert one["spec"]["tls"] == [
        {"secretName": "shop-tls", "hosts": ["shop.test", "www.shop.test"]}
    ]
    assert [rule["host"] for rule in one["spec"]["rules"]] == ["shop.test", "www.shop.test"]
    [path] = one["spec"]["rules"][0]["http"]["paths"]
    assert path["backend"]["service"] == {"name": "web", "port": {"number": 8080}}
    assert not made.notes


def test_an_ingress_for_every_host(web: Render) -> None:
    made = web(**HTTP, **{"x-kubernetes": {"ingress": {"path": "/shop"}}})
    [rule] = made.of("Ingress")["spec"]["rules"]
    assert "host" not in rule
    assert rule["http"]["paths"][0]["path"] == "/shop"


def test_a_route(web: Render) -> None:
    said = {"route": {"gateway": "infra/public", "hosts": ["shop.test"], "section": "https"}}
    spec = web(**HTTP, **{"x-kubernetes": said}).of("HTTPRoute")["spec"]
    assert spec["parentRefs"] == [{"name": "public", "namespace": "infra", "sectionName": "https"}]
    assert spec["hostnames"] == ["shop.test"]
    assert spec["rules"][0]["backendRefs"] == [{"name": "web", "port": 8080}]


@pytest.mark.parametrize(
    ("definition", "said", "path"),
    [
        ({}, {"ingress": {}}, "ingress.port"),
        (HTTP, {"ingress": {"port": 81}}, "ingress.port"),
        (HTTP, {"route": {"gateway": "/public"}}, "route.gateway"),
        (HTTP, {"route": {}}, "route"),
        (HTTP, {"ingres": {}}, "ingres"),
    ],
)
def test_a_way_in_that_leads_nowhere(
    refused: Refused, definition: dict[str, Any], said: dict[str, Any], path: str
) -> None:
    found = refused({"web": {**definition, "x-kubernetes": said}}).path
    assert found == f"services.web.x-kubernetes.{path}"


def _peers(made: Cluster, service: str) -> set[str]:
    """Who may connect to a service at any port."""
    first = made.of("NetworkPolicy", service)["spec"]["ingress"][0]["from"][0]["podSelector"]
    assert first["matchLabels"] == {names.INSTANCE: "shop-dev"}
    return {v for v in first["matchExpressions"][0]["values"] if not v.endswith(".run")}


def test_one_network_keeps_nothing_apart(rendered: Render) -> None:
    assert "NetworkPolicy" not in rendered({"web": {}, "db": {}}).kinds


def test_services_without_a_network_in_common_are_kept_apart(rendered: Render) -> None:
    made = rendered(
        {
            "web": {**HTTP, "networks": {"front": None}},
            "api": {"networks": {"front": None, "back": None}},
            "db": {"networks": {"back": None}},
        }
    )
    assert _peers(made, "web") == {"web", "api"}
    assert _peers(made, "api") == {"web", "api", "db"}
    assert _peers(made, "db") == {"api", "db"}
    # What is published is open to everybody, as in Compose.
    [_, published] = made.of("NetworkPolicy", "web")["spec"]["ingress"]
    assert published == {"ports": [{"port": 8080, "protocol": "TCP"}]}
    assert len(made.of("NetworkPolicy", "db")["spec"]["ingress"]) == 1
    assert made.of("NetworkPolicy", "db")["spec"]["policyTypes"] == ["Ingress"]


def test_an_internal_network_reaches_nothing_else(rendered: Render) -> None:
    made = rendered(
        {"web": {"networks": {"front": None, "back": None}}, "db": {"networks": {"back": None}}},
        networks={"back": {"internal": True}},
    )
    spec = made.of("NetworkPolicy", "db")["spec"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    [peers, dns] = spec["egress"]
    assert peers["to"][0]["podSelector"]["matchExpressions"][0]["values"] == [
        *("db", "db.run", "web", "web.run")
    ]
    assert {p["port"] for p in dns["ports"]} == {53}
    assert made.of("NetworkPolicy", "web")["spec"]["policyTypes"] == ["Ingress"]


def test_what_runs_once_has_its_networks_too(rendered: Render) -> None:
    made = rendered(
        {
            "web": {"networks": {"front": None}},
            "db": {"networks": {"back": None}},
            "migrate": {"networks": {"back": None}, "x-shipit": {"run": "before"}},
        }
    )
    assert _peers(made, "db") == {"db", "migrate"}


def test_what_a_gateway_sends_arrives(rendered: Render) -> None:
    said = {"route": {"gateway": "public"}}
    made = rendered(
        {
            "web": {"expose": ["8080"], "networks": {"front": None}, "x-kubernetes": said},
            "db": {"networks": {"back": None}},
        }
    )
    assert made.of("NetworkPolicy", "web")["spec"]["ingress"][1]["ports"] == [
        {"port": 8080, "protocol": "TCP"}
    ]


def test_in_the_machines_own_network(web: Render) -> None:
    pod = web(network_mode="host", networks=None).pod()
    assert (pod["hostNetwork"], pod["dnsPolicy"]) == (True, "ClusterFirstWithHostNet")


@pytest.mark.parametrize(
    "beside", [{"network_mode": "service:web"}, {"x-kubernetes": {"pod": "web"}}]
)
def test_beside_another_one_in_its_pods(rendered: Render, beside: dict[str, Any]) -> None:
    made = rendered(
        {
            "web": {**HTTP, "volumes": [{"type": "volume", "source": "data", "target": "/d"}]},
            "proxy": {"user": "101", "tmpfs": ["/tmp"], **beside},
        },
        volumes={"data": {}},
    )
    assert [c["name"] for c in made.pod()["containers"]] == ["web", "proxy"]
    assert made.container("web")["image"] != made.pod()["containers"][1]["image"]
    assert made.kinds.count("StatefulSet") == 1
    assert "Deployment" not in made.kinds
    assert made.rendered.beside == {"proxy": "web"}
    assert len(made.pod()["volumes"]) == 2
    template = made.rendered.workloads["web"]["spec"]["template"]
    assert template["metadata"]["annotations"] == {"shipit.dev/services": "web,proxy"}
    if "x-kubernetes" in beside:  # it keeps its name, which leads to the same pods
        proxy = made.of("Service", "proxy")["spec"]
        assert proxy["selector"] == made.of("Service", "web")["spec"]["selector"]
    else:
        assert made.names("Service") == ["web"]


@pytest.mark.parametrize(
    ("definition", "path"),
    [
        ({"x-kubernetes": {"pod": "api"}}, "x-kubernetes.pod"),
        ({"network_mode": "service:api"}, "network_mode"),
        ({"x-kubernetes": {"pod": "web"}, "hostname": "p"}, "hostname"),
        ({"x-kubernetes": {"pod": "web", "autoscale": {"max": 2}}}, "x-kubernetes.autoscale"),
        ({"x-kubernetes": {"pod": "web"}, "deploy": {"replicas": 2}}, "deploy.replicas"),
        ({"x-kubernetes": {"pod": "web"}, "deploy": {"mode": "global"}}, "deploy.mode"),
        ({"x-kubernetes": {"pod": "web"}, "labels": {"a": "b"}}, "labels"),
        ({"x-kubernetes": {"pod": "web", "tolerations": [{}]}}, "x-kubernetes.tolerations"),
    ],
)
def test_what_cannot_be_beside_another_one(
    refused: Refused, definition: dict[str, Any], path: str
) -> None:
    assert refused({"web": {}, "proxy": definition}).path == f"services.proxy.{path}"


def test_who_is_beside_another_one_is_in_the_plan() -> None:
    wanted = desired({"web": HTTP, "proxy": {"network_mode": "service:web"}})
    found = plan("default", wanted, Observed({}, "f"), SETTING, "set")
    assert [(c.service, c.action, c.image) for c in found.changes] == [
        (name, Action.CREATE, wanted.images[name].reference) for name in ("web", "proxy")
    ]
    [published] = found.notes
    assert published.startswith("services.web.ports")
