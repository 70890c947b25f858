"""Compose files in the shape of well-known public projects (docker/awesome-compose's among them).

Each is as its project publishes it: what Kubernetes cannot honour of it is refused by its path. In
`production` an overlay says what a cluster has to be told, and all of it renders, is valid by
Kubernetes' own schemas, and passes the API server's dry run with every field known.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from shipit.config import compose
from shipit.errors import ConfigurationError
from shipit.model import application
from shipit.model.deployment import Desired
from shipit.model.digest import Digest
from shipit.model.image import Image
from shipit.targets.kubernetes.render import Setting, job, render
from tests.fakes.cluster.kubernetes import Cluster

FOLDER = Path(__file__).with_name("compose")
# What of it as it is published is refused first; "" for what is taken as it is.
PROJECTS = {
    "airflow": "services.airflow-scheduler.depends_on.airflow-init.condition",
    "elasticsearch-logstash-kibana": "services.logstash.volumes[0]",
    "example-voting-app": "services.db.volumes[1]",
    "gitea-postgres": "",
    "immich": "services.database.container_name",
    "mastodon": "services.db.volumes[0]",
    "minecraft": "services.minecraft.volumes[0]",
    "miniflux": "",
    "n8n": "",
    "nextcloud": "services.web.volumes[0]",
    "nginx-flask-mysql": "secrets.db-password.file",
    "plausible": "services.plausible_db",
    "prometheus-grafana": "services.grafana.volumes[0]",
    "traefik": "services.traefik.volumes[0]",
    "wordpress": "",
}
_CUSTOM = ("HTTPRoute",)  # of a CustomResourceDefinition, which the schemas do not have


@pytest.fixture(scope="module")
def space(cluster: Cluster) -> Iterator[str]:
    with cluster.namespace() as name:
        yield name


def desired(name: str, environment: str) -> Desired:
    """As a release has it: every image by digest, one-offs apart."""
    project = compose.render(FOLDER / name, environment, app=name)
    images = {
        service: Image(f"registry.test/{name}/{service}", Digest.of(service.encode()))
        for service in project["services"]
    }
    return Desired(
        app=name,
        environment=environment,
        release=Digest.of(name.encode()),
        release_id="r1",
        project=application.pin(project, images),
        images=images,
        services=application.long_running(project),
        before=application.one_offs(project, "before"),
        after=application.one_offs(project, "after"),
        scheduled=application.scheduled(project),
    )


def everything(found: Desired, setting: Setting) -> list[dict[str, Any]]:
    tasks = (job(found, service, setting, key="k1") for service in (*found.before, *found.after))
    return [*render(found, setting).objects, *tasks]


def test_every_folder_is_here() -> None:
    assert sorted(path.name for path in FOLDER.iterdir()) == sorted(PROJECTS)


@pytest.mark.parametrize("name", PROJECTS)
def test_as_published_nothing_is_silently_ignored(name: str) -> None:
    found, refused = desired(name, "dev"), PROJECTS[name]
    if not refused:
        assert render(found, Setting()).workloads.keys() == set(found.services)
        return
    with pytest.raises(ConfigurationError) as caught:
        render(found, Setting())
    assert caught.value.path == refused
    assert caught.value.next_step or caught.value.why


@pytest.mark.cluster
@pytest.mark.parametrize("name", PROJECTS)
def test_an_api_server_takes_every_object(name: str, cluster: Cluster, space: str) -> None:
    objects = everything(desired(name, "production"), Setting(namespace=space))
    for one in objects:
        if one["kind"] not in _CUSTOM:
            kubernetes_validate.validate(one, "1.36", strict=True)
    known = [one for one in objects if one["kind"] not in _CUSTOM]
    said = cluster.kubectl(
        *("apply", "--server-side", "--dry-run=server", "--field-manager=shipit"),
        *("--validate=strict", "-f", "-"),
        stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": known}),
    )
    assert said.count("serverside-applied (server dry run)") == len(known)
    assert {one["kind"] for one in objects} >= {"Service"}
