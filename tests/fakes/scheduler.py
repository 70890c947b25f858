"""EventBridge Scheduler on loopback: groups with tags, schedules, no clock. Every request is read
and checked by botocore's own model; what the API documents as refused is refused."""

import json
import re
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.fakes.served import Served

Json = dict[str, Any]
CLUSTER = "arn:aws:ecs:eu-west-1:111122223333:cluster/prod"
ROLE = "arn:aws:iam::111122223333:role/scheduler"
_ARN = "arn:aws:scheduler:eu-west-1:111122223333"
_RETRIES = {"MaximumEventAgeInSeconds": 86400, "MaximumRetryAttempts": 185}
_EXPRESSION = re.compile(
    r"rate\((1 (minute|hour|day)|[0-9]+ (minutes|hours|days))\)"
    r"|at\(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\)"
    r"|cron\(\S+ \S+ (\? \S+ [^ ?]+|[^ ?]+ \S+ \?) \S+\)"
)


class RefusalError(Exception):
    def __init__(self, code: str, message: str = "", status: int = 400) -> None:
        super().__init__(message)
        self.code, self.status = code, status


class _Route(NamedTuple):
    operation: str
    method: str
    path: re.Pattern[str]
    model: Any


class FakeScheduler(Served):
    """`schedules` are the bodies by (group, name); `groups` the tags by name. `asked`: what reached
    the wire, as (operation, parameters). `refuse`: the codes that the next calls of an operation
    get; `lost`: operations whose next answer does not arrive. `stale`: so many of the next reads of
    a schedule see it as it was before the last write. `deleting`: groups on their way out."""

    def __init__(self) -> None:
        self.schedules: dict[tuple[str, str], Json] = {}
        self.groups: dict[str, dict[str, str]] = {"default": {}}
        self.asked: list[tuple[str, Json]] = []
        self.refuse: dict[str, list[str]] = {}
        self.lost: set[str] = set()
        self.stale = 0
        self.deleting: set[str] = set()
        self._before: dict[tuple[str, str], Json | None] = {}
        self._tokens: set[str] = set()
        self._routes = _routes()
        self._server = _Server(self)

    def operations(self) -> list[str]:
        return [operation for operation, _ in self.asked]

    def by_hand(self, name: str, target: Json, group: str = "default") -> None:
        """Somebody else's schedule."""
        body = {"ScheduleExpression": "rate(1 hour)", "State": "ENABLED"}
        self.schedules[group, name] = {**body, "Target": {"Arn": CLUSTER, **target}}

    def answer(self, method: str, url: str, body: bytes) -> Json | None:
        """None hangs up on the client."""
        operation, asked = self._read(method, url, body)
        self.asked.append((operation, asked))
        codes = self.refuse.get(operation)
        if codes:
            raise RefusalError(codes.pop(0), f"may not {operation}")
        made: Json = self._handlers()[operation](asked)
        if operation in self.lost:
            self.lost.discard(operation)
            return None
        return made

    def _handlers(self) -> dict[str, Callable[[Json], Json]]:
        return {
            "CreateSchedule": self._create,
            "UpdateSchedule": self._update,
            "GetSchedule": self._get,
            "DeleteSchedule": self._delete,
            "ListSchedules": self._list,
            "CreateScheduleGroup": self._create_group,
            "GetScheduleGroup": self._get_group,
            "DeleteScheduleGroup": self._delete_group,
            "ListTagsForResource": self._tags,
        }

    def _read(self, method: str, url: str, body: bytes) -> tuple[str, Json]:
        from botocore.validate import ParamValidator

        parts = urlsplit(url)
        for route in self._routes:
            found = route.path.fullmatch(parts.path)
            if route.method == method and found:
                break
        else:
            raise RefusalError("UnknownOperationException", url, 404)
        shape = route.model.input_shape
        named = {m.serialization.get("name", n): n for n, m in shape.members.items()}
        asked: Json = {n: unquote(v) for n, v in found.groupdict().items()}
        for key, value in parse_qsl(parts.query):
            kind = shape.members[named[key]].type_name
            asked[named[key]] = int(value) if kind == "integer" else value
        asked |= json.loads(body or b"{}")
        report = ParamValidator().validate(asked, shape)
        if report.has_errors() or set(asked) - set(shape.members):
            raise RefusalError("ValidationException", report.generate_report())
        return route.operation, asked

    def _key(self, asked: Json) -> tuple[str, str]:
        group = asked.get("GroupName", "default")
        if group not in self.groups:
            raise RefusalError(
                "ResourceNotFoundException", f"Schedule group {group} does not exist.", 404
            )
        return group, asked["Name"]

    def _there(self, asked: Json) -> tuple[str, str]:
        key = self._key(asked)
        if key not in self.schedules:
            raise _missing(key[1])
        return key

    def _create(self, asked: Json) -> Json:
        key = self._key(asked)
        if asked.get("ClientToken") in self._tokens and key in self.schedules:
            return {"ScheduleArn": f"{_ARN}:schedule/{key[0]}/{key[1]}"}
        if key in self.schedules:
            raise RefusalError("ConflictException", f"Schedule {key[1]} already exists.", 409)
        return self._write(key, asked)

    def _update(self, asked: Json) -> Json:
        return self._write(self._there(asked), asked)

    def _write(self, key: tuple[str, str], asked: Json) -> Json:
        if not _EXPRESSION.fullmatch(asked["ScheduleExpression"]):
            raise RefusalError("ValidationException", "Invalid Schedule Expression.")
        self._before[key] = self.schedules.get(key)
        self._tokens.add(asked.get("ClientToken", ""))
        told = {k: v for k, v in asked.items() if k not in ("Name", "GroupName", "ClientToken")}
        defaults = {"ScheduleExpressionTimezone": "UTC", "State": "ENABLED"}
        target = {"RetryPolicy": _RETRIES, **told["Target"]}
        self.schedules[key] = {**defaults, **told, "Target": target}
        return {"ScheduleArn": f"{_ARN}:schedule/{key[0]}/{key[1]}"}

    def _get(self, asked: Json) -> Json:
        key = self._there(asked)
        body: Json | None = self.schedules[key]
        if self.stale and key in self._before:
            self.stale -= 1
            body = self._before[key]
        if body is None:
            raise _missing(key[1])
        arn = f"{_ARN}:schedule/{key[0]}/{key[1]}"
        return {**body, "Name": key[1], "GroupName": key[0], "Arn": arn, "CreationDate": 0}

    def _delete(self, asked: Json) -> Json:
        del self.schedules[self._there(asked)]
        return {}

    def _list(self, asked: Json) -> Json:
        """Two a page, so that whoever asks has to turn over."""
        group = asked.get("GroupName")
        if group:
            self._key({"GroupName": group, "Name": ""})
        start = int(asked.get("NextToken", "0"))
        found = sorted(key for key in self.schedules if group in (None, key[0]))
        more = {"NextToken": str(start + 2)} if found[start + 2 :] else {}
        listed = [
            {"Name": n, "GroupName": g, "Target": {"Arn": self.schedules[g, n]["Target"]["Arn"]}}
            for g, n in found[start : start + 2]
        ]
        return {"Schedules": listed, **more}

    def _create_group(self, asked: Json) -> Json:
        name = asked["Name"]
        if name in self.groups:
            raise RefusalError("ConflictException", f"Schedule group {name} already exists.", 409)
        self.groups[name] = {tag["Key"]: tag["Value"] for tag in asked.get("Tags", ())}
        return {"ScheduleGroupArn": f"{_ARN}:schedule-group/{name}"}

    def _get_group(self, asked: Json) -> Json:
        self._key({"GroupName": asked["Name"], "Name": ""})
        arn = f"{_ARN}:schedule-group/{asked['Name']}"
        state = "DELETING" if asked["Name"] in self.deleting else "ACTIVE"
        return {"Name": asked["Name"], "Arn": arn, "State": state}

    def _delete_group(self, asked: Json) -> Json:
        self._key({"GroupName": asked["Name"], "Name": ""})
        del self.groups[asked["Name"]]
        self.schedules = {k: v for k, v in self.schedules.items() if k[0] != asked["Name"]}
        return {}

    def _tags(self, asked: Json) -> Json:
        name = asked["ResourceArn"].rpartition("/")[2]
        return {"Tags": [{"Key": k, "Value": v} for k, v in self.groups[name].items()]}


