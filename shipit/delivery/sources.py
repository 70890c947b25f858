"""A team's own manifests on their way into a release: read, matched with what is built, pinned."""

import importlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from shipit.config import source as files
from shipit.config.source import Written
from shipit.delivery.project import Registries
from shipit.errors import ConfigurationError, RemoteError
from shipit.model import application
from shipit.model import source as model
from shipit.model.image import Image, Reference
from shipit.model.pipeline import Environment, Pipeline
from shipit.model.release import ReleaseImage, is_service
from shipit.model.source import Found

Json = dict[str, Any]
Projects = Mapping[str, dict[str, Any]]

# What knows the objects of each family: where their images are, and what they keep running.
_FAMILIES = {
    model.ECS: "shipit.targets.ecs.own",
    model.KUBERNETES: "shipit.targets.kubernetes.own",
}
_ABSENT = (401, 403, 404)  # what registries answer for a repository that is not there


class Own(msgspec.Struct, frozen=True):
    """An environment's own objects. `found` are their images; `written` where each is from."""

    environment: str
    family: str
    objects: tuple[Json, ...]
    found: tuple[Found, ...]
    written: tuple[Written, ...]

    def wrong(self, image: str, what: str, why: str, next_step: str) -> ConfigurationError:
        """At the first place that has the image."""
        first = next(one for one in self.found if one.image == image)
        steps = first.steps[1:] if self.family == model.ECS else first.steps
        return self.written[first.position].wrong(what, steps, why, next_step)


def family(objects: Sequence[Json]) -> Any:
    """The module that knows them."""
    return importlib.import_module(_FAMILIES[model.family(objects)])


def read_all(pipeline: Pipeline) -> dict[str, Own]:
    """Of every environment that has any. Raises what `config.source.read` does, and
    ConfigurationError for what cannot be deployed."""
    return {
        name: read(pipeline, environment)
        for name, environment in pipeline.environments.items()
        if environment.source is not None
    }


def read(pipeline: Pipeline, environment: Environment) -> Own:
    written = files.read(Path(pipeline.root), environment, pipeline.app)
    fields = environment.source.images if environment.source else ()
    kind = model.ECS if written[0].part else model.KUBERNETES
    module = importlib.import_module(_FAMILIES[kind])
    objects: tuple[Json, ...] = module.objects(written)
    if kind == model.KUBERNETES:
        homes = {getattr(t.settings, "namespace", "") for t in environment.targets.values()}
        module.refuse_elsewhere(written, homes)
    at = f"environments.{environment.name}.source"
    for n in module.unmatched(objects, fields):
        raise ConfigurationError(
            f"no {fields[n].kind} has a text at {fields[n].path}",
            file=pipeline.file,
            path=f"{at}.images[{n}]",
        )
    if not module.services(objects):
        raise ConfigurationError(
            "nothing in it keeps running, so nothing would prove a deployment",
            file=pipeline.file,
            path=at,
            next_step="a Deployment, StatefulSet, DaemonSet or Rollout does",
        )
    return Own(environment.name, kind, objects, tuple(module.images(objects, fields)), written)


def union(projects: Projects) -> dict[str, Any]:
    """One project with every environment's services. Which image a service has does not depend on
    the environment: render_all sees to that."""
    whole: dict[str, Any] = {"services": {}, "secrets": {}}
    for project in projects.values():
        whole["secrets"].update(project.get("secrets") or {})
        for service, definition in application.services(project).items():
            whole["services"].setdefault(service, definition)
    return whole


class Names:
    """What the images in manifests stand for: services of compose.yaml, or what a registry has."""

    def __init__(self, pipeline: Pipeline, home: str, whole: dict[str, Any]) -> None:
        self._exact = application.image_only(whole)
        self._services = frozenset(application.services(whole))
        registries = {home, *(e.registry for e in pipeline.environments.values())}
        self._built: dict[str, str] = {}
        lenders = {name: name for name in application.built(whole)} | application.borrowed(whole)
        for name, lender in lenders.items():
            written = str(application.services(whole)[name].get("image") or "")
            places = (pipeline.app, *registries)
            for one in (written, name, *(f"{place}/{name}" for place in places)):
                if repository := _repository(one):
                    self._built.setdefault(repository, lender)

    @property
    def built(self) -> list[str]:
        return sorted(set(self._built.values()))

    def key(self, image: str) -> str:
        """What the release keeps the image under: a service's name, else the image as written.

        Whatever its tag, an image of a repository that is built here is the one that is built.
        """
        if "@" not in image:
            service = self._built.get(_repository(image)) or next(
                (name for name, written in self._exact.items() if written == image), ""
            )
            if service:
                return service
        return f"{image}:latest" if is_service(image) else image

    def is_ours(self, image: str) -> bool:
        return self.key(image) in self._services


def _repository(written: str) -> str:
    """Without tag, in full; "" for what is no reference."""
    try:
        return Reference.parse(written).repository
    except ValueError:
        return ""


def foreign(owns: Iterable[Own], names: Names) -> dict[str, tuple[Own, str]]:
    """The images that no service has, by their key: who has it first, and how it is written."""
    found: dict[str, tuple[Own, str]] = {}
    for own in owns:
        for one in own.found:
            if not names.is_ours(one.image):
                found.setdefault(names.key(one.image), (own, one.image))
    return dict(sorted(found.items()))


def resolve(own: Own, image: str, names: Names, registries: Registries) -> Image:
    """By digest, from its registry. Raises ConfigurationError for what is not there."""
    try:
        return registries.client.resolve(Reference.parse(image))
    except ValueError as error:
        raise own.wrong(image, str(error), "", _services(names)) from None
    except RemoteError as error:
        if error.status not in _ABSENT:
            raise
        what = f"{image} is built here by no service, and its registry does not have it"
        raise own.wrong(image, what, error.what, _services(names)) from error


def _services(names: Names) -> str:
    if not names.built:
        return "no service of compose.yaml has a build section"
    return f"to have what is built here, write the service's name: {', '.join(names.built)}"


def pinned(own: Own, images: Mapping[str, ReleaseImage], names: Names) -> tuple[Json, ...]:
    """The objects with every image by digest, as the release has it."""
    by = {one.image: images[names.key(one.image)].image.reference for one in own.found}
    return model.replaced(own.objects, own.found, by)


def project(compose: dict[str, Any], objects: Sequence[Json]) -> dict[str, Any]:
    """The environment's project, with the services that the objects run."""
    return model.project(compose, family(objects).services(objects))


def composed(pipeline: Pipeline, projects: Projects) -> dict[str, dict[str, Any]]:
    """What of compose.yaml runs in each environment: its tasks alone where there is a source."""
    return {
        name: model.project(rendered, {}) if pipeline.environments[name].source else rendered
        for name, rendered in projects.items()
    }


def exposed(own: Own) -> Iterator[str]:
    """Variables that look like secrets and are written out, as sentences."""
    for where, name, value in family(own.objects).variables(own.objects):
        if value and application.is_secret_name(name):
            yield (
                f"{where}: {name} looks like a secret, and its value goes into the ledger:"
                " refer to it instead (secretKeyRef, or `secrets` with valueFrom)"
            )


def repositories(own: Own, names: Names) -> set[str]:
    """What an environment's own registry is to have for them, by the last part of its name."""
    return {
        key if (key := names.key(image)) in names.built else _repository(image).rpartition("/")[2]
        for image in {one.image for one in own.found}
    }
