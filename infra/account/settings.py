"""What of shipit.yaml the account's foundations are made from."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pulumi
import yaml

from shipit.config import compose, file
from shipit.delivery.iam import beforehand, granted
from shipit.delivery.project import Project
from shipit.delivery.repositories import needed
from shipit.errors import ShipitError
from shipit.ledger.permissions import WRITTEN_ONCE, folders
from shipit.model.permission import Grant
from shipit.model.pipeline import Pipeline
from shipit.registry import address, aws, google
from shipit.registry.repositories import kinds

# owner/name, or owner@id/name@id (GitHub, "Immutable subject claims").
_REPOSITORY = re.compile(r"(?P<owner>[\w.-]+)(@(\d+))?/(?P<name>[\w.-]+)(@(\d+))?", re.ASCII)


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Written(_Strict, frozen=True):
    """`x-infra` of shipit.yaml. `github` is owner/name, or owner@id/name@id where GitHub's tokens
    say so: its workflows deploy without keys, each environment of GitHub's to the environment of
    shipit's with the same name. `trusted`: the AWS account trusts GitHub's tokens already, which it
    can once; another application's infra/ did that."""

    github: str = ""
    trusted: bool = False
    tags: dict[str, str] = {}


class Github(_Strict, frozen=True):
    """`owner_id` and `repository_id` are "" where its tokens do not name them."""

    repository: str
    owner_id: str = ""
    repository_id: str = ""
    trusted: bool = False

    def subject(self, environment: str) -> str:
        """`sub` in the token of a job that is in this environment of GitHub's, and in no other's
        (GitHub, "OpenID Connect reference": the default subject)."""
        owner, _, name = self.repository.partition("/")
        if self.owner_id:
            owner, name = f"{owner}@{self.owner_id}", f"{name}@{self.repository_id}"
        return f"repo:{owner}/{name}:environment:{environment}"


class Ledger(_Strict, frozen=True):
    """A bucket, and the folders in it whose objects are written once: `shop/log/`."""

    bucket: str
    once: tuple[str, ...]


class Aws(_Strict, frozen=True):
    """`repositories` are in ECR, by region and name; `region` is the first one's, and where the
    ledger's bucket is made. `ledger` is None where it is elsewhere."""

    account: str
    region: str
    repositories: tuple[tuple[str, str], ...] = ()
    ledger: Ledger | None = None


class Gcp(_Strict, frozen=True):
    """`repositories` are in Artifact Registry, as images are named in them:
    europe-west1-docker.pkg.dev/acme/shop."""

    project: str
    location: str
    repositories: tuple[str, ...] = ()
    ledger: Ledger | None = None


class Settings(msgspec.Struct, frozen=True):
    """`policies` and `grants` by environment: what its deployments need, and nothing else."""

    app: str
    environments: tuple[str, ...]
    github: Github | None
    tags: dict[str, str]
    aws: Aws | None = None
    gcp: Gcp | None = None
    policies: dict[str, dict[str, Any]] = {}
    grants: dict[str, tuple[Grant, ...]] = {}


def load(start: Path | None = None) -> Settings:
    """Raises pulumi.RunError, which Pulumi shows as one sentence."""
    try:
        path = file.find(start or Path.cwd())
        project = Project(file.load(path))
        written = msgspec.convert(
            (yaml.safe_load(path.read_text("utf-8")) or {}).get("x-infra") or {}, Written
        )
        found = _settings(project, written)
    except (ShipitError, msgspec.ValidationError, yaml.YAMLError) as error:
        raise pulumi.RunError(f"shipit.yaml: {error}") from None
    if found.aws is None and found.gcp is None:
        raise pulumi.RunError(
            "shipit.yaml: neither its registry nor its ledger is on AWS or Google Cloud: there is"
            " nothing to make once"
        )
    return found


