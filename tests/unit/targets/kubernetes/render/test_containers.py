"""A service's process: what it runs, with what, and as whom."""

from typing import Any

import pytest

from shipit.targets.kubernetes import names
from tests.unit.targets.kubernetes.render.conftest import Refused, Render


def test_command_and_variables_come_out_as_compose_has_them(web: Render) -> None:
    """Compose writes a `$` as `$$`; Kubernetes expands `$(NAME)`, and has `$$` for a `$`."""
    one = web(
        entrypoint=["sh", "-c"],
        command=["echo $$HOME $$(date) $$$$"],
        environment={"PRICE": "5$$", "NESTED": "$$(PRICE)", "FROM_SHELL": None, "EMPTY": ""},
        working_dir="/srv",
    ).container()
    assert one["command"] == ["sh", "-c"]
    assert one["args"] == ["echo $$HOME $$(date) $$$$"]  # echo $HOME $(date) $$, once expanded
    assert one["env"] == [
        {"name": "EMPTY", "value": ""},
        {"name": "NESTED", "value": "$$(PRICE)"},
        {"name": "PRICE", "value": "5$"},
    ]
    assert one["workingDir"] == "/srv"


def test_a_secret_is_a_variable_by_reference(web: Render) -> None:
    said = {"secrets": {"DB_PASSWORD": "shop-db/password"}}
    [variable] = web(**{"x-kubernetes": said}).container()["env"]
    reference = {"name": "shop-db", "key": "password"}
    assert variable == {"name": "DB_PASSWORD", "valueFrom": {"secretKeyRef": reference}}


def test_a_variable_has_one_value(refused: Refused) -> None:
    said = {"secrets": {"DB": "shop-db/password"}}
    error = refused({"web": {"environment": {"DB": "x"}, "x-kubernetes": said}})
    assert error.path == "services.web.x-kubernetes.secrets.DB"
    assert "x" not in str(error).split()
    error = refused({"web": {"x-kubernetes": {"secrets": {"DB": "shop-db"}}}})
    assert error.path == "services.web.x-kubernetes.secrets.DB"