def _missing(name: str) -> RefusalError:
    return RefusalError("ResourceNotFoundException", f"Schedule {name} does not exist.", 404)


def _routes() -> list[_Route]:
    """From botocore's model: `/schedules/{Name}` and its like."""
    from botocore.session import get_session

    model = get_session().get_service_model("scheduler")
    routes = []
    for name in model.operation_names:
        operation = model.operation_model(name)
        path = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", operation.http["requestUri"])
        routes.append(_Route(name, operation.http["method"], re.compile(path), operation))
    return routes


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, scheduler: FakeScheduler) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.scheduler = scheduler


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60
    wbufsize = -1
    disable_nagle_algorithm = True
    server: _Server

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        try:
            answer = self.server.scheduler.answer(self.command, self.path, body)
        except RefusalError as refusal:
            said = {"Message": str(refusal)}
            self._send(refusal.status, said, {"x-amzn-ErrorType": refusal.code})
            return
        if answer is None:
            self.close_connection = True
        else:
            self._send(200, answer, {})

    def do_GET(self) -> None:
        self._any()

    def do_POST(self) -> None:
        self._any()

    def do_PUT(self) -> None:
        self._any()

    def do_DELETE(self) -> None:
        self._any()

    def _send(self, status: int, answer: Json, headers: dict[str, str]) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """The log is `asked`."""
