"""Whether nodes could pull: what is known is said, and what is not is not called fine."""

import base64
import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from shipit.model.deployment import Finding
from shipit.targets.kubernetes import extension, images, pull_secrets, pulling
from shipit.targets.kubernetes.look import Look
from shipit.targets.kubernetes.pull_secrets import Held
from shipit.targets.kubernetes.pulling import Known, Pod
from tests.fakes.namespace import NAME, Namespace, pod

ECR = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/shop/web"
GAR = "europe-docker.pkg.dev/acme/shop/web"
GHCR = "ghcr.io/acme/web"
SELECTOR = "shipit.dev/instance=shop-qa"


def web(repository: str, *secrets: str) -> Pod:
    return Pod("Deployment/web", NAME, (repository,), secrets, "default")


def judged(pods: list[Pod], where: str = "", **known: Any) -> list[Finding]:
    secrets = {(NAME, name): held for name, held in known.pop("secrets", {}).items()}
    accounts = {(NAME, name): held for name, held in known.pop("accounts", {}).items()}
    return list(pulling.findings(pods, Known(where, secrets=secrets, accounts=accounts, **known)))


def holds(*registries: str) -> Held:
    return Held(registries=frozenset(registries))


@pytest.mark.parametrize(
    ("where", "repository", "level", "said"),
    [
        ("eks", ECR, "warning", "not verified whether the nodes' own identity"),
        ("gke", ECR, "warning", "nodes outside of EKS"),
        ("gke", GAR, "warning", "roles/artifactregistry.reader"),
        ("", GAR, "warning", "nodes outside of GKE"),
        ("", "127.0.0.1:5000/web", "warning", "this machine's own"),
        ("", GHCR, "warning", "not verified whether everybody may pull"),
        ("", "docker.io/acme/web", "warning", "not verified whether everybody may pull"),
        ("", "docker.io/library/postgres", "ok", "everybody may pull"),
        ("", "public.ecr.aws/nginx/nginx", "ok", "everybody may pull"),
    ],
)
def test_without_a_secret(where: str, repository: str, level: str, said: str) -> None:
    [finding] = judged([web(repository)], where)
    assert finding.level == level
    assert said in finding.what
    assert finding.what.endswith("(Deployment/web)")
    assert (level == "ok") == (not finding.next_step)


def test_the_keys_that_are_advised_are_taken() -> None:
    """Whoever does what `check` says is not refused for it."""
    [key] = re.findall(rf"{extension.KEY}\.(\w+)", pulling.NAME_ONE)
    said = extension.service("services.web", {extension.KEY: {key: ["ghcr"]}})
    assert said.pull_secrets == ("ghcr",)


def test_a_secret_is_for_the_registries_that_it_names() -> None:
    both = [web(GHCR, "ghcr"), web("quay.io/acme/web", "ghcr")]
    good, bad = judged(both, secrets={"ghcr": holds("https://ghcr.io")})
    assert (good.level, good.what) == ("ok", "ghcr.io: nodes pull with ghcr (Deployment/web)")
    assert bad.level == "warning"
    assert "quay.io: ghcr has nothing for it, but for https://ghcr.io" in bad.what


def test_each_pod_has_its_own_secrets() -> None:
    other = Pod("CronJob/report", NAME, (GHCR,), (), "default")
    found = judged([web(GHCR, "ghcr"), other], secrets={"ghcr": holds("ghcr.io")})
    assert [(f.level, f.what.rpartition(" (")[2]) for f in found] == [
        ("ok", "Deployment/web)"),
        ("warning", "CronJob/report)"),
    ]


def test_what_is_the_same_for_many_is_said_once() -> None:
    many = [web(GHCR)._replace(title=f"Deployment/s{n}") for n in range(5)]
    [finding] = judged(many)
    assert finding.what.endswith("(Deployment/s0, Deployment/s1, Deployment/s2 and 2 more)")


def test_a_secret_that_may_not_be_read_proves_nothing() -> None:
    [finding] = judged([web(GHCR, "ghcr")], secrets={"ghcr": Held()})
    assert finding.level == "warning"
    assert "not verified whether ghcr has credentials for it" in finding.what


