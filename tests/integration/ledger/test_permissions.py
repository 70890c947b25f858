"""Deployments behind a door that lets through what the roles of infra/ allow, and nothing else."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shipit.config import file
from shipit.delivery.deploy import deploy
from shipit.delivery.iam import granted, least
from shipit.delivery.project import Project
from shipit.delivery.request import Request
from shipit.errors import ShipitError
from shipit.ledger.store import Store, open_store
from tests.fakes.moto import CREDENTIALS, make_bucket, moto_server
from tests.fakes.object_store_door import Asked, Door, opened
from tests.fakes.objects import object_server
from tests.fakes.policies import allows, applied, may
from tests.fakes.project import FakeProject, run
from tests.fakes.pulumi_engine.graph import Graph, of_account

ACCOUNT, BUCKET, PREFIX = "111122223333", "acme-shipit", "teams/shop"
INSIDE = f"arn:aws:s3:::{BUCKET}/{PREFIX}"
IN_EACH = ("log/000000000001.json", "releases/sha256:a.json", "state/000000000001.json")
SHIPIT_YAML = """\
app: shop
registry: {registry}
ledger: {ledger}
x-infra: {{github: acme/shop}}
environments:
  dev: {{target: {{docker: {{}}}}}}
  production:
    after: dev
    target: {target}
"""
AMAZON = {
    "registry": f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com/shop",
    "ledger": f"s3://{BUCKET}/{PREFIX}",
    "target": "{ecs: {region: eu-west-1, cluster: prod, subnets: [subnet-1]}}",
}
GOOGLE = {
    "registry": "europe-west1-docker.pkg.dev/acme/shop",
    "ledger": f"gs://{BUCKET}/{PREFIX}",
    "target": "{gke: {project: acme, location: europe-west1, cluster: prod}}",
}
_OBJECTS = {"GET": "s3:GetObject", "HEAD": "s3:GetObject", "PUT": "s3:PutObject"}
_KMS = {"s3:GetObject": "kms:Decrypt", "s3:PutObject": "kms:GenerateDataKey"}
_VIA = {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}
Call = tuple[str, str, dict[str, str]]  # action, resource, context


def written(folder: Path, cloud: dict[str, str]) -> Path:
    (folder / "compose.yaml").write_text("services: {web: {build: .}, db: {image: postgres}}\n")
    path = folder / "shipit.yaml"
    path.write_text(SHIPIT_YAML.format(**cloud))
    return path


def deployed(folder: Path, store: Store, *, times: int) -> None:
    """Leases with their heartbeats, releases, so many commits that states come and go."""
    project = FakeProject(folder, store=store)
    for n in range(times):
        project.release(f"r{n:02}")
        run(deploy(project, Request("dev")))


class OnS3:
    """The account's foundations, and what they allow."""

    def __init__(self, door: Door, path: Path) -> None:
        self.door, self.path = door, path
        self.graph: Graph = of_account(path)
        (policy,) = self.graph.of("aws:s3/bucketPolicy:BucketPolicy")
        self.bucket: list[dict[str, Any]] = json.loads(policy.inputs["policy"])["Statement"]
        self.key: str = next(
            r.inputs["rules"][0]["applyServerSideEncryptionByDefault"]["kmsMasterKeyId"]
            for r in self.graph.resources
            if "ServerSideEncryption" in r.type
        )
        door.asked.clear()

    def role(self, environment: str) -> list[dict[str, Any]]:
        """The statements of all its policies."""
        (role,) = [
            r
            for r in self.graph.of("aws:iam/role:Role")
            if r.inputs["name"] == f"shipit-shop-{environment}"
        ]
        return [
            statement
            for policy in self.graph.of("aws:iam/rolePolicy:RolePolicy")
            if policy.inputs["role"] == f"{role.name}-id"
            for statement in json.loads(policy.inputs["policy"])["Statement"]
        ]

    def enforce(self, environment: str) -> None:
        statements = self.role(environment)
        self.door.lets = lambda asked: all(self._lets(statements, c) for c in self.calls(asked))
        self.door.tells = lambda asked: allows(
            statements, "s3:ListBucket", f"arn:aws:s3:::{asked.bucket}", {"s3:prefix": asked.key}
        )

    def _lets(self, statements: list[dict[str, Any]], call: Call) -> bool:
        action, resource, context = call
        denied = "Deny" in applied(self.bucket, action, resource, context)
        return allows(statements, action, resource, context) and not denied

    def calls(self, asked: Asked) -> Iterator[Call]:
        """In IAM's words. Several objects are deleted at once by a request to their bucket; an
        object is encrypted, and decrypted, in the caller's name."""
        always = {"aws:SecureTransport": "true", "aws:PrincipalArn": "arn:aws:iam::1:role/x"}
        arn = f"arn:aws:s3:::{asked.bucket}"
        if asked.key:
            action = _OBJECTS[asked.method]
            writing = {"s3:ObjectCreationOperation": "true"} if asked.method == "PUT" else {}
            if "if-none-match" in asked.headers:
                writing["s3:if-none-match"] = asked.headers["if-none-match"]
            yield action, f"{arn}/{asked.key}", {**always, **writing}
            yield _KMS[action], self.key, _VIA
        elif "delete" in asked.query:
            for named in re.findall(r"<Key>([^<]+)</Key>", asked.body.decode()):
                yield "s3:DeleteObject", f"{arn}/{named}", always
        else:
            (prefix,) = asked.query.get("prefix", [""])
            yield "s3:ListBucket", arn, {**always, "s3:prefix": prefix}


