"""Ledgers that processes of their own write to."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.moto import CREDENTIALS, make_bucket, moto_server

ROOT = Path(__file__).parents[3]


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A bucket on moto's server, which the processes find by their environment."""
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    with moto_server() as endpoint:
        make_bucket(endpoint, "ledger")
        for name, value in CREDENTIALS.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
        yield "s3://ledger/shop"
