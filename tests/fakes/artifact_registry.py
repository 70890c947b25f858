"""A fake of Google's side: Artifact Registry's REST API and registry, and every token service.

with FakeGoogle(tmp_path) as google:
    google.service_account(tmp_path / "key.json")     # GOOGLE_APPLICATION_CREDENTIALS

Requests and answers go through the client library's own message classes, so that a field that does
not exist is an error here too.
"""

import base64
import json
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.cloud.artifactregistry_v1 import Repository

from shipit.registry.embedded.handler import Handler
from shipit.registry.embedded.wire import read_all
from tests.fakes.registry import FakeRegistry

HOST = "europe-docker.pkg.dev"
ACCOUNT = "shipit@acme.iam.gserviceaccount.com"
_METADATA = "/computeMetadata/v1/"
_JWT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"


class FakeGoogle(FakeRegistry):
    """`tokens_for` are the grants that were asked for, in order; `denied` are the API's methods
    that answer 403; `lifetime` is a token's, in seconds."""

    def __init__(self, folder: Path, *, lifetime: int = 3600) -> None:
        super().__init__(folder, users={"oauth2accesstoken": ""}, bearer=True)
        self.lifetime = lifetime
        self.repositories: dict[str, Repository] = {}
        self.calls: list[tuple[str, str]] = []
        self.tokens_for: list[str] = []
        self.denied: set[str] = set()
        self.refused: dict[str, Any] = {}  # what the token service answers instead of a token
        self.given: list[str] = []
        self._good_until: dict[str, float] = {}

    @property
    def endpoint(self) -> str:
        return f"http://{self.address}"

    def expire(self) -> None:
        """Every token, Google's and the registry's, that was given until now."""
        self._good_until.clear()
        self.tokens.clear()

    # Credentials of a user's, as files

    def service_account(self, path: Path) -> str:
        """Its private key, as text that must not be seen."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()
        _write(
            path,
            type="service_account",
            project_id="acme",
            private_key_id="1",
            private_key=pem,
            client_email=ACCOUNT,
            token_uri=f"{self.endpoint}/oauth",
        )
        return pem

    def person(self, path: Path, refresh_token: str) -> None:
        """What `gcloud auth application-default login` writes. Its token service is Google's own,
        so google-auth's address for it has to be `endpoint`/oauth."""
        _write(
            path,
            type="authorized_user",
            client_id="id",
            client_secret="secret",
            refresh_token=refresh_token,
        )

    def federation(self, path: Path, subject_token: Path) -> None:
        """Workload identity federation, as google-github-actions/auth writes it."""
        _write(
            path,
            type="external_account",
            audience="//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p",
            subject_token_type="urn:ietf:params:oauth:token-type:jwt",
            token_url=f"{self.endpoint}/sts",
            credential_source={"file": str(subject_token)},
        )

    # What answers

    def _intercept(self, request: Handler) -> bool:
        path = urlsplit(request.path).path
        if path in ("/oauth", "/sts") or path.startswith(_METADATA):
            self._answer_tokens(request, path)
            return True
        if path.startswith("/v1/"):
            self._answer_api(request, path.removeprefix("/v1/"))
            return True
        return super()._intercept(request)

    def _knows(self, encoded: str) -> bool:
        user, _, password = base64.b64decode(encoded).decode().partition(":")
        return user == "oauth2accesstoken" and self._is_good(password)

    def _is_good(self, token: str) -> bool:
        return self._good_until.get(token, 0) > time.monotonic()

    def _answer_tokens(self, request: Handler, path: str) -> None:
        form = parse_qs(read_all(request.body, 1024 * 1024).decode())
        grant = form.get("grant_type", ["metadata"])[0]
        if path.startswith(_METADATA):
            assert request.headers["Metadata-Flavor"] == "Google"
            if not path.endswith("/token"):
                self._metadata(request, {"email": ACCOUNT, "scopes": [], "aliases": []})
                return
        self.tokens_for.append(grant.rpartition(":")[2])
        if self.refused:
            request.answer_json(400, self.refused)
            return
        assert grant in ("metadata", "refresh_token", _JWT, _EXCHANGE)
        token = secrets.token_hex(16)
        self.given.append(token)
        self._good_until[token] = time.monotonic() + self.lifetime
        self._metadata(
            request,
            {
                "access_token": token,
                "expires_in": self.lifetime,
                "token_type": "Bearer",
                "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
            },
        )

    def _metadata(self, request: Handler, value: Mapping[str, Any]) -> None:
        request.answer_json(200, value, headers={"Metadata-Flavor": "Google"})

    def _answer_api(self, request: Handler, path: str) -> None:
        method = {"GET": "get", "POST": "create"}[request.command]
        self.calls.append((method, path))
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or not token:
            _fault(request, 401, "UNAUTHENTICATED", "who are you?")
        elif method in self.denied:
            _fault(request, 403, "PERMISSION_DENIED", f"{method} is denied")
        elif method == "get":
            self._get(request, path)
        else:
            self._create(request, path)

    def _get(self, request: Handler, path: str) -> None:
        if path not in self.repositories:
            _fault(request, 404, "NOT_FOUND", f"{path} was not found")
            return
        request.answer(200, _json(self.repositories[path]), media_type="application/json")

    def _create(self, request: Handler, parent: str) -> None:
        repository = Repository.from_json(read_all(request.body, 1024 * 1024).decode())
        name = f"{parent}/{request.query['repositoryId']}"
        if name in self.repositories:
            _fault(request, 409, "ALREADY_EXISTS", f"{name} exists")
            return
        repository.name = name
        self.repositories[name] = repository
        made = json.loads(_json(repository))
        kind = "type.googleapis.com/google.devtools.artifactregistry.v1.Repository"
        operation = parent.partition("/repositories")[0] + "/operations/1"
        done = {"name": operation, "done": True, "response": {"@type": kind, **made}}
        request.answer_json(200, done)


def _json(repository: Repository) -> bytes:
    text: str = Repository.to_json(repository, use_integers_for_enums=False)
    return text.encode()


def _fault(request: Handler, status: int, code: str, message: str) -> None:
    error = {"code": status, "status": code, "message": message}
    request.answer_json(status, {"error": error})


def _write(path: Path, **fields: object) -> None:
    path.write_text(json.dumps(fields))
