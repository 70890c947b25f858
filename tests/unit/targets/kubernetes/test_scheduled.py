"""What a CronJob says of the service that it runs."""

from typing import Any

from shipit.model.deployment import Desired, Health
from shipit.model.digest import Digest
from shipit.model.image import Image
from shipit.model.progress import Reason
from shipit.targets.kubernetes import names, scheduled

OURS, OTHER = Digest.of(b"ours"), Digest.of(b"other")
DESIRED = Desired(
    "shop", "dev", OURS, "r1", {}, {"night": Image("r/night", OURS)}, (), scheduled=("night",)
)


def cron_job(image: str = f"r/night@{OURS}", **spec: Any) -> dict[str, Any]:
    containers = [{"name": "mesh", "image": "mesh"}, {"name": "night", "image": image}]
    template = {"spec": {"containers": containers}}
    return {
        "metadata": {"name": "night", "labels": {names.NAME: "night"}, "generation": 2},
        "spec": {"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": template}}, **spec},
    }


def test_it_is_well_while_it_is_on() -> None:
    found = scheduled.observed(cron_job(timeZone="Europe/Madrid"))
    assert (found.name, found.health, found.images) == ("night", Health.HEALTHY, (OURS,))
    assert found.detail == "0 3 * * * Europe/Madrid"
    stopped = scheduled.observed(cron_job(suspend=True))
    assert stopped.health is Health.STOPPED


def test_its_image_is_its_proof() -> None:
    """Failure mode 15: what will run is what was asked for."""
    assert scheduled.proof(DESIRED, [cron_job()]) == ({"night": OURS}, ())
    _, wrong = scheduled.proof(DESIRED, [cron_job(f"r/night@{OTHER}")])
    assert wrong == (Reason("night", f"its CronJob names {OTHER.short}, not {OURS.short}"),)
    _, wrong = scheduled.proof(DESIRED, [cron_job("r/night:latest")])
    assert wrong == (Reason("night", f"its CronJob names no digest, not {OURS.short}"),)
    assert scheduled.proof(DESIRED, [])[1] == (Reason("night", "its CronJob is not there"),)
