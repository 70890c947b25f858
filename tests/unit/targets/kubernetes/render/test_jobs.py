"""What runs to its end."""

from collections.abc import Callable
from typing import Any

import pytest

from shipit.targets.kubernetes import names
from shipit.targets.kubernetes.render import needs
from tests.unit.targets.kubernetes.render.conftest import SETTING, Refused, Render, desired, valid

Json = dict[str, Any]
OneJob = Callable[..., Json]
MIGRATE = {"x-shipit": {"run": "before"}, "command": ["migrate"]}


def test_a_one_off_is_a_job_that_is_tried_once(one_job: OneJob) -> None:
    healthcheck = {"test": ["CMD", "true"]}
    made = one_job({"migrate": {**MIGRATE, "healthcheck": healthcheck}}, "migrate")
    assert made["spec"]["backoffLimit"] == 0
    pod = made["spec"]["template"]["spec"]
    assert pod["restartPolicy"] == "Never"
    [one] = pod["containers"]
    assert one["args"] == ["migrate"]
    assert "readinessProbe" not in one
    assert made["metadata"]["labels"][names.NAME] == "migrate"


def test_the_same_run_has_the_same_name_and_no_other_has_it(one_job: OneJob) -> None:
    services = {"migrate": MIGRATE, "seed": MIGRATE}
    first = one_job(services, "migrate", key="7")["metadata"]["name"]
    assert one_job(services, "migrate", key="7")["metadata"]["name"] == first
    assert one_job(services, "migrate", key="8")["metadata"]["name"] != first
    assert one_job(services, "seed", key="7")["metadata"]["name"] != first
    long = "x" * 58
    assert len(one_job({long: MIGRATE}, long)["metadata"]["name"]) <= 63


def test_a_persons_command_gets_no_requests(one_job: OneJob, rendered: Render) -> None:
    """Its pods have the service's image and variables, and not the labels that a Service, a
    workload or a budget selects."""
    services = {"web": {"ports": [{"target": 80}], "environment": {"A": "1"}}}
    made = one_job(services, "web", command=["sh", "-c", "echo $$(date)"])
    template = made["spec"]["template"]
    selector = rendered(services).of("Service")["spec"]["selector"]
    assert not selector.items() <= template["metadata"]["labels"].items()
    assert template["metadata"]["labels"][names.NAME] == "web.run"
    [one] = template["spec"]["containers"]
    assert one["args"] == ["sh", "-c", "echo $$(date)"]
    assert one["env"] == [{"name": "A", "value": "1"}]
    assert "ports" not in one


def test_what_it_needs_is_told_with_it() -> None:
    """It runs before anything is applied."""
    wanted = desired(
        {
            "migrate": {
                **MIGRATE,
                "configs": [{"source": "c", "target": "/c"}],
                "volumes": [{"type": "volume", "source": "data", "target": "/data"}],
                "x-kubernetes": {"service_account": {"annotations": {"role": "r"}}},
            },
            "web": {"volumes": [{"type": "volume", "source": "other", "target": "/data"}]},
        },
        configs={"c": {"content": "x"}},
        volumes={"data": {}, "other": {}},
    )
    found = needs(wanted, "migrate", SETTING)
    valid(found)
    assert [(o["kind"], o["metadata"]["name"]) for o in found[::2]] == [
        ("ServiceAccount", "migrate"),
        ("PersistentVolumeClaim", "shop-dev-data"),
    ]
    assert found[1]["kind"] == "ConfigMap"
    assert needs(desired({"migrate": MIGRATE}), "migrate", SETTING) == ()


@pytest.mark.parametrize(
    ("said", "schedule", "zone"),
    [
        ({"schedule": "0 3 * * *"}, "0 3 * * *", "Etc/UTC"),
        ({"schedule": "rate(6 hours)"}, "0 */6 * * *", "Etc/UTC"),
        (
            {"schedule": "cron(0 3 ? * MON *)", "timezone": "Europe/Madrid"},
            "0 3 * * 1",
            "Europe/Madrid",
        ),
    ],
)
def test_at_its_times(rendered: Render, said: Json, schedule: str, zone: str) -> None:
    made = rendered({"web": {}, "nightly": {"x-shipit": said, "command": ["tidy"]}})
    spec = made.of("CronJob")["spec"]
    assert (spec["schedule"], spec["timeZone"]) == (schedule, zone)
    job = spec["jobTemplate"]["spec"]
    assert job["template"]["spec"]["containers"][0]["args"] == ["tidy"]
    assert job["template"]["metadata"]["labels"][names.NAME] == "nightly"
    assert job["backoffLimit"] == 0
    assert "nightly" not in made.rendered.workloads
    assert made.names("Service") == ["web"]


