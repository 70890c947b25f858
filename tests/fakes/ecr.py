"""A fake of Amazon ECR: its JSON API and its registry, on one socket.

with FakeEcr(tmp_path) as ecr:
    monkeypatch.setenv("AWS_ENDPOINT_URL", ecr.endpoint)

It does what emulators do not: tokens that expire, immutable tags with exclusions, mounts that have
to be opted in to (202), and the `OCI-Subject` header without a referrers API. Every request is
checked against botocore's own description of the service, patterns and enumerations too.
"""

import base64
import json
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import botocore.session
from botocore.validate import ParamValidator

from shipit.registry.embedded.handler import Handler
from shipit.registry.embedded.wire import read_all
from tests.fakes.registry import FakeRegistry, answer_error

ACCOUNT = "111122223333"
REGION = "eu-west-1"
HOST = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
_TARGETS = {"AmazonEC2ContainerRegistry_V20150921": "ecr", "SpencerFrontendService": "ecr-public"}
_NAME = re.compile(r"/v2/(?P<name>.+?)/(?:manifests|blobs|tags|referrers)/(?P<what>.*)")

Answer = dict[str, Any]


class ApiError(Exception):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class FakeEcr(FakeRegistry):
    """`denied` are operations that the credentials may not do; `lifetime` is a token's, in seconds;
    `calls` are the API's requests, `signed_for` the regions that they were signed for."""

    def __init__(self, folder: Path, *, mounts: bool = False, lifetime: float = 12 * 3600) -> None:
        super().__init__(folder, users={"AWS": ""}, referrers=False)
        self.mounts = mounts
        self.lifetime = lifetime
        self.repositories: dict[str, Answer] = {}
        self.policies: dict[str, str] = {}
        self.blobs: set[tuple[str, str]] = set()  # each repository has its own
        self.calls: list[tuple[str, Answer]] = []
        self.signed_for: list[str] = []
        self.denied: set[str] = set()
        self.given: list[str] = []  # every password there was
        self._good_until: dict[str, float] = {}

    @property
    def endpoint(self) -> str:
        return f"http://{self.address}"

    def expire(self) -> None:
        """Every token that was given until now."""
        self._good_until.clear()

    def called(self, operation: str) -> list[Answer]:
        return [words for name, words in self.calls if name == operation]

    # The registry

    def _intercept(self, request: Handler) -> bool:
        if request.path == "/" and request.command == "POST":
            self._answer_api(request)
            return True
        return super()._intercept(request) or self._is_refused(request)

    def _knows(self, encoded: str) -> bool:
        user, _, password = base64.b64decode(encoded).decode().partition(":")
        return user == "AWS" and self._good_until.get(password, 0) > time.monotonic()

    def _is_refused(self, request: Handler) -> bool:
        found = _NAME.match(urlsplit(request.path).path)
        if found is None:
            return False
        name, what = found["name"], found["what"]
        if name not in self.repositories:
            answer_error(request, 404, "NAME_UNKNOWN")
            return True
        if "/referrers/" in request.path:
            answer_error(request, 404, "UNSUPPORTED")
            return True
        if "/blobs/" in request.path:
            return self._lacks_blob(request, name, what)
        if request.command == "PUT":
            return self._is_immutable(request, name, what) or self._tell_subject(request)
        return False

    def _lacks_blob(self, request: Handler, name: str, what: str) -> bool:
        query = request.query
        if request.command == "POST" and "mount" in query:
            mounted = query["mount"] if self.mounts else query.pop("mount") and ""  # "": 202
            self.blobs.add((name, mounted))
        if request.command == "PUT":
            self.blobs.add((name, query["digest"]))
        if request.command not in ("GET", "HEAD") or (name, what) in self.blobs:
            return False
        answer_error(request, 404, "BLOB_UNKNOWN")
        return True

    def _is_immutable(self, request: Handler, name: str, tag: str) -> bool:
        """The same digest is refused again, too."""
        repository = self.repositories[name]
        filters = [f["filter"] for f in repository["imageTagMutabilityExclusionFilters"]]
        movable = repository["imageTagMutability"] == "MUTABLE"
        if movable or any(fnmatchcase(tag, f) for f in filters):
            return False
        if tag not in self.layout.index().tags(name):
            return False
        answer_error(request, 400, "TAG_INVALID")
        return True

    def _tell_subject(self, request: Handler) -> bool:
        """The header without the API behind it (FACTS: registry traps)."""
        answer = request.answer

        def with_subject(status: int, content: bytes = b"", **words: Any) -> None:
            headers = {**(words.pop("headers", None) or {}), "OCI-Subject": "sha256:" + "0" * 64}
            answer(status, content, headers=headers, **words)

        request.answer = with_subject  # type: ignore[method-assign]
        return False

    # The API

    def _answer_api(self, request: Handler) -> None:
        service, operation, words = _read(request)
        self.signed_for.append(_region(request))
        self.calls.append((operation, words))
        status = 200
        try:
            answer = self._perform(service, operation, words)
        except ApiError as error:
            status, answer = 400, {"__type": error.code, "message": str(error)}
        content = json.dumps(answer).encode()
        request.answer(status, content, media_type="application/x-amz-json-1.1")

    def _perform(self, service: str, operation: str, words: Answer) -> Answer:
        if operation in self.denied:
            raise ApiError("AccessDeniedException", f"not authorized to do {operation}")
        wrong = list(check(service, operation, words))
        if wrong:
            raise ApiError("InvalidParameterException", "; ".join(wrong))
        return _OPERATIONS[operation](self, service, words)

    def token(self, service: str, _: Answer) -> Answer:
        password = secrets.token_hex(16)
        self.given.append(password)
        self._good_until[password] = time.monotonic() + self.lifetime
        data = {
            "authorizationToken": base64.b64encode(f"AWS:{password}".encode()).decode(),
            "expiresAt": time.time() + self.lifetime,
        }
        return {"authorizationData": data if service == "ecr-public" else [data]}

    def describe(self, _: str, words: Answer) -> Answer:
        return {"repositories": [self._there(name) for name in words["repositoryNames"]]}

    def create(self, _: str, words: Answer) -> Answer:
        name = words["repositoryName"]
        if name in self.repositories:
            raise ApiError("RepositoryAlreadyExistsException", f"{name} already exists")
        arn = f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{name}"
        made = {"imageTagMutability": "MUTABLE", "imageTagMutabilityExclusionFilters": [], **words}
        self.repositories[name] = {**made, "repositoryArn": arn}
        return {"repository": self.repositories[name]}

    def put_policy(self, _: str, words: Answer) -> Answer:
        self._there(words["repositoryName"])
        self.policies[words["repositoryName"]] = words["lifecyclePolicyText"]
        return {"repositoryName": words["repositoryName"]}

    def get_policy(self, _: str, words: Answer) -> Answer:
        name = words["repositoryName"]
        self._there(name)
        if name not in self.policies:
            raise ApiError("LifecyclePolicyNotFoundException", f"{name} has none")
        return {"repositoryName": name, "lifecyclePolicyText": self.policies[name]}

    def tags(self, _: str, words: Answer) -> Answer:
        name = words["resourceArn"].partition(":repository/")[2]
        return {"tags": self._there(name).get("tags", [])}

    def _there(self, name: str) -> Answer:
        if name not in self.repositories:
            raise ApiError("RepositoryNotFoundException", f"{name} does not exist")
        return self.repositories[name]