@pytest.fixture
def s3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OnS3]:
    monkeypatch.setenv("SHIPIT_ACTOR", "ada")
    with moto_server() as endpoint, opened(endpoint) as door:
        make_bucket(endpoint, BUCKET)
        for name, value in CREDENTIALS.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", door.endpoint)
        yield OnS3(door, written(tmp_path, AMAZON))


@pytest.mark.aws
def test_deployments_go_through_with_a_role_of_infra_and_use_all_that_it_may(
    s3: OnS3, tmp_path: Path
) -> None:
    s3.enforce("dev")
    deployed(tmp_path, open_store(AMAZON["ledger"], tmp_path), times=12)
    assert s3.door.refused == []
    asked = {action for request in s3.door.asked for action, _, _ in s3.calls(request)}
    may_do = {action for statement in s3.role("dev") for action in statement["Action"]}
    assert {action for action in may_do if not action.startswith("ecr:")} == asked


@pytest.mark.aws
@pytest.mark.parametrize("environment", ["dev", "production"])
def test_a_role_has_what_shipit_iam_says_and_nothing_else(s3: OnS3, environment: str) -> None:
    """All of its policies together, the ledger on S3 with a key of its own."""
    project = Project(file.load(s3.path))
    wanted, _ = least(project, environment, ACCOUNT, clearing=False, key=s3.key)
    assert s3.role(environment) == wanted["Statement"]
    services = {"ecr", "s3", "kms"} | ({"ecs"} if environment == "production" else set())
    found = {a.partition(":")[0] for s in wanted["Statement"] for a in s["Action"]}
    assert services <= found


@pytest.mark.aws
def test_a_role_reaches_its_own_record_and_neither_pulumis_state_nor_its_key(s3: OnS3) -> None:
    role = s3.role("dev")
    for path in IN_EACH:
        assert allows(role, "s3:GetObject", f"{INSIDE}/{path}")
        assert not allows(role, "s3:GetObject", f"{INSIDE}2/{path}")
    state = f"{INSIDE}/pulumi/.pulumi/stacks/stacks/production.json"
    for action in ("s3:GetObject", "s3:PutObject", "s3:DeleteObject"):
        assert not allows(role, action, state)
    for path in IN_EACH[:2]:
        assert not allows(role, "s3:DeleteObject", f"{INSIDE}/{path}")
    listing = ("s3:ListBucket", f"arn:aws:s3:::{BUCKET}")
    assert allows(role, *listing, {"s3:prefix": f"{PREFIX}/log/000000000002.json"})
    for prefix in ("", "teams/", f"{PREFIX}/pulumi/", "teams/other/log/"):
        assert not allows(role, *listing, {"s3:prefix": prefix})
    (alias,) = [
        r
        for r in s3.graph.of("aws:kms/alias:Alias")
        if r.inputs["name"] == "alias/shop-shipit"  # as the stacks' `secrets:` have it
    ]
    stacks = f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/{alias.inputs['targetKeyId']}"
    assert stacks != s3.key
    for action in ("kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"):
        assert not allows(role, action, stacks, _VIA)
        assert not allows(role, action, s3.key), "without S3 in between"


