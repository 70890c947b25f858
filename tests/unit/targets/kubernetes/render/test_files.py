"""What a container finds in its file system."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.targets.kubernetes.render.conftest import Refused, Render

NIGHTLY = {"x-shipit": {"schedule": "0 3 * * *"}}
DATA = {"type": "volume", "source": "data", "target": "/data"}


def test_a_volume_is_one_claim_whoever_mounts_it(rendered: Render) -> None:
    many = {"data": {"name": "shop-dev_data", "x-kubernetes": {"access": "ReadWriteMany"}}}
    made = rendered(
        {"web": {"volumes": [DATA]}, "worker": {"volumes": [{**DATA, "read_only": True}]}},
        volumes=many,
    )
    claim = made.of("PersistentVolumeClaim")
    assert claim["metadata"]["name"] == "shop-dev-data"
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    for service, read_only in (("web", None), ("worker", True)):
        [volume] = made.pod(service)["volumes"]
        assert volume["persistentVolumeClaim"] == {"claimName": "shop-dev-data"}
        [mount] = made.container(service)["volumeMounts"]
        assert (mount["mountPath"], mount.get("readOnly")) == ("/data", read_only)


def test_its_size_and_class(rendered: Render) -> None:
    said = {"size": "10Gi", "class": "fast"}
    made = rendered({"db": {"volumes": [DATA]}}, volumes={"data": {"x-kubernetes": said}})
    spec = made.of("PersistentVolumeClaim")["spec"]
    assert spec["resources"] == {"requests": {"storage": "10Gi"}}
    assert spec["storageClassName"] == "fast"
    assert not made.notes
    left_out = rendered({"db": {"volumes": [DATA]}}, volumes={"data": {}})
    assert "storageClassName" not in left_out.of("PersistentVolumeClaim")["spec"]
    assert left_out.notes == (
        "volumes.data: 1Gi is asked for; x-kubernetes: {size: …} says another",
    )


@pytest.mark.parametrize(
    ("defined", "claim", "made"),
    [
        ({"external": True, "name": "old-data"}, "old-data", []),
        ({"name": "chosen"}, "chosen", ["chosen"]),
        (None, "shop-dev-data", ["shop-dev-data"]),
    ],
)
def test_a_claim_is_called(
    rendered: Render, defined: dict[str, Any] | None, claim: str, made: list[str]
) -> None:
    found = rendered({"db": {"volumes": [DATA]}}, volumes={"data": defined})
    assert found.pod("db")["volumes"][0]["persistentVolumeClaim"]["claimName"] == claim
    assert found.names("PersistentVolumeClaim") == made


def test_each_replica_can_have_its_own(rendered: Render) -> None:
    volumes = {"data": {"x-kubernetes": {"each": True, "size": "5Gi"}}}
    made = rendered({"db": {"volumes": [DATA], "deploy": {"replicas": 3}}}, volumes=volumes)
    spec = made.of("StatefulSet")["spec"]
    [template] = spec["volumeClaimTemplates"]
    assert template["spec"]["resources"] == {"requests": {"storage": "5Gi"}}
    # They cannot be changed later: nothing that moves with a release may be in them.
    assert "annotations" not in template["metadata"]
    assert "volumes" not in made.pod("db")
    assert made.container("db")["volumeMounts"][0]["name"] == template["metadata"]["name"]
    assert not made.names("PersistentVolumeClaim")


@pytest.mark.parametrize("said", [{"size": "5Gi"}, {"class": "fast"}, {"each": True}])
def test_a_claim_that_is_there_has_its_own_size(refused: Refused, said: dict[str, Any]) -> None:
    defined = {"external": True, "x-kubernetes": said}
    error = refused({"db": {"volumes": [DATA]}}, volumes={"data": defined})
    assert error.path == f"volumes.data.x-kubernetes.{next(iter(said))}"


@pytest.mark.parametrize("deploy", [{"replicas": 2}, {"mode": "global"}])
def test_several_pods_cannot_share_what_one_node_has(
    refused: Refused, deploy: dict[str, Any]
) -> None:
    error = refused({"db": {"volumes": [DATA], "deploy": deploy}}, volumes={"data": {}})
    assert error.path == "volumes.data"
    assert "ReadWriteMany" in error.next_step


def test_who_is_not_root_may_write_to_a_new_claim(rendered: Render) -> None:
    for user, group in (("999", 999), ("999:50", 50)):
        made = rendered({"db": {"volumes": [DATA], "user": user}}, volumes={"data": {}})
        assert made.pod("db")["securityContext"]["fsGroup"] == group
    root = rendered({"db": {"volumes": [DATA], "user": "0"}}, volumes={"data": {}})
    assert "securityContext" not in root.pod("db")
    assert "securityContext" not in rendered({"web": {"user": "999"}}).pod()


def test_a_part_of_a_volume(rendered: Render) -> None:
    mount = {**DATA, "volume": {"subpath": "uploads"}}
    made = rendered({"web": {"volumes": [mount]}}, volumes={"data": {}})
    assert made.container()["volumeMounts"][0]["subPath"] == "uploads"


def test_room_of_its_own(web: Render) -> None:
    made = web(
        tmpfs=["/tmp:size=64m,mode=1777", "/run"],
        volumes=[
            {"type": "tmpfs", "target": "/cache", "tmpfs": {"size": "1048576"}},
            {"type": "volume", "target": "/scratch"},
        ],
        shm_size="67108864",
    )
    rooms = {v["name"]: v["emptyDir"] for v in made.pod()["volumes"]}
    found = {m["mountPath"]: rooms[m["name"]] for m in made.container()["volumeMounts"]}
    assert found == {
        "/cache": {"medium": "Memory", "sizeLimit": "1Mi"},
        "/scratch": {},
        "/tmp": {"medium": "Memory", "sizeLimit": "64Mi"},
        "/run": {"medium": "Memory"},
        "/dev/shm": {"medium": "Memory", "sizeLimit": "64Mi"},
    }


def test_a_config_is_a_file_and_its_name_moves_with_its_content(rendered: Render) -> None:
    entry = {"source": "site", "target": "/etc/nginx/conf.d/site.conf", "mode": "0440"}

    def made(content: str) -> Any:
        return rendered({"web": {"configs": [entry]}}, configs={"site": {"content": content}})

    one = made("listen $$port;")
    config_map = one.of("ConfigMap")
    assert config_map["data"] == {"content": "listen $port;"}
    assert config_map["immutable"] is True
    [volume] = one.pod()["volumes"]
    assert volume["configMap"] == {
        "name": config_map["metadata"]["name"],
        "items": [{"key": "content", "path": "content", "mode": 0o440}],
    }
    [mount] = one.container()["volumeMounts"]
    assert (mount["mountPath"], mount["subPath"]) == (entry["target"], "content")
    assert made("listen 80;").of("ConfigMap")["metadata"]["name"] != config_map["metadata"]["name"]


def test_a_config_of_the_clusters_own(rendered: Render) -> None:
    defined = {"external": True, "name": "site", "x-kubernetes": {"key": "site.conf"}}
    made = rendered({"web": {"configs": [{"source": "c"}]}}, configs={"c": defined})
    assert made.pod()["volumes"][0]["configMap"]["name"] == "site"
    [mount] = made.container()["volumeMounts"]
    assert (mount["mountPath"], mount["subPath"]) == ("/c", "site.conf")
    assert "ConfigMap" not in made.kinds


@pytest.mark.parametrize("key", ["file", "environment"])
def test_a_config_that_no_release_carries(refused: Refused, key: str) -> None:
    error = refused({"web": {"configs": [{"source": "c"}]}}, configs={"c": {key: "there"}})
    assert error.path == f"configs.c.{key}"


def test_a_config_that_is_too_large(refused: Refused) -> None:
    error = refused(
        {"web": {"configs": [{"source": "c"}]}}, configs={"c": {"content": "x" * (1024 * 1024 + 1)}}
    )
    assert error.path == "configs.c"


@pytest.mark.parametrize(
    ("defined", "secret", "key"),
    [
        ({"external": True, "name": "shop-db"}, "shop-db", "db"),
        ({"external": True}, "db", "db"),
        ({"file": "db.txt", "x-kubernetes": {"name": "shop", "key": "pw"}}, "shop", "pw"),
    ],
)
def test_a_secret_is_a_file_by_reference(
    rendered: Render, defined: dict[str, Any], secret: str, key: str
) -> None:
    used = [{"source": "db", "target": "db", "mode": "0400"}]
    made = rendered({"web": {"secrets": used}}, secrets={"db": defined})
    [volume] = made.pod()["volumes"]
    items = [{"key": key, "path": key, "mode": 0o400}]
    assert volume["secret"] == {"secretName": secret, "items": items}
    [mount] = made.container()["volumeMounts"]
    assert (mount["mountPath"], mount["subPath"]) == ("/run/secrets/db", key)


@pytest.mark.parametrize(
    ("section", "defined", "path"),
    [
        ("secrets", {"x-kubernetes": {"name": "a", "provider_class": "b"}}, "x-kubernetes.name"),
        ("configs", {"content": "x", "x-kubernetes": {"key": "a"}}, "x-kubernetes"),
    ],
)
def test_what_would_have_no_effect(
    refused: Refused, section: str, defined: dict[str, Any], path: str
) -> None:
    sections: dict[str, Any] = {section: {"c": defined}}
    error = refused({"web": {section: [{"source": "c", "target": "/c"}]}}, **sections)
    assert error.path == f"{section}.c.{path}"


def test_a_secret_that_a_driver_brings(rendered: Render) -> None:
    said = {"x-kubernetes": {"provider_class": "vault", "key": "db-password"}}
    used = [{"source": "db", "target": "/etc/db"}]
    made = rendered({"web": {"secrets": used}}, secrets={"db": said})
    [volume] = made.pod()["volumes"]
    assert volume["csi"]["driver"] == "secrets-store.csi.k8s.io"
    assert volume["csi"]["volumeAttributes"] == {"secretProviderClass": "vault"}
    [mount] = made.container()["volumeMounts"]
    assert (mount["mountPath"], mount["subPath"]) == ("/etc/db", "db-password")


@pytest.mark.parametrize("key", ["file", "environment"])
def test_no_release_carries_a_secret(refused: Refused, key: str) -> None:
    error = refused({"web": {"secrets": [{"source": "db"}]}}, secrets={"db": {key: "there"}})
    assert error.path == f"secrets.db.{key}"
    assert "external: true" in error.next_step


@pytest.mark.parametrize(
    ("mount", "words"),
    [
        ({"type": "bind", "source": "/srv", "target": "/x"}, "one machine"),
        ({"type": "npipe", "source": "a", "target": "/x"}, "npipe"),
        ({"type": "tmpfs", "target": "/x", "tmpfs": {"mode": 0o700}}, "mode"),
    ],
)
def test_what_no_pod_can_mount(refused: Refused, mount: dict[str, Any], words: str) -> None:
    error = refused({"web": {"volumes": [DATA, mount]}}, volumes={"data": {}})
    assert error.path == "services.web.volumes[1]"
    assert words in str(error)


def test_one_thing_at_a_place(refused: Refused) -> None:
    entry = {"source": "c", "target": "/data"}
    error = refused(
        {"web": {"volumes": [DATA], "configs": [entry]}},
        volumes={"data": {}},
        configs={"c": {"content": "x"}},
    )
    assert error.path == "services.web.configs[0]"


@pytest.mark.parametrize("options", ["noexec", "uid=1000", "mode=700"])
def test_a_tmpfs_has_a_size_alone(refused: Refused, options: str) -> None:
    assert refused({"web": {"tmpfs": [f"/tmp:{options}"]}}).path == "services.web.tmpfs[0]"


@pytest.mark.parametrize(("section", "key"), [("configs", "uid"), ("secrets", "gid")])
def test_files_are_roots(refused: Refused, section: str, key: str) -> None:
    entry = {"source": "c", "target": "/c", key: "1000"}
    defined: dict[str, Any] = {section: {"c": {"external": True}}}
    error = refused({"web": {section: [entry]}}, **defined)
    assert error.path == f"services.web.{section}[0].{key}"


def _together(pod: dict[str, Any]) -> set[str]:
    """Whose pods it has to be beside."""
    [term] = pod["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert term["topologyKey"] == "kubernetes.io/hostname"
    found = term["labelSelector"]["matchExpressions"][0]["values"]
    return {name for name in found if not name.endswith(".run")}


def test_services_with_a_volume_that_one_node_has_are_on_one_node(rendered: Render) -> None:
    mounting = {"volumes": [DATA]}
    made = rendered(
        {"web": mounting, "cron": mounting, "db": {}, "nightly": NIGHTLY | mounting},
        volumes={"data": {}},
    )
    assert _together(made.pod("web")) == {"web", "cron", "nightly"}
    assert _together(made.pod("cron")) == {"web", "cron", "nightly"}
    assert "affinity" not in made.pod("db")
    job = made.of("CronJob")["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert _together(job) == {"web", "cron", "nightly"}


def test_one_alone_may_be_anywhere(rendered: Render) -> None:
    assert "affinity" not in rendered({"db": {"volumes": [DATA]}}, volumes={"data": {}}).pod("db")


def test_a_command_is_beside_the_pod_that_has_the_volume(one_job: Callable[..., Any]) -> None:
    made = one_job({"db": {"volumes": [DATA]}}, "db", volumes={"data": {}})
    assert _together(made["spec"]["template"]["spec"]) == {"db"}


@pytest.mark.parametrize(
    ("said", "key"), [({"access": "ReadWriteOncePod"}, "access"), ({"each": True}, "each")]
)
def test_two_services_cannot_share_what_one_pod_has(
    refused: Refused, said: dict[str, Any], key: str
) -> None:
    mounting = {"volumes": [DATA]}
    volumes = {"data": {"x-kubernetes": said}}
    error = refused({"web": mounting, "cron": mounting}, volumes=volumes)
    assert error.path == f"volumes.data.x-kubernetes.{key}"


def test_what_is_on_every_node_has_no_claims_of_its_own(refused: Refused) -> None:
    services = {"web": {"volumes": [DATA], "deploy": {"mode": "global"}}}
    error = refused(services, volumes={"data": {"x-kubernetes": {"each": True}}})
    assert error.path == "volumes.data.x-kubernetes.each"