def test_the_restricted_profile_is_the_default(web: Render) -> None:
    assert web().container()["securityContext"] == {
        "runAsNonRoot": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    pod = web().pod()
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ({"user": "1000"}, {"runAsUser": 1000, "runAsNonRoot": True}),
        ({"user": "1000:50"}, {"runAsUser": 1000, "runAsGroup": 50}),
        ({"user": "0"}, {"runAsUser": 0, "runAsNonRoot": False, "capabilities": None}),
        ({"user": "root"}, {"runAsUser": 0, "runAsNonRoot": False}),
        ({"user": "0", "cap_drop": ["ALL"]}, {"capabilities": {"drop": ["ALL"]}}),
        ({"read_only": True}, {"readOnlyRootFilesystem": True}),
        (
            {"cap_add": ["CAP_NET_BIND_SERVICE"]},
            {"capabilities": {"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]}},
        ),
        ({"cap_add": ["SYS_ADMIN"]}, {"allowPrivilegeEscalation": True}),
        (
            {"privileged": True},
            {"privileged": True, "allowPrivilegeEscalation": True, "runAsNonRoot": False},
        ),
        ({"security_opt": ["no-new-privileges:true"]}, {"allowPrivilegeEscalation": False}),
        ({"security_opt": ["no-new-privileges=false"]}, {"allowPrivilegeEscalation": True}),
        ({"security_opt": ["seccomp:unconfined"]}, {"seccompProfile": {"type": "Unconfined"}}),
        (
            {"security_opt": ["apparmor:shop"]},
            {"appArmorProfile": {"type": "Localhost", "localhostProfile": "shop"}},
        ),
        ({"security_opt": ["label:type:shop_t"]}, {"seLinuxOptions": {"type": "shop_t"}}),
    ],
)
def test_what_is_said_otherwise_is_honoured(
    web: Render, said: dict[str, Any], found: dict[str, Any]
) -> None:
    context = web(**said).container()["securityContext"]
    assert {key: context.get(key) for key in found} == found


@pytest.mark.parametrize(
    ("said", "path"),
    [
        ({"user": "node"}, "user"),
        ({"security_opt": ["seccomp:profile.json"]}, "security_opt[0]"),
        ({"group_add": ["5", "docker"]}, "group_add[1]"),
        ({"hostname": "Web.example"}, "hostname"),
        ({"extra_hosts": ["host.docker.internal=host-gateway"]}, "extra_hosts[0]"),
        ({"shm_size": "large"}, "shm_size"),
        ({"gpus": [{"count": -1}]}, "gpus[0].count"),
        ({"gpus": [{"count": 1, "device_ids": ["GPU-1"]}]}, "gpus[0]"),
        ({"post_start": [{"command": ["a"]}, {"command": ["b"]}]}, "post_start[1]"),
        ({"pre_stop": [{"command": ["a"], "user": "root"}]}, "pre_stop[0].user"),
    ],
)
def test_what_cannot_be_honoured_is_named(
    refused: Refused, said: dict[str, Any], path: str
) -> None:
    assert refused({"web": said}).path == f"services.web.{path}"


def test_resources(web: Render) -> None:
    said = {
        "limits": {"cpus": 1.5, "memory": "1073741824"},
        "reservations": {
            "cpus": "0.25",
            "memory": "104857600",
            "devices": [{"driver": "nvidia", "count": 2, "capabilities": ["gpu"]}],
        },
    }
    assert web(deploy={"resources": said}).container()["resources"] == {
        "limits": {"cpu": "1500m", "memory": "1Gi", "nvidia.com/gpu": "2"},
        "requests": {"cpu": "250m", "memory": "100Mi"},
    }
    old = web(cpus=2, mem_limit="536870912", mem_reservation="1000").container()["resources"]
    assert old == {"limits": {"cpu": "2", "memory": "512Mi"}, "requests": {"memory": "1000"}}


def test_a_healthcheck_is_three_probes(web: Render) -> None:
    check = {
        "test": ["CMD-SHELL", "curl -f localhost || exit $$?"],
        "interval": "10s",
        "timeout": "2s",
        "retries": 4,
        "start_period": "1m",
        "start_interval": "2s",
    }
    one = web(healthcheck=check).container()
    action = {"exec": {"command": ["/bin/sh", "-c", "curl -f localhost || exit $?"]}}
    steady = {**action, "periodSeconds": 10, "timeoutSeconds": 2, "failureThreshold": 4}
    assert one["readinessProbe"] == steady
    assert one["livenessProbe"] == steady
    # No failure counts in the first minute, and then four at 10 s each.
    starting = {"periodSeconds": 2, "timeoutSeconds": 2, "failureThreshold": 50}
    assert one["startupProbe"] == {**action, **starting}


def test_a_check_by_its_words_alone_has_composes_times(web: Render) -> None:
    probe = web(healthcheck={"test": ["CMD", "true"]}).container()["readinessProbe"]
    assert (probe["periodSeconds"], probe["timeoutSeconds"], probe["failureThreshold"]) == (
        *(30, 30),
        3,
    )
    probe = web(healthcheck={"test": ["CMD", "true"], "interval": "500ms"}).container()
    assert probe["readinessProbe"]["periodSeconds"] == 1


@pytest.mark.parametrize("check", [{"disable": True}, {"test": ["NONE"]}])
def test_no_check_is_no_probe(web: Render, check: dict[str, Any]) -> None:
    assert (
        not {"startupProbe", "readinessProbe", "livenessProbe"}
        & web(healthcheck=check).container().keys()
    )


@pytest.mark.parametrize(
    ("said", "action"),
    [
        ({"http": {"port": 80, "path": "/up"}}, {"httpGet": {"port": 80, "path": "/up"}}),
        ({"tcp": 5432}, {"tcpSocket": {"port": 5432}}),
        ({"grpc": 9000}, {"grpc": {"port": 9000}}),
    ],
)
def test_a_probe_can_ask_from_outside(
    web: Render, said: dict[str, Any], action: dict[str, Any]
) -> None:
    check = {"test": ["CMD", "curl"], "interval": "7s"}
    one = web(healthcheck=check, **{"x-kubernetes": {"probes": said}}).container()
    assert action.items() <= one["readinessProbe"].items()
    assert "exec" not in one["readinessProbe"]
    assert one["livenessProbe"]["periodSeconds"] == 7


def test_what_is_unhealthy_need_not_be_started_again(web: Render) -> None:
    said = {"probes": {"liveness": False}}
    one = web(healthcheck={"test": ["CMD", "true"]}, **{"x-kubernetes": said}).container()
    assert "readinessProbe" in one
    assert "livenessProbe" not in one


def test_a_probe_asks_in_one_way(refused: Refused) -> None:
    error = refused({"web": {"x-kubernetes": {"probes": {"tcp": 1, "grpc": 2}}}})
    assert error.path == "services.web.x-kubernetes.probes"


def test_how_it_starts_and_stops(web: Render) -> None:
    made = web(
        stop_grace_period="1m30s",
        post_start=[{"command": ["warm", "$$up"]}],
        pre_stop=[{"command": ["drain"]}],
        tty=True,
        stdin_open=True,
    )
    assert made.pod()["terminationGracePeriodSeconds"] == 90
    assert made.container()["lifecycle"] == {
        "postStart": {"exec": {"command": ["warm", "$up"]}},
        "preStop": {"exec": {"command": ["drain"]}},
    }
    assert (made.container()["tty"], made.container()["stdin"]) == (True, True)
    drained = web(**{"x-kubernetes": {"drain": "5s"}}).container()["lifecycle"]
    assert drained == {"preStop": {"sleep": {"seconds": 5}}}


def test_the_pod(web: Render) -> None:
    pod = web(
        hostname="shop",
        extra_hosts=["db.test=10.0.0.7", "db2.test:10.0.0.7", "v6.test=::1"],
        dns=["1.1.1.1"],
        dns_search=["test"],
        dns_opt=["ndots:1", "rotate"],
        sysctls={"net.core.somaxconn": "1024"},
        group_add=["44"],
        init=True,
        pid="host",
        ipc="host",
        runtime="gvisor",
        **{
            "x-kubernetes": {
                "pull_secrets": ["registry"],
                "tolerations": [{"key": "gpu", "operator": "Exists"}],
                "priority_class": "high",
                "node_selector": {"pool": "web"},
                "fs_group": 7,
            }
        },
    ).pod()
    assert pod["hostname"] == "shop"
    assert pod["hostAliases"] == [
        {"ip": "10.0.0.7", "hostnames": ["db.test", "db2.test"]},
        {"ip": "::1", "hostnames": ["v6.test"]},
    ]
    assert pod["dnsConfig"] == {
        "nameservers": ["1.1.1.1"],
        "searches": ["test"],
        "options": [{"name": "ndots", "value": "1"}, {"name": "rotate"}],
    }
    assert pod["securityContext"] == {
        "sysctls": [{"name": "net.core.somaxconn", "value": "1024"}],
        "supplementalGroups": [44],
        "fsGroup": 7,
        "fsGroupChangePolicy": "OnRootMismatch",
    }
    assert pod["shareProcessNamespace"] is True  # the pause process reaps, as an init would
    assert (pod["hostPID"], pod["hostIPC"]) == (True, True)
    assert pod["runtimeClassName"] == "gvisor"
    assert pod["imagePullSecrets"] == [{"name": "registry"}]
    assert pod["tolerations"] == [{"key": "gpu", "operator": "Exists"}]
    assert pod["priorityClassName"] == "high"
    assert pod["nodeSelector"] == {"pool": "web"}


def test_ports_below_1024_are_open_to_who_is_not_root(web: Render) -> None:
    """As Docker has it since 20.10."""
    low: dict[str, Any] = {"ports": [{"target": 80}]}
    opened = {"sysctls": [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}]}
    assert web(**low).pod()["securityContext"] == opened
    assert "securityContext" not in web(ports=[{"target": 8080}]).pod()
    assert "securityContext" not in web(**low, user="0").pod()
    # A pod in its machine's network cannot set it.
    assert "securityContext" not in web(**low, network_mode="host", networks=None).pod()