@pytest.mark.aws
def test_s3_refuses_to_write_a_commit_again_that_does_not_say_only_if_absent(
    s3: OnS3, tmp_path: Path
) -> None:
    """fm28: whatever a client does, by the bucket's policy."""
    s3.enforce("dev")
    store = open_store(AMAZON["ledger"], tmp_path)
    for path in IN_EACH[:2]:
        assert store.create(path, b"first")
        assert not store.create(path, b"second")
        with pytest.raises(ShipitError, match="403"):
            store.put(path, b"second")
        assert store.get(path) == b"first"
    store.put("state/000000000001.json", b"first")
    store.put("state/000000000001.json", b"second")


class OnGcs:
    def __init__(self, door: Door, path: Path) -> None:
        self.door, self.graph = door, of_account(path)
        self.project = Project(file.load(path))
        self.door.lets, self.door.tells = self._lets, self._tells

    @property
    def grants(self) -> list[tuple[str, str]]:
        """Of dev's account, on the bucket."""
        return [
            (m.inputs["role"], (m.inputs.get("condition") or {}).get("expression", ""))
            for m in self.graph.of("gcp:storage/bucketIAMMember:BucketIAMMember")
            if m.inputs["member"].startswith("serviceAccount:shipit-shop-dev@")
        ]

    def permissions(self, asked: Asked) -> Iterator[tuple[str, str]]:
        """Replacing an object is deleting it as well ("IAM permissions for XML requests")."""
        bucket = f"projects/_/buckets/{asked.bucket}"
        name = f"{bucket}/objects/{asked.key}"
        if not asked.key:
            yield "storage.objects.list", bucket
        elif asked.method == "PUT":
            yield "storage.objects.create", name
            if self.door.holds(asked.bucket, asked.key):
                yield "storage.objects.delete", name
        elif asked.method == "DELETE":
            yield "storage.objects.delete", name
        else:
            yield "storage.objects.get", name

    def _lets(self, asked: Asked) -> bool:
        return all(may(self.grants, *needed) for needed in self.permissions(asked))

    def _tells(self, asked: Asked) -> bool:
        return may(self.grants, "storage.objects.list", f"projects/_/buckets/{asked.bucket}")


@pytest.fixture
def gcs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OnGcs]:
    monkeypatch.setenv("SHIPIT_ACTOR", "ada")
    with object_server() as objects, opened(objects.endpoint) as door:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", door.endpoint)
        yield OnGcs(door, written(tmp_path, GOOGLE))


def test_deployments_go_through_with_an_account_of_infra_on_google(
    gcs: OnGcs, tmp_path: Path
) -> None:
    """Refused is only what was there: an answer that means the same as 412."""
    deployed(tmp_path, open_store(GOOGLE["ledger"], tmp_path), times=12)
    assert {(r.method, r.headers["x-goog-if-generation-match"]) for r in gcs.door.refused} <= {
        ("PUT", "0")
    }
    used = {p for asked in gcs.door.asked for p, _ in gcs.permissions(asked)}
    assert used == {f"storage.objects.{verb}" for verb in ("create", "delete", "get", "list")}


def test_google_refuses_to_write_a_commit_again_whatever_is_asked(
    gcs: OnGcs, tmp_path: Path
) -> None:
    store = open_store(GOOGLE["ledger"], tmp_path)
    for path in IN_EACH[:2]:
        assert store.create(path, b"first")
        assert not store.create(path, b"second")
        with pytest.raises(ShipitError, match="403"):
            store.put(path, b"second")
        with pytest.raises(ShipitError, match="403"):
            store.delete(path)
        assert store.get(path) == b"first"
    store.put("state/000000000001.json", b"first")
    store.put("state/000000000001.json", b"second")
    with pytest.raises(ShipitError, match="403"):
        store.create("pulumi/.pulumi/stacks/stacks/dev.json", b"mine")


def test_an_account_has_the_grants_that_the_code_needs_and_nothing_else(gcs: OnGcs) -> None:
    wanted = granted(gcs.project, "dev")
    on_bucket = [(g.role, g.condition) for g in wanted if g.on == f"gs://{BUCKET}"]
    assert sorted(gcs.grants) == sorted(on_bucket)
    members = gcs.graph.of("gcp:artifactregistry/repositoryIamMember:RepositoryIamMember")
    assert {m.inputs["role"] for m in members} == {
        g.role for g in wanted if not g.on.startswith("gs://")
    }
