"""What runs at its times. Nothing of it need run when it is deployed: its CronJob, read back,
proves that the image will be the one that was asked for. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from shipit.model.deployment import Desired, Health, ObservedService
from shipit.model.digest import Digest
from shipit.model.progress import Reason
from shipit.targets.kubernetes import names, readable

Json = dict[str, Any]
KIND = ("batch/v1", "CronJob")


def observed(one: Mapping[str, Any]) -> ObservedService:
    """It is as it should be while it is not suspended."""
    spec = one["spec"]
    times = " ".join(str(spec[key]) for key in ("schedule", "timeZone") if spec.get(key))
    suspended = bool(spec.get("suspend"))
    return ObservedService(
        name=service_of(one),
        desired=0,
        running=0,
        health=Health.STOPPED if suspended else Health.HEALTHY,
        images=digests(one),
        spec=str(one["metadata"].get("generation", "")),
        release_id=readable.release_of(one),
        detail=f"its schedule is stopped ({times})" if suspended else times,
    )


def service_of(one: Mapping[str, Any]) -> str:
    labels = one["metadata"].get("labels") or {}
    return str(labels.get(names.NAME) or one["metadata"]["name"])


def digests(one: Mapping[str, Any]) -> tuple[Digest, ...]:
    """Of the container with the service's name, else of the first; none without a digest."""
    template = one["spec"].get("jobTemplate", {}).get("spec", {}).get("template", {})
    containers = template.get("spec", {}).get("containers") or ()
    name = service_of(one)
    main: Json = next((c for c in containers if c["name"] == name), next(iter(containers), {}))
    written = str(main.get("image", "")).rpartition("@")[2]
    return (Digest(written),) if written.startswith("sha256:") else ()


def proof(desired: Desired, found: Iterable[Json]) -> tuple[dict[str, Digest], tuple[Reason, ...]]:
    """What the CronJobs prove, by service, and what is wrong with the others."""
    known = {service_of(one): digests(one) for one in found}
    proven, wrong = {}, []
    for service in desired.scheduled:
        image = desired.images[service]
        if service not in known:
            wrong.append(Reason(service, "its CronJob is not there"))
        elif not set(known[service]) & image.identities():
            said = ", ".join(d.short for d in known[service]) or "no digest"
            wrong.append(Reason(service, f"its CronJob names {said}, not {image.digest.short}"))
        else:
            proven[service] = image.digest
    return proven, tuple(wrong)