def test_labels_and_annotations_are_called_as_compose_calls_them(web: Render) -> None:
    made = web(
        labels={"team": "shop", "traefik.rule": "Host(`shop.test`)"},
        annotations={"note": "5 $$"},
        deploy={"labels": {"tier": "front"}},
    )
    metadata = made.of("Deployment")["spec"]["template"]["metadata"]
    assert metadata["labels"]["team"] == "shop"
    assert metadata["annotations"] == {"traefik.rule": "Host(`shop.test`)", "note": "5 $"}
    assert made.of("Deployment")["metadata"]["labels"]["tier"] == "front"
    assert "team" not in made.of("Deployment")["spec"]["selector"]["matchLabels"]


@pytest.mark.parametrize("key", [names.NAME, "app.kubernetes.io/name", "shipit.dev/x", "a b", "/x"])
def test_a_label_that_cannot_be_is_refused(refused: Refused, key: str) -> None:
    assert refused({"web": {"labels": {key: "x"}}}).path == f"services.web.labels.{key}"


@pytest.mark.parametrize(
    ("said", "platforms", "selector"),
    [
        (
            {"platform": "linux/arm64"},
            [],
            {"kubernetes.io/os": "linux", "kubernetes.io/arch": "arm64"},
        ),
        ({}, ["linux/amd64"], {"kubernetes.io/arch": "amd64"}),
        ({}, ["linux/amd64", "linux/arm64"], None),
        ({}, [], None),
    ],
)
def test_pods_go_where_their_image_runs(
    rendered: Render, said: dict[str, Any], platforms: list[str], selector: dict[str, str] | None
) -> None:
    made = rendered({"web": said}, platforms={"web": platforms})
    assert made.pod().get("nodeSelector") == selector