def test_a_secret_that_is_not_there() -> None:
    missing, _ = judged([web(GHCR, "ghcr")], secrets={"ghcr": Held(is_there=False)})
    assert missing.level == "error"
    assert missing.what == "there is no Secret ghcr to pull with (Deployment/web)"


def test_nodes_of_their_own_cloud_need_no_secret_for_it() -> None:
    cloud = {ECR: Finding("ok", "images", "nodes may")}
    [finding] = judged([web(ECR, "ghcr")], "eks", secrets={"ghcr": holds("ghcr.io")}, cloud=cloud)
    assert finding.what == "nodes may (Deployment/web)"


def test_a_service_account_names_secrets_too() -> None:
    accounts = {"default": ("ghcr",)}
    [finding] = judged([web(GHCR)], secrets={"ghcr": holds("ghcr.io")}, accounts=accounts)
    assert finding.level == "ok"
    [finding] = judged([web(GHCR)], accounts={"default": None})
    assert "not verified whether the ServiceAccount default names a pull secret" in finding.what


@pytest.mark.parametrize(
    ("written", "repository", "is_for"),
    [
        ("ghcr.io", GHCR, True),
        ("https://ghcr.io", GHCR, True),
        ("https://ghcr.io/v2/", GHCR, True),
        ("ghcr.io/acme", GHCR, True),
        ("ghcr.io/other", GHCR, False),
        ("quay.io", GHCR, False),
        ("*.dkr.ecr.*.amazonaws.com", ECR, True),
        ("*.amazonaws.com", ECR, False),  # a glob is of one part of the host
        ("registry.example:5000", "registry.example:5000/web", True),
        ("registry.example", "registry.example:5000/web", False),
        ("https://index.docker.io/v1/", "docker.io/acme/web", True),
        ("docker.io", "docker.io/acme/web", True),
    ],
)
def test_which_registry_credentials_are_for(written: str, repository: str, is_for: bool) -> None:
    assert holds(written).covers(repository) is is_for


def secret(kind: str, key: str, value: Any) -> dict[str, Any]:
    data = {key: base64.b64encode(json.dumps(value).encode()).decode()}
    return {"metadata": {"name": "ghcr"}, "type": f"kubernetes.io/{kind}", "data": data}


AUTHS = {"ghcr.io": {"auth": "YW5uOmh1bnRlcjI="}}


@pytest.mark.parametrize(
    ("one", "registries"),
    [
        (secret("dockerconfigjson", ".dockerconfigjson", {"auths": AUTHS}), {"ghcr.io"}),
        (secret("dockercfg", ".dockercfg", AUTHS), {"ghcr.io"}),
        (secret("dockerconfigjson", ".dockerconfigjson", {}), set()),
        (secret("dockerconfigjson", ".dockerconfigjson", []), set()),
        (secret("tls", ".dockerconfigjson", {"auths": AUTHS}), set()),
        ({"type": "kubernetes.io/dockercfg", "data": {".dockercfg": "%"}}, set()),
    ],
)
def test_what_a_secret_has_credentials_for(one: dict[str, Any], registries: set[str]) -> None:
    assert pull_secrets.registries(one) == registries


# In a cluster


@pytest.fixture
def shop() -> Iterator[Namespace]:
    with Namespace() as namespace:
        yield namespace


def deployment(*secrets: str, repository: str = GHCR) -> dict[str, Any]:
    container = {"name": "web", "image": f"{repository}@sha256:{'a' * 64}"}
    spec: dict[str, Any] = {"containers": [container]}
    if secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in secrets]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {"template": {"spec": spec}},
    }


def found(shop: Namespace, *objects: dict[str, Any], **more: Any) -> list[Finding]:
    return list(images.look_at(Look(shop.cluster(), "kubernetes", SELECTOR, None, objects, **more)))


