"""What stands before an API server's storage and says no: a policy, or a webhook.

    with policy(cluster.api, namespace, "deployments", "...", "not on a Friday"):
        ...                                     # from here on it is refused

Both are effective when their blocks begin, and gone at their ends.
"""

import base64
import json
import ssl
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from tests.fakes.cluster.api import Api, Json, RefusedError
from tests.fakes.cluster.flags import LOOPBACK
from tests.fakes.front_door import NAME, Authority

_HOME = "/apis/admissionregistration.k8s.io/v1"
_GROUPS = {"deployments": "apps", "networkpolicies": "networking.k8s.io"}
_KINDS = {
    "configmaps": "ConfigMap",
    "deployments": "Deployment",
    "networkpolicies": "NetworkPolicy",
    "services": "Service",
}
_DEADLINE = 60.0  # seconds until an API server has heard of it
_PROBE = "shipit-tests-probe"  # an object that is refused for its name, and never there


@contextmanager
def policy(
    api: Api,
    namespace: str,
    resource: str,
    expression: str,
    message: str,
    *,
    operations: Sequence[str] = ("CREATE", "UPDATE"),
) -> Iterator[None]:
    """A ValidatingAdmissionPolicy: what the CEL expression is false for is refused."""
    name = f"t{uuid.uuid4().hex[:8]}"
    rule = {
        "apiGroups": [_GROUPS.get(resource, "")],
        "apiVersions": ["v1"],
        "operations": sorted({"CREATE", *operations}),
        "resources": [resource],
    }
    says = {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [rule]},
        "validations": [
            {"expression": f"request.operation == 'DELETE' || object.metadata.name != '{_PROBE}'"},
            {"expression": _only(operations, expression), "message": message},
        ],
    }
    binds = {
        "policyName": name,
        "validationActions": ["Deny"],
        "matchResources": {"namespaceSelector": _within(namespace)},
    }
    made = [
        _post(api, "validatingadmissionpolicies", "ValidatingAdmissionPolicy", name, says),
        _post(
            api,
            "validatingadmissionpolicybindings",
            "ValidatingAdmissionPolicyBinding",
            name,
            binds,
        ),
    ]
    try:
        _until_refused(api, namespace, resource)
        yield
    finally:
        for path in made:
            api.delete(path)


def _only(operations: Sequence[str], expression: str) -> str:
    """Also creations are asked about, for the probe's sake."""
    asked = ", ".join(f"'{one}'" for one in operations)
    return f"!(request.operation in [{asked}]) || ({expression})"


def _within(namespace: str) -> Json:
    return {"matchLabels": {"kubernetes.io/metadata.name": namespace}}


def _post(api: Api, collection: str, kind: str, name: str, spec: Json) -> str:
    body = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": spec,
    }
    api.post(f"{_HOME}/{collection}", body)
    return f"{_HOME}/{collection}/{name}"


def _until_refused(api: Api, namespace: str, resource: str) -> None:
    group = _GROUPS.get(resource, "")
    root = f"/apis/{group}/v1" if group else "/api/v1"
    end = time.monotonic() + _DEADLINE
    while time.monotonic() < end:
        try:
            api.ask(
                "POST",
                f"{root}/namespaces/{namespace}/{resource}",
                _probe(group, resource),
                dryRun="All",
            )
        except RefusedError as refused:
            if "denied" in str(refused):
                return
            raise
        time.sleep(0.05)
    raise AssertionError(f"{resource} are still taken in {namespace}")


def _probe(group: str, resource: str) -> Json:
    labels = {"app": _PROBE}
    made: Json = {
        "apiVersion": f"{group}/v1" if group else "v1",
        "kind": _KINDS[resource],
        "metadata": {"name": _PROBE},
    }
    if resource == "deployments":
        template = {
            "metadata": {"labels": labels},
            "spec": {"containers": [{"name": "a", "image": "a"}]},
        }
        made["spec"] = {"selector": {"matchLabels": labels}, "template": template}
    if resource == "services":
        made["spec"] = {"ports": [{"port": 80}]}
    if resource == "networkpolicies":
        made["spec"] = {"podSelector": {}}
    return made


class Webhook:
    """A validating webhook about Deployments on loopback. `judge` gives the words of a refusal, ""
    for none; `seen` are the operations that it was asked about, dry runs with a star.
    `is_down`: it answers with 500 instead."""

    def __init__(self, folder: Path, api: Api, namespace: str) -> None:
        self.judge: Callable[[Json], str] = lambda _: ""
        self.seen: list[str] = []
        self.is_down = False
        self._api, self._namespace = api, namespace
        self._authority = Authority()
        certificate, key = self._authority.sign(NAME, LOOPBACK)
        own = folder / "webhook.pem"
        own.write_bytes(certificate + key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(own)
        handler = type("Handler", (_Handler,), {"webhook": self})
        self._server = ThreadingHTTPServer((LOOPBACK, 0), handler)
        self._server.socket = context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        self._name = f"t{uuid.uuid4().hex[:8]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        rule = {
            "apiGroups": ["apps"],
            "apiVersions": ["v1"],
            "operations": ["CREATE", "UPDATE"],
            "resources": ["deployments"],
        }
        address = f"https://{LOOPBACK}:{self._server.server_port}/"
        bundle = base64.b64encode(self._authority.pem).decode()
        hook = {
            "name": "rules.shipit.test",
            "clientConfig": {"url": address, "caBundle": bundle},
            "rules": [rule],
            "namespaceSelector": _within(self._namespace),
            "failurePolicy": "Fail",
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
            "timeoutSeconds": 5,
        }
        body = {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": self._name},
            "webhooks": [hook],
        }
        self._api.post(f"{_HOME}/validatingwebhookconfigurations", body)
        _until_refused(self._api, self._namespace, "deployments")
        self.seen.clear()
        return self

    def __exit__(self, *_: object) -> None:
        self._api.delete(f"{_HOME}/validatingwebhookconfigurations/{self._name}")
        self._server.shutdown()
        self._server.server_close()

    def answered(self, review: Json) -> Json:
        asked = review["request"]
        self.seen.append(asked["operation"] + ("*" if asked.get("dryRun") else ""))
        words = _PROBE if asked["name"] == _PROBE else self.judge(asked)
        response: Json = {"uid": asked["uid"], "allowed": not words}
        if words:
            response["status"] = {"message": words, "code": 403}
        head = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}
        return {**head, "response": response}


class _Handler(BaseHTTPRequestHandler):
    webhook: Webhook
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = json.dumps(self.webhook.answered(review)).encode()
        self.send_response(500 if self.webhook.is_down else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def handle(self) -> None:
        with suppress(OSError):  # an API server that ends its connections
            super().handle()

    def log_message(self, *_: Any) -> None:
        """Tests have their own output."""
