"""How often one account may be asked: token buckets that all targets of this process share.

ECS throttles an account in a region by kind of operation, each a bucket of so many requests that
fills up again at so many a second (docs.aws.amazon.com/AmazonECS/latest/APIReference,
"Request throttling for the Amazon ECS API"). Others in the account call as well, so shipit keeps to
half of that where it reads, which polling does all the time, and to four fifths where it writes.
"""

import base64
import binascii
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any

import msgspec

_READS, _WRITES = 0.5, 0.8


class Rate(msgspec.Struct, frozen=True):
    """`burst` requests at once, then `steady` a second."""

    burst: float
    steady: float

    def __mul__(self, share: float) -> "Rate":
        return Rate(self.burst * share, self.steady * share)


# AWS's figures, by kind of operation.
_SERVICE_READ = Rate(100, 20) * _READS
_TASK_READ = Rate(100, 20) * _READS
_READ = Rate(50, 20) * _READS
_SERVICE_WRITE = Rate(50, 5) * _WRITES
_TASK_WRITE = Rate(100, 40) * _WRITES
_DEFINITION_WRITE = Rate(20, 1) * _WRITES
_DEFINITION_DELETE = Rate(5, 1) * _WRITES
_TAG_WRITE = Rate(20, 10) * _WRITES
_ECS: Mapping[str, tuple[str, Rate]] = {
    **dict.fromkeys(("describe_services", "list_services"), ("service read", _SERVICE_READ)),
    **dict.fromkeys(("describe_tasks", "list_tasks"), ("task read", _TASK_READ)),
    **dict.fromkeys(
        ("create_service", "update_service", "delete_service"), ("service write", _SERVICE_WRITE)
    ),
    **dict.fromkeys(("run_task", "stop_task", "execute_command"), ("task write", _TASK_WRITE)),
    **dict.fromkeys(
        ("register_task_definition", "deregister_task_definition"),
        ("definition write", _DEFINITION_WRITE),
    ),
    "delete_task_definitions": ("definition delete", _DEFINITION_DELETE),
    **dict.fromkeys(("tag_resource", "untag_resource"), ("tag write", _TAG_WRITE)),
    "describe_task_definition": ("definition read", _READ),
    "describe_clusters": ("cluster read", _READ),
}
# Each service's own page on quotas: GetLogEvents has 25 a second, BatchGetImage 2,000, and
# DescribeAlarms, of the others, 9.
_OTHERS: Mapping[str, Rate] = {"ecs": _READ, "logs": Rate(20, 12), "ecr": Rate(200, 100)}
_REST = Rate(20, 4)


class Bucket:
    """Calls that have to wait take their turns: each is told its own moment."""

    def __init__(self, rate: Rate, now: float) -> None:
        self._rate, self._tokens, self._at = rate, rate.burst, now
        self._lock = Lock()

    def take(self, now: float) -> float:
        """Seconds to wait before the call."""
        with self._lock:
            filled = self._tokens + max(now - self._at, 0) * self._rate.steady
            self._tokens = min(filled, self._rate.burst) - 1
            self._at = now
            return max(-self._tokens / self._rate.steady, 0)


_buckets: dict[tuple[Any, ...], Bucket] = {}
_lock = Lock()


def turn(account: str, region: str, api: str, operation: str, clock: Callable[[], float]) -> float:
    """Seconds to wait before this call. Those of one clock mean nothing to another, so a bucket is
    one clock's: the process has one."""
    kind, rate = _kind(api, operation)
    key = (clock, account, region, api, kind)
    now = clock()
    with _lock:
        bucket = _buckets.get(key) or _buckets.setdefault(key, Bucket(rate, now))
    return bucket.take(now)


def _kind(api: str, operation: str) -> tuple[str, Rate]:
    found = _ECS.get(operation) if api == "ecs" else None
    return found or ("", _OTHERS.get(api, _REST))


def account_of(credentials: Any) -> str:
    """The account that botocore's credentials are of, else what tells them from others'.

    Since 2019 an access key's id holds it: 40 bits after the first, in base32, behind the prefix.
    """
    if credentials is None:
        return ""
    known = getattr(credentials, "account_id", None)
    key = str(credentials.access_key or "")
    return str(known or _in_key(key) or key)


def _in_key(key: str) -> str:
    try:
        first = int.from_bytes(base64.b32decode(key[4:])[:6], "big")
    except (binascii.Error, ValueError):
        return ""
    return f"{(first & 0x7FFFFFFFFF80) >> 7:012d}"
