"""What an ECS deployment asks of AWS beside ECS: scalable targets, and logs. A server on loopback
that answers from dictionaries, over the JSON protocol that these two services speak."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.fakes.served import Served

Json = dict[str, Any]
_CLUSTER = "arn:aws:ecs:eu-west-1:111122223333:cluster/prod"


class Around(Served):
    """`scaled`: names of services whose count an autoscaler owns. `lines`: what a log stream
    holds, by `<group>:<stream>`. `alarms`: the states of CloudWatch's alarms, by name. `quotas`: by
    the service's code and the quota's name.
    `refused`: operations that this identity may not ask.
    `asked`: what reached the wire, in order. `groups`: the log groups that were made. `rules`:
    the revisions that EventBridge's rules start, by name."""

    def __init__(self) -> None:
        self.scaled: set[str] = set()
        self.lines: dict[str, list[str]] = {}
        self.alarms: dict[str, str] = {}
        self.quotas: dict[str, dict[str, float]] = {}
        self.refused: set[str] = set()
        self.asked: list[tuple[str, Json]] = []
        self.groups: list[str] = []
        self.rules: dict[str, str] = {}
        self._server = _Server(self)

    def answer(self, operation: str, asked: Json) -> tuple[int, Json]:
        self.asked.append((operation, asked))
        if operation in self.refused:
            return 400, {"__type": "AccessDeniedException", "message": f"may not {operation}"}
        answers = {
            "DescribeScalableTargets": self._scaled,
            "DescribeAlarms": self._alarms,
            "ListServiceQuotas": self._quotas,
            "GetLogEvents": self._events,
            "FilterLogEvents": self._filtered,
            "CreateLogGroup": self._made,
            "DescribeLogGroups": self._groups,
            "ListEventBuses": lambda _: (200, {"EventBuses": [{"Name": "default"}]}),
            "ListRuleNamesByTarget": lambda _: (200, {"RuleNames": sorted(self.rules)}),
            "ListTargetsByRule": self._targets,
        }
        return answers[operation](asked)

    def _scaled(self, asked: Json) -> tuple[int, Json]:
        targets = [
            {
                "ServiceNamespace": "ecs",
                "ResourceId": identity,
                "ScalableDimension": "ecs:service:DesiredCount",
                "MinCapacity": 1,
                "MaxCapacity": 9,
                "RoleARN": "arn:aws:iam::111122223333:role/scaling",
                "CreationTime": 0,
            }
            for identity in asked["ResourceIds"]
            if identity.rpartition("/")[2] in self.scaled
        ]
        return 200, {"ScalableTargets": targets}

    def _alarms(self, asked: Json) -> tuple[int, Json]:
        states = {name: self.alarms.get(name) for name in asked["AlarmNames"]}
        found = [{"AlarmName": n, "StateValue": s} for n, s in states.items() if s]
        return 200, {"MetricAlarms": found}

    def _quotas(self, asked: Json) -> tuple[int, Json]:
        known = self.quotas.get(asked["ServiceCode"], {})
        return 200, {"Quotas": [{"QuotaName": n, "Value": v} for n, v in known.items()]}

    def _events(self, asked: Json) -> tuple[int, Json]:
        lines = self.lines.get(f"{asked['logGroupName']}:{asked['logStreamName']}")
        if lines is None:
            return 400, {"__type": "ResourceNotFoundException", "message": "no such stream"}
        token = f"f/{len(lines)}"
        start = int(str(asked.get("nextToken", "f/0")).partition("/")[2])
        part = lines[start:] if asked.get("startFromHead") else lines[-asked.get("limit", 99) :]
        events = [{"timestamp": n, "message": line} for n, line in enumerate(part)]
        return 200, {"events": events, "nextForwardToken": token, "nextBackwardToken": "b/0"}

    def _filtered(self, asked: Json) -> tuple[int, Json]:
        found = [
            {"timestamp": n, "message": line, "logStreamName": name.partition(":")[2]}
            for name, lines in self.lines.items()
            if name.partition(":")[0] == asked["logGroupName"]
            for n, line in enumerate(lines)
        ]
        return 200, {"events": found}

    def _made(self, asked: Json) -> tuple[int, Json]:
        if asked["logGroupName"] in self.groups:
            return 400, {"__type": "ResourceAlreadyExistsException", "message": "it is there"}
        self.groups.append(asked["logGroupName"])
        return 200, {}

    def _groups(self, asked: Json) -> tuple[int, Json]:
        prefix = asked.get("logGroupNamePrefix", "")
        return 200, {
            "logGroups": [{"logGroupName": g} for g in self.groups if g.startswith(prefix)]
        }

    def _targets(self, asked: Json) -> tuple[int, Json]:
        parameters = {"TaskDefinitionArn": self.rules[asked["Rule"]], "TaskCount": 1}
        target = {"Id": "1", "Arn": _CLUSTER, "EcsParameters": parameters}
        return 200, {"Targets": [target]}


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, around: Around) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.around = around


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    server: _Server

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers.get("Content-Length", "0"))) or b"{}")
        operation = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
        self._answer(*self.server.around.answer(operation, asked))

    def _answer(self, status: int, answer: Json) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """The log is `asked`."""