@pytest.mark.parametrize(
    ("said", "retries"),
    [
        ({"restart": "on-failure:3"}, 3),
        ({"restart": "on-failure"}, 6),
        ({"deploy": {"restart_policy": {"condition": "on-failure", "max_attempts": 2}}}, 2),
        ({"restart": "no"}, 0),
    ],
)
def test_at_its_times_it_may_be_tried_again(rendered: Render, said: Json, retries: int) -> None:
    made = rendered({"nightly": {"x-shipit": {"schedule": "0 3 * * *"}, **said}})
    assert made.of("CronJob")["spec"]["jobTemplate"]["spec"]["backoffLimit"] == retries


@pytest.mark.parametrize("mark", [{"run": "before"}, {"schedule": "0 3 * * *"}])
@pytest.mark.parametrize(
    ("said", "path"),
    [
        ({"x-kubernetes": {"pod": "web"}}, "x-kubernetes.pod"),
        ({"x-kubernetes": {"ingress": {}}}, "x-kubernetes.ingress"),
        ({"x-kubernetes": {"drain": "5s"}}, "x-kubernetes.drain"),
        ({"network_mode": "service:web"}, "network_mode"),
    ],
)
def test_what_runs_to_its_end_has_no_way_in(
    refused: Refused, mark: Json, said: Json, path: str
) -> None:
    error = refused({"web": {}, "tidy": {"x-shipit": mark, **said}})
    assert error.path == f"services.tidy.{path}"


def test_what_runs_to_its_end_can_wait_too(one_job: OneJob) -> None:
    said = {
        "depends_on": {"db": {"condition": "service_healthy", "required": True}},
        "x-kubernetes": {"wait": {"db": ["pg_isready", "-h", "db"]}},
    }
    made = one_job({"db": {}, "migrate": {**MIGRATE, **said}}, "migrate")
    [init] = made["spec"]["template"]["spec"]["initContainers"]
    assert init["command"] == ["pg_isready", "-h", "db"]


def test_a_long_name_is_cut_where_kubernetes_needs_room(rendered: Render) -> None:
    said = {"schedule": "0 3 * * *"}
    made = rendered({"web": {}, "n" * 58: {"x-shipit": said}})
    assert len(made.of("CronJob")["metadata"]["name"]) == 52


def test_times_that_cron_cannot_say(refused: Refused) -> None:
    error = refused({"nightly": {"x-shipit": {"schedule": "rate(7 hours)"}}})
    assert error.path == "services.nightly.x-shipit.schedule"


def test_a_one_off_may_be_called_what_no_service_can(one_job: OneJob) -> None:
    made = one_job({"db_migrate": MIGRATE}, "db_migrate")
    assert made["metadata"]["labels"][names.NAME] == "db_migrate"
    assert made["metadata"]["name"].startswith("db-migrate-")


def test_a_patch_of_a_job_is_for_its_run_alone(one_job: OneJob, rendered: Render) -> None:
    patch = {"Job": {"spec": {"ttlSecondsAfterFinished": 60}}}
    entry = {"source": "c", "target": "/c"}
    services = {"migrate": {**MIGRATE, "configs": [entry], "x-kubernetes": {"patch": patch}}}
    sections = {"configs": {"c": {"content": "x"}}}
    assert one_job(services, "migrate", **sections)["spec"]["ttlSecondsAfterFinished"] == 60
    assert rendered({"web": {}, **services}, **sections).kinds[0] == "ConfigMap"


def test_a_restart_of_what_runs_once_is_said(rendered: Render) -> None:
    [note] = rendered({"web": {}, "migrate": {**MIGRATE, "restart": "always"}}).notes
    assert note.startswith("services.migrate.restart has no effect")


def test_a_replicas_own_volume_is_not_anothers(refused: Refused) -> None:
    mount = {"type": "volume", "source": "data", "target": "/data"}
    each = {"data": {"x-kubernetes": {"each": True}}}
    error = refused({"migrate": {**MIGRATE, "volumes": [mount]}}, volumes=each)
    assert error.path == "volumes.data.x-kubernetes.each"


def test_a_one_off_that_could_not_run_is_found_with_the_rest(refused: Refused) -> None:
    error = refused({"web": {}, "migrate": {**MIGRATE, "user": "node"}})
    assert error.path == "services.migrate.user"