def test_placement(web: Render) -> None:
    placement = {
        "constraints": [
            "node.labels.disk == ssd",
            "node.platform.arch==x86_64",
            "node.hostname!=old-1",
        ],
        "preferences": [{"spread": "node.labels.topology.kubernetes.io/zone"}],
    }
    pod = web(deploy={"placement": placement}).pod()
    assert pod["nodeSelector"] == {"disk": "ssd", "kubernetes.io/arch": "amd64"}
    required = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    expression = {"key": "kubernetes.io/hostname", "operator": "NotIn", "values": ["old-1"]}
    assert required == {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
    [spread] = pod["topologySpreadConstraints"]
    assert spread["topologyKey"] == "topology.kubernetes.io/zone"


def test_swarms_own_roles_are_refused(refused: Refused) -> None:
    placement = {"constraints": ["node.labels.a==b", "node.role == manager"]}
    error = refused({"web": {"deploy": {"placement": placement}}})
    assert error.path == "services.web.deploy.placement.constraints[1]"


def test_an_image_that_is_not_there_for_the_platform(refused: Refused) -> None:
    error = refused({"web": {"platform": "linux/arm64"}}, platforms={"web": ["linux/amd64"]})
    assert error.path == "services.web.platform"


@pytest.mark.parametrize(
    ("said", "pod"),
    [
        (None, {"automountServiceAccountToken": False}),
        ({"name": "robot"}, {"serviceAccountName": "robot"}),
        ({"annotations": {"role": "r"}, "token": True}, {"automountServiceAccountToken": True}),
    ],
)
def test_accounts(web: Render, said: dict[str, Any] | None, pod: dict[str, Any]) -> None:
    made = web(**{"x-kubernetes": {"service_account": said}})
    assert pod.items() <= made.pod().items()
    accounts = [o for o in made.rendered.objects if o["kind"] == "ServiceAccount"]
    assert bool(accounts) == bool(said and "annotations" in said)
    for account in accounts:
        assert account["metadata"]["annotations"]["role"] == "r"
        assert made.pod()["serviceAccountName"] == account["metadata"]["name"]


def test_a_wait_runs_in_the_dependencys_own_image(rendered: Render) -> None:
    """It has what tells that it is there; and the kubelet asks again until it does."""
    wait = {"db": ["pg_isready", "-h", "db"]}
    made = rendered(
        {
            "web": {
                "depends_on": {"db": {"condition": "service_healthy", "required": True}},
                "x-kubernetes": {"wait": wait},
            },
            "db": {"user": "70"},
        }
    )
    [init] = made.pod()["initContainers"]
    assert init["image"] == made.container("db")["image"]
    assert init["command"] == wait["db"]
    assert init["securityContext"]["runAsUser"] == 70
    assert not made.notes


def test_an_order_that_nothing_keeps_is_said(rendered: Render) -> None:
    edges = {"db": {"condition": "service_healthy", "required": True, "restart": True}}
    [order, restart] = rendered({"web": {"depends_on": edges}, "db": {}}).notes
    assert order.startswith("services.web.depends_on.db: Kubernetes starts all at once")
    assert restart.startswith("services.web.depends_on.db.restart has no effect")


@pytest.mark.parametrize(("wait", "step"), [({"cache": ["x"]}, "cache"), ({"db": []}, "db")])
def test_a_wait_for_nothing_is_refused(refused: Refused, wait: dict[str, Any], step: str) -> None:
    edges = {"db": {"condition": "service_started"}}
    error = refused({"web": {"depends_on": edges, "x-kubernetes": {"wait": wait}}, "db": {}})
    assert error.path == f"services.web.x-kubernetes.wait.{step}"


def test_a_command_that_completes_is_marked_as_one(refused: Refused) -> None:
    edges = {"migrate": {"condition": "service_completed_successfully"}}
    error = refused({"web": {"depends_on": edges}, "migrate": {}})
    assert error.path == "services.web.depends_on.migrate.condition"
    assert "x-shipit: {run: before}" in error.next_step