def test_secrets_are_read_for_their_registries_alone(shop: Namespace) -> None:
    shop.put(secret("dockerconfigjson", ".dockerconfigjson", {"auths": AUTHS}), "secrets")
    [finding] = found(shop, deployment("ghcr"))
    assert (finding.level, finding.what) == ("ok", "ghcr.io: nodes pull with ghcr (Deployment/web)")
    [finding] = found(shop, deployment("ghcr", repository="quay.io/acme/web"))
    assert finding.level == "warning"
    assert "hunter2" not in repr(finding)
    assert AUTHS["ghcr.io"]["auth"] not in repr(finding)
    assert not any("serviceaccounts" in asked for asked in shop.requests)


def test_the_live_service_account_counts(shop: Namespace) -> None:
    shop.put(secret("dockerconfigjson", ".dockerconfigjson", {"auths": AUTHS}), "secrets")
    account = {"metadata": {"name": "default"}, "imagePullSecrets": [{"name": "ghcr"}]}
    shop.put(account, "serviceaccounts")
    assert [f.level for f in found(shop, deployment())] == ["ok"]


def test_what_may_not_be_read_is_not_verified(shop: Namespace) -> None:
    shop.refusals["GET secrets/ghcr"] = (403, "secrets is forbidden")
    shop.refusals["GET serviceaccounts/default"] = (403, "serviceaccounts is forbidden")
    for one in (deployment("ghcr"), deployment()):
        [finding] = found(shop, one)
        assert (finding.level, "not verified" in finding.what) == ("warning", True)


def test_tasks_pull_too(shop: Namespace) -> None:
    job = {**deployment("ghcr"), "kind": "Job", "metadata": {"name": "migrate"}}
    [missing, _] = found(shop, tasks=[job])
    assert missing.what == "there is no Secret ghcr to pull with (Job/migrate)"


def test_what_pods_of_ours_have_pulled_is_proven(shop: Namespace) -> None:
    """With the same Secrets: another one may not be good for it."""
    one = pod("web-1", labels={"shipit.dev/instance": "shop-qa"})
    one["spec"]["containers"][0]["image"] = f"{GHCR}@sha256:{'b' * 64}"
    shop.put(one)
    [finding] = found(shop, deployment())
    assert finding.level == "ok"
    assert f"{GHCR}: nodes have pulled it for what runs now" in finding.what
    shop.put(secret("dockerconfigjson", ".dockerconfigjson", {"auths": {}}), "secrets")
    assert found(shop, deployment("ghcr"))[0].level == "warning"
    one["status"]["containerStatuses"][0]["imageID"] = ""
    shop.put(one)
    assert found(shop, deployment())[0].level == "warning"


def test_the_cloud_is_asked_about_its_own_registry(shop: Namespace) -> None:
    asked: list[str] = []

    def pulls(repositories: Any) -> dict[str, Finding]:
        asked.extend(repositories)
        return {ECR: Finding("error", "images", "its role may not")}

    cluster = shop.cluster()
    cluster.access = msgspec.structs.replace(cluster.access, pulls=pulls)
    objects = (deployment(repository=ECR), deployment())
    one, other = images.look_at(Look(cluster, "eks", SELECTOR, None, objects))
    assert asked == [ECR]
    assert (one.level, one.what) == ("error", "its role may not (Deployment/web)")
    assert other.level == "warning"


@pytest.mark.parametrize(
    ("server", "kind", "provider"),
    [
        ("https://ABC.gr7.eu-west-1.eks.amazonaws.com", "kubernetes", "eks"),
        ("https://10.0.0.1", "eks", "eks"),
        ("https://gke-1.europe-west1.gke.goog", "kubernetes", "gke"),
        ("https://10.0.0.1", "gke", "gke"),
        ("https://10.0.0.1", "kubernetes", ""),
    ],
)
def test_whose_cluster_it_is(server: str, kind: str, provider: str) -> None:
    assert pulling.provider(server, kind) == provider


@pytest.mark.parametrize("image", [f"{GHCR}@sha256:{'a' * 64}", f"{GHCR}:v1@sha256:{'a' * 64}"])
def test_the_repository_of_an_image(image: str) -> None:
    assert pulling.repository(image) == GHCR
    assert pulling.repository("registry.example:5000/web:1") == "registry.example:5000/web"
