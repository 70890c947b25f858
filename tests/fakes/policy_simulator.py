"""IAM's policy simulator, which moto lacks, in front of moto's IAM: the role's own policies judged
by Allow, Deny and wildcards; everything else is passed on."""

import http.client
import json
from collections.abc import Iterator
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from tests.fakes.served import Served

Json = dict[str, Any]
_NAMESPACE = "https://iam.amazonaws.com/doc/2010-05-08/"


class PolicySimulator(Served):
    """`iam` is a client of moto's. `refused`: whether this identity may not simulate."""

    def __init__(self, moto: str, iam: Any) -> None:
        self.iam, self.moto = iam, moto.removeprefix("http://")
        self.refused = False
        self._server = _Server(self)

    def judge(self, asked: Json) -> str:
        """SimulatePrincipalPolicy's answer, in XML."""
        role = asked["PolicySourceArn"].rpartition("/")[2]
        statements = list(self._statements(role))
        members = [
            f"<member><EvalActionName>{escape(action)}</EvalActionName>"
            f"<EvalResourceName>{escape(resource)}</EvalResourceName>"
            f"<EvalDecision>{_decision(statements, action, resource)}</EvalDecision></member>"
            for action in _listed(asked, "ActionNames")
            for resource in _listed(asked, "ResourceArns")
        ]
        return (
            f'<SimulatePrincipalPolicyResponse xmlns="{_NAMESPACE}"><SimulatePrincipalPolicyResult>'
            f"<IsTruncated>false</IsTruncated><EvaluationResults>{''.join(members)}"
            "</EvaluationResults></SimulatePrincipalPolicyResult></SimulatePrincipalPolicyResponse>"
        )

    def _statements(self, role: str) -> Iterator[Json]:
        for name in self.iam.list_role_policies(RoleName=role)["PolicyNames"]:
            document = self.iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
            yield from document["Statement"]
        for policy in self.iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]:
            arn = policy["PolicyArn"]
            version = self.iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
            found = self.iam.get_policy_version(PolicyArn=arn, VersionId=version)
            yield from found["PolicyVersion"]["Document"]["Statement"]


def _decision(statements: list[Json], action: str, resource: str) -> str:
    effects = {
        s["Effect"]
        for s in statements
        if _matches(s["Action"], action) and _matches(s["Resource"], resource)
    }
    if "Deny" in effects:
        return "explicitDeny"
    return "allowed" if effects else "implicitDeny"


def _matches(patterns: str | list[str], text: str) -> bool:
    several = [patterns] if isinstance(patterns, str) else patterns
    return any(fnmatchcase(text.lower(), pattern.lower()) for pattern in several)


def _listed(asked: Json, key: str) -> list[str]:
    return [value for name, value in asked.items() if name.startswith(f"{key}.member.")]


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, simulator: PolicySimulator) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.simulator = simulator


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        asked = dict(parse_qsl(body.decode()))
        if asked.get("Action") != "SimulatePrincipalPolicy":
            self._pass_on(body)
        elif self.server.simulator.refused:
            error = "<Error><Code>AccessDenied</Code><Message>may not simulate</Message></Error>"
            self._answer(403, f"<ErrorResponse>{error}</ErrorResponse>".encode())
        else:
            self._answer(200, self.server.simulator.judge(asked).encode())

    def _pass_on(self, body: bytes) -> None:
        connection = http.client.HTTPConnection(self.server.simulator.moto, timeout=30)
        kept = {k: v for k, v in self.headers.items() if k.lower() != "connection"}
        connection.request("POST", self.path, body, kept)
        answer = connection.getresponse()
        self._answer(answer.status, answer.read())
        connection.close()

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Nobody reads it."""


def policy(*statements: tuple[str, list[str], list[str]]) -> str:
    """(effect, actions, resources) each, as a document."""
    made = [{"Effect": e, "Action": a, "Resource": r} for e, a, r in statements]
    return json.dumps({"Version": "2012-10-17", "Statement": made})