def _settings(project: Project, written: Written) -> Settings:
    pipeline, github = project.pipeline, _github(written.github, trusted=written.trusted)
    rendered = compose.render_all(pipeline)
    repositories = [one for held in needed(project, rendered).values() for one in held]
    amazon, cloud = _aws(pipeline, repositories), _gcp(pipeline, repositories)
    names = tuple(pipeline.environments)
    return Settings(
        app=pipeline.app,
        environments=names,
        github=github,
        tags={"shipit:app": pipeline.app, "managed-by": "pulumi", **written.tags},
        aws=amazon,
        gcp=cloud,
        policies=_policies(project, amazon) if amazon and github else {},
        grants={name: granted(project, name) for name in names} if cloud and github else {},
    )


def _github(written: str, *, trusted: bool) -> Github | None:
    if not written:
        return None
    found = _REPOSITORY.fullmatch(written)
    if not found or bool(found[3]) != bool(found[6]):
        raise pulumi.RunError(
            f"shipit.yaml: x-infra.github: owner/name or owner@id/name@id, not {written!r}"
        )
    repository = f"{found['owner']}/{found['name']}"
    return Github(repository, found[3] or "", found[6] or "", trusted)


def _policies(project: Project, amazon: Aws) -> dict[str, dict[str, Any]]:
    """What `shipit iam` says: what the code calls, and nothing else. An environment whose stack is
    not there yet gets the rest of its rights when this runs again."""
    found = {}
    for name in project.pipeline.environments:
        document, unknown = beforehand(project, name, amazon.account)
        if unknown:
            pulumi.warn(
                f"the role of {name} has not all of its rights yet: {unknown}. Run"
                " `shipit provision --infra` again when that has changed"
            )
        if document["Statement"]:
            found[name] = document
    return found


def _registries(pipeline: Pipeline) -> list[str]:
    own = [environment.registry for environment in pipeline.environments.values()]
    return [registry for registry in dict.fromkeys([pipeline.registry, *own]) if registry]


def _aws(pipeline: Pipeline, repositories: Iterable[str]) -> Aws | None:
    """Repositories in the account of the first registry."""
    hosts = (aws.parse(registry.partition("/")[0]) for registry in _registries(pipeline))
    home = next((host for host in hosts if host and host.account), None)
    ledger = _ledger(pipeline.ledger, "s3://")
    if home is None:
        if ledger:
            raise pulumi.RunError("shipit.yaml: a ledger on S3 needs a registry in ECR beside it")
        return None
    there = [
        (host, path)
        for registry, path in map(address.split, repositories)
        if (host := aws.parse(registry)) and host.account
    ]
    others = [f"{path} in {host.account}" for host, path in there if host.account != home.account]
    if others:
        pulumi.warn(
            f"not in this account ({home.account}), and not made: {', '.join(others)}. With that"
            " account's credentials `shipit registry create` makes them"
        )
    made = [(host.region, path) for host, path in there if host.account == home.account]
    return Aws(home.account, home.region, tuple(made), ledger)


def _gcp(pipeline: Pipeline, repositories: Iterable[str]) -> Gcp | None:
    """All services lie in one repository, which is made where it is named, in any project."""
    registries = [one for one in _registries(pipeline) if _location(one)]
    ledger = _ledger(pipeline.ledger, "gs://")
    if not registries:
        if ledger:
            raise pulumi.RunError(
                "shipit.yaml: a ledger on Cloud Storage needs a registry in Artifact Registry"
                " beside it"
            )
        return None
    homes = [kind.home(one) for one in repositories if _location(one) and (kind := kinds.find(one))]
    project = registries[0].split("/")[1:]
    depth = 2 if "." in project[0] else 1
    return Gcp(
        ":".join(project[:depth]), _location(registries[0]), tuple(dict.fromkeys(homes)), ledger
    )


def _location(repository: str) -> str:
    """Empty for what is not on a host of Artifact Registry's own."""
    host = google.parse(repository.partition("/")[0])
    return host.location if host and not host.repository else ""


def parts(repository: str) -> tuple[str, str, str]:
    """Location, project and name. A project of a domain's is written example.com:shop."""
    project, _, name = address.split(repository)[1].rpartition("/")
    return _location(repository), project.replace("/", ":"), name


def _ledger(url: str, scheme: str) -> Ledger | None:
    if not url.startswith(scheme):
        return None
    bucket = url.removeprefix(scheme).partition("/")[0]
    return Ledger(bucket, folders(url, WRITTEN_ONCE))