_OPERATIONS: Mapping[str, Callable[[FakeEcr, str, Answer], Answer]] = {
    "GetAuthorizationToken": FakeEcr.token,
    "DescribeRepositories": FakeEcr.describe,
    "CreateRepository": FakeEcr.create,
    "PutLifecyclePolicy": FakeEcr.put_policy,
    "GetLifecyclePolicy": FakeEcr.get_policy,
    "ListTagsForResource": FakeEcr.tags,
}


def _read(request: Handler) -> tuple[str, str, Answer]:
    """The service, the operation and its parameters."""
    target, _, operation = request.headers["X-Amz-Target"].partition(".")
    return _TARGETS[target], operation, json.loads(read_all(request.body, 1024 * 1024) or b"{}")


def _region(request: Handler) -> str:
    """Out of the signature's credential scope (Signature Version 4)."""
    return str(request.headers["Authorization"].split("Credential=")[1].split("/")[2])


def check(service: str, operation: str, words: Answer) -> Iterator[str]:
    """What botocore's service description says is wrong with a request."""
    shape = _model(service).operation_model(operation).input_shape
    if shape is None:
        return
    report = ParamValidator().validate(words, shape)
    if report.has_errors():
        yield report.generate_report()
    yield from _wrong(shape, words, operation)


@cache
def _model(service: str) -> Any:
    return botocore.session.get_session().get_service_model(service)


def _wrong(shape: Any, value: Any, path: str) -> Iterator[str]:
    """Patterns, enumerations and sizes, which botocore's validator leaves to the service."""
    if shape.type_name == "structure":
        for name, below in value.items():
            if name not in shape.members:
                yield f"{path}.{name}: unknown"
            else:
                yield from _wrong(shape.members[name], below, f"{path}.{name}")
    elif shape.type_name == "list":
        size = len(value)
        if not shape.metadata.get("min", 0) <= size <= shape.metadata.get("max", size):
            yield f"{path}: {size} of them"
        for index, below in enumerate(value):
            yield from _wrong(shape.member, below, f"{path}[{index}]")
    elif shape.type_name == "string":
        size = len(value)
        pattern = shape.metadata.get("pattern")
        if pattern and not re.fullmatch(pattern, value):
            yield f"{path}: {value!r} does not match {pattern}"
        if getattr(shape, "enum", None) and value not in shape.enum:
            yield f"{path}: {value!r} is not one of {shape.enum}"
        if not shape.metadata.get("min", 0) <= size <= shape.metadata.get("max", size):
            yield f"{path}: {size} characters"
