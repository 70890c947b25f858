"""What EKS does with a bearer token, and clusters in moto whose API server is a front door.

The token is held against the rules of kubernetes-sigs/aws-iam-authenticator (pkg/token/token.go,
`Verify`), and its signature is computed anew with the secret key that we know.
"""

import base64
import datetime
import hashlib
import hmac
import http.client
import http.server
import json
import threading
import urllib.parse
from collections.abc import Mapping
from typing import Any, Self

PREFIX = "k8s-aws-v1."
_PARAMETERS = {
    *("action", "version", "x-amz-algorithm", "x-amz-credential", "x-amz-date"),
    *("x-amz-expires", "x-amz-security-token", "x-amz-signature", "x-amz-signedheaders"),
}
_LIFE = datetime.timedelta(minutes=15)


class Authenticator:
    """`keys` are the secret keys by access key id; `users` who each is, "" for who has no entry.
    `now` moves with the test. `told` are the reasons for which tokens were refused."""

    def __init__(self, cluster: str, host: str, keys: Mapping[str, str]) -> None:
        self.cluster, self.host, self.keys = cluster, host, dict(keys)
        self.users = {key: f"arn:aws:sts::123456789012:assumed-role/ci/{key}" for key in keys}
        self.now = datetime.datetime.now(datetime.UTC)
        self.tokens: list[str] = []
        self.told: list[str] = []

    def judge(self, authorization: str) -> str:
        kind, _, token = authorization.partition(" ")
        if kind != "Bearer":
            return self._refuse("no bearer token")
        self.tokens.append(token)
        if not token.startswith(PREFIX):
            return self._refuse("no token of EKS's")
        encoded = token.removeprefix(PREFIX)
        if "=" in encoded:
            return self._refuse("it is padded")
        address = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
        return self._verify(urllib.parse.urlsplit(address))

    def _verify(self, address: urllib.parse.SplitResult) -> str:
        query = {k.lower(): v for k, v in urllib.parse.parse_qsl(address.query)}
        key = query["x-amz-credential"].partition("/")[0]
        signed = query["x-amz-signedheaders"].split(";")
        made = datetime.datetime.strptime(query["x-amz-date"], "%Y%m%dT%H%M%SZ")
        age = self.now - made.replace(tzinfo=datetime.UTC)
        wrong = (
            ("it is not for STS", address.netloc != self.host or address.path != "/"),
            ("it asks for something else", query.get("action") != "GetCallerIdentity"),
            ("it asks for more", bool(query.keys() - _PARAMETERS)),
            ("the cluster's name is not signed", signed != ["host", "x-k8s-aws-id"]),
            ("it is signed for too long", not 0 < int(query["x-amz-expires"]) <= 900),
            ("it is older than 15 minutes", age > _LIFE),
            ("its key is unknown", key not in self.keys),
        )
        for why, is_wrong in wrong:
            if is_wrong:
                return self._refuse(why)
        if not self._is_signed(address, query, key):
            return self._refuse("its signature is another one")
        return self.users[key] or self._refuse(f"{key} has no access entry")

    def _is_signed(
        self, address: urllib.parse.SplitResult, query: Mapping[str, str], key: str
    ) -> bool:
        """docs.aws.amazon.com/IAM, "Create a signed AWS API request", by hand."""
        asked = address.query.rpartition("&X-Amz-Signature=")[0]
        canonical = "\n".join(
            (
                *("GET", "/", "&".join(sorted(asked.split("&")))),
                *(f"host:{address.netloc}", f"x-k8s-aws-id:{self.cluster}", ""),
                *("host;x-k8s-aws-id", hashlib.sha256(b"").hexdigest()),
            )
        )
        scope = query["x-amz-credential"].partition("/")[2]
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        text = "\n".join(("AWS4-HMAC-SHA256", query["x-amz-date"], scope, digest))
        signed = f"AWS4{self.keys[key]}".encode()
        for word in (*scope.split("/"), text):
            signed = hmac.digest(signed, word.encode(), "sha256")
        return signed.hex() == query["x-amz-signature"]

    def _refuse(self, why: str) -> str:
        self.told.append(why)
        return ""


class FakeEks:
    """What EKS says (AWS_ENDPOINT_URL_EKS). Clusters are moto's where `moto` is its address, else
    those in `clusters`; either way they get the endpoint and CA of `doors`."""

    def __init__(self, moto: str = "") -> None:
        self.clusters: dict[str, dict[str, Any]] = {}
        self.doors: dict[str, tuple[str, bytes]] = {}  # name: (address, CA)
        self.refusal: tuple[int, str, str] | None = None  # status, code, message
        self.asked: list[str] = []
        self.moto = moto
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str, headers: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        self.asked.append(path)
        if self.refusal:
            status, code, message = self.refusal
            return status, {"__type": code, "message": message}
        name = path.rpartition("/")[2]
        if self.moto:
            status, said = _passed_on(self.moto, path, headers["Authorization"])
            if status != 200:
                return status, {"__type": "ResourceNotFoundException", **said}
            if "cluster" not in said:  # what is in one
                return status, said
            cluster = said["cluster"]
        elif name in self.clusters:
            cluster = {"name": name, "status": "ACTIVE", "version": "1.33", **self.clusters[name]}
        else:
            what = f"No cluster found for name: {name}."
            return 404, {"__type": "ResourceNotFoundException", "message": what}
        if name in self.doors:
            address, ca = self.doors[name]
            cluster["endpoint"] = address
            cluster["certificateAuthority"] = {"data": base64.b64encode(ca).decode()}
        return 200, {"cluster": cluster}


def _passed_on(moto: str, path: str, authorization: str) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection(moto.removeprefix("http://"), timeout=10)
    try:
        connection.request("GET", path, headers={"Authorization": authorization})
        with connection.getresponse() as answer:
            said: dict[str, Any] = json.loads(answer.read())
            return answer.status, said
    finally:
        connection.close()


def _handler(fake: FakeEks) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, value = fake.answer(self.path, dict(self.headers))
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            if "__type" in value:
                self.send_header("x-amzn-ErrorType", value["__type"])
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    return Handler
