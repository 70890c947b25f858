"""What of shipit.yaml the account's foundations are made from."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pulumi
import yaml

from shipit.config import compose, file
from shipit.delivery.iam import beforehand
from shipit.delivery.project import Project
from shipit.errors import ShipitError
from shipit.model import application
from shipit.model.pipeline import Pipeline

_ECR = re.compile(r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(/.*)?")
_GOOGLE = re.compile(
    r"(?P<location>[a-z0-9-]+)-docker\.pkg\.dev/(?P<project>[^/]+)(/(?P<name>.*))?"
)


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Written(_Strict, frozen=True):
    """`x-infra` of shipit.yaml. `github` is owner/name: its workflows deploy without keys, each
    environment of GitHub's to the environment of shipit's with the same name."""

    github: str = ""
    tags: dict[str, str] = {}


class Aws(_Strict, frozen=True):
    """`repositories` are in ECR; `bucket` is the ledger's, "" where the ledger is elsewhere."""

    account: str
    region: str
    repositories: tuple[str, ...] = ()
    bucket: str = ""
    prefix: str = ""


class Gcp(_Strict, frozen=True):
    """`repositories` are in Artifact Registry, by location and name."""

    project: str
    location: str
    repositories: tuple[tuple[str, str], ...] = ()
    bucket: str = ""


class Settings(msgspec.Struct, frozen=True):
    app: str
    environments: tuple[str, ...]
    github: str
    tags: dict[str, str]
    aws: Aws | None = None
    gcp: Gcp | None = None
    policies: dict[str, dict[str, Any]] = {}


def load(start: Path | None = None) -> Settings:
    """Raises pulumi.RunError, which Pulumi shows as one sentence."""
    try:
        path = file.find(start or Path.cwd())
        pipeline = file.load(path)
        written = msgspec.convert(
            (yaml.safe_load(path.read_text("utf-8")) or {}).get("x-infra") or {}, Written
        )
        services = _built(pipeline)
    except (ShipitError, msgspec.ValidationError, yaml.YAMLError) as error:
        raise pulumi.RunError(f"shipit.yaml: {error}") from None
    if written.github and written.github.count("/") != 1:
        raise pulumi.RunError(f"shipit.yaml: x-infra.github: owner/name, not {written.github!r}")
    amazon = _aws(pipeline, services)
    found = Settings(
        app=pipeline.app,
        environments=tuple(pipeline.environments),
        github=written.github,
        tags={"shipit:app": pipeline.app, "managed-by": "pulumi", **written.tags},
        aws=amazon,
        gcp=_gcp(pipeline),
        policies=_policies(pipeline, amazon) if amazon and written.github else {},
    )
    if found.aws is None and found.gcp is None:
        raise pulumi.RunError(
            "shipit.yaml: neither its registry nor its ledger is on AWS or Google Cloud: there is"
            " nothing to make once"
        )
    return found


def _built(pipeline: Pipeline) -> tuple[str, ...]:
    """The services whose images are built here: each has a repository."""
    rendered = compose.render_all(pipeline)
    return tuple(sorted({n for project in rendered.values() for n in application.built(project)}))


def _policies(pipeline: Pipeline, aws: Aws) -> dict[str, dict[str, Any]]:
    """By environment, what `shipit iam` says: what the code calls, and nothing else. An environment
    whose stack is not there yet gets the rest of its rights when this runs again."""
    project, found = Project(pipeline), {}
    for name in pipeline.environments:
        document, unknown = beforehand(project, name, aws.account)
        if unknown:
            pulumi.warn(f"the role of {name} has not all of its rights yet: {unknown}")
        if document["Statement"]:
            found[name] = document
    return found


def _registries(pipeline: Pipeline) -> list[str]:
    own = [environment.registry for environment in pipeline.environments.values()]
    return [registry for registry in dict.fromkeys([pipeline.registry, *own]) if registry]


def _aws(pipeline: Pipeline, services: tuple[str, ...]) -> Aws | None:
    bucket, _, prefix = (
        pipeline.ledger.removeprefix("s3://").partition("/")
        if pipeline.ledger.startswith("s3://")
        else ("", "", "")
    )
    hosts = [found for registry in _registries(pipeline) if (found := _ECR.fullmatch(registry))]
    if not hosts:
        if bucket:
            raise pulumi.RunError("shipit.yaml: a ledger on S3 needs a registry in ECR beside it")
        return None
    home = hosts[0]
    path = (home[3] or "").strip("/")
    names = tuple(f"{path}/{service}".strip("/") for service in services)
    return Aws(home["account"], home["region"], names, bucket, prefix)


def _gcp(pipeline: Pipeline) -> Gcp | None:
    hosts = [found for registry in _registries(pipeline) if (found := _GOOGLE.fullmatch(registry))]
    bucket = pipeline.ledger.removeprefix("gs://").partition("/")[0]
    if not hosts:
        return None
    repositories = {(h["location"], (h["name"] or pipeline.app).partition("/")[0]) for h in hosts}
    return Gcp(
        hosts[0]["project"],
        hosts[0]["location"],
        tuple(sorted(repositories)),
        bucket if pipeline.ledger.startswith("gs://") else "",
    )
