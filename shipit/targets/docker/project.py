"""The Compose project that is brought up: the release's own, labelled so that it can be told again.

Every service carries the hash of its definition. It is equal exactly when nothing about the
service changes, so an unchanged service is left alone without asking Compose. Nothing in the
labels names a release: a label that changes recreates the container.
"""

from copy import deepcopy
from typing import Any

from shipit.model import application, codec
from shipit.model.application import Project
from shipit.model.deployment import Desired
from shipit.model.digest import Digest

APP, ENVIRONMENT, SPEC = "io.shipit.app", "io.shipit.environment", "io.shipit.spec"
TASK = "io.shipit.task"
# What a service can use of the project's other sections.
_SECTIONS = ("networks", "volumes", "configs", "secrets")
# They choose what is started and how it is made; both are decided by then.
_CHOSEN = ("profiles", "build", "pull_policy", "develop", application.EXTENSION)


def project_name(app: str, environment: str) -> str:
    return f"{app}-{environment}"


def long_running(desired: Desired) -> Project:
    """What is kept up, as it is brought up but for the labels."""
    project = application.without_one_offs(desired.project)
    for service in project["services"].values():
        for key in _CHOSEN:
            service.pop(key, None)
    return project


def specs(desired: Desired) -> dict[str, str]:
    """The hash of each long-running service's definition."""
    project = long_running(desired)
    return {name: spec(project, name) for name in desired.services}


def spec(project: Project, name: str) -> str:
    """The SHA-256 of a service's definition and of what it uses.

    The image counts by its digest alone: the same bytes from another registry, or from the
    embedded one on another port, are no change.
    """
    service = project["services"][name]
    pinned = service | {"image": service["image"].partition("@")[2]}
    used = {section: _used(project, (service,), section) for section in _SECTIONS}
    return str(Digest.of(codec.canonical({"service": pinned, "uses": used})))


def document(desired: Desired, project: str) -> Project:
    """The Compose file of the long-running part of the release, labelled."""
    return _labelled(desired, project, long_running(desired))


def task_document(desired: Desired, project: str, name: str) -> Project:
    """One service alone, to be run once: no dependencies, no restarts, no fixed name."""
    service = deepcopy(desired.project["services"][name])
    for key in (*_CHOSEN, "depends_on", "restart", "container_name"):
        service.pop(key, None)
    (service.get("deploy") or {}).pop("restart_policy", None)
    return _labelled(desired, project, desired.project | {"services": {name: service}})


def _labelled(desired: Desired, name: str, project: Project) -> Project:
    services = project["services"]
    made: Project = {"name": name}
    for section in _SECTIONS:
        if used := _used(project, tuple(services.values()), section):
            made[section] = used
    ours = {APP: desired.app, ENVIRONMENT: desired.environment}
    made["services"] = {
        key: service | {"labels": (service.get("labels") or {}) | ours | {SPEC: spec(project, key)}}
        for key, service in services.items()
    }
    return made


def restarted_by(service: dict[str, Any]) -> dict[str, str]:
    """Which other services' change reaches this one, and how, in words.

    Compose restarts it (`depends_on.<name>.restart`), or recreates it since it lives in the other's
    namespace (`network_mode: service:<name>` and its like).
    """
    found = {
        other: f"restarts with {other}"
        for other, how in (service.get("depends_on") or {}).items()
        if how.get("restart")
    }
    for key in ("network_mode", "ipc", "pid"):
        kind, _, other = str(service.get(key) or "").partition(":")
        if kind == "service":
            found[other] = f"lives in {other}'s {key.partition('_')[0]}"
    return found


def _used(project: Project, services: tuple[dict[str, Any], ...], section: str) -> dict[str, Any]:
    """The part of a section that these services use."""
    names = {name for service in services for name in _names(service, section)}
    return {n: value for n, value in (project.get(section) or {}).items() if n in names}


def _names(service: dict[str, Any], section: str) -> list[str]:
    written = service.get(section) or ()
    if isinstance(written, dict):
        return list(written)
    return [str(item.get("source") or "") for item in written]
