"""The checks under `verify:`: an address must answer, with a status, and say what it must."""

import time
from typing import TYPE_CHECKING

from shipit.model.duration import parse_duration
from shipit.model.pipeline import Verification

if TYPE_CHECKING:
    import urllib3

PAUSE = 0.25  # seconds between two tries
LARGEST = 1024 * 1024  # bytes of a body that are looked at


def answer(check: Verification) -> str:
    """Ask until it answers as it should or its time is over; the last trouble, or ""."""
    import urllib3

    limit = parse_duration(check.timeout).total_seconds()
    end = time.monotonic() + limit
    pool = urllib3.PoolManager(retries=urllib3.Retry(connect=0, read=0, redirect=3, status=0))
    trouble = "did not answer"
    while (left := end - time.monotonic()) > 0:
        try:
            trouble = _ask(pool, check, min(left, 10))
        except urllib3.exceptions.HTTPError as error:
            trouble = f"did not answer: {error}"
        if not trouble:
            return ""
        time.sleep(min(PAUSE, max(end - time.monotonic(), 0)))
    return f"{trouble} (for {check.timeout})"


def _ask(pool: "urllib3.PoolManager", check: Verification, timeout: float) -> str:
    to_follow = not 300 <= check.status < 400
    end = time.monotonic() + timeout
    got = pool.request(
        "GET", check.http, timeout=timeout, redirect=to_follow, preload_content=False
    )
    try:
        if got.status != check.status:
            return f"answered {got.status}, not {check.status}"
        if check.contains and not _says(got, check.contains.encode(), end):
            return f"answered without {check.contains!r} in its body"
    finally:
        got.close()
    return ""


def _says(got: "urllib3.BaseHTTPResponse", words: bytes, end: float) -> bool:
    """Read as it comes: the body of an event stream never ends."""
    body = b""
    while words not in body:
        piece = got.read1(LARGEST) if time.monotonic() < end else b""
        if not piece or len(body) >= LARGEST:
            return False
        body += piece
    return True
