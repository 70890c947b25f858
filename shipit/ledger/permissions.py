"""What a ledger on S3 needs of IAM."""

from collections.abc import Iterator

from shipit.ledger.bucket import split
from shipit.model.permission import Permission


def needed(url: str) -> Iterator[Permission]:
    """Nothing where the ledger is somewhere else. The log is never deleted."""
    if not url.startswith("s3://"):
        return
    bucket, prefix = split(url)
    arn = f"arn:aws:s3:::{bucket}"
    inside = f"{prefix}/" if prefix else ""
    yield Permission(
        "read and write the record",
        ("s3:GetObject", "s3:PutObject"),
        (f"{arn}/{inside}*",),
    )
    ends = (f"{arn}/{inside}heartbeats/*", f"{arn}/{inside}state/*")
    yield Permission("drop heartbeats and old states", ("s3:DeleteObject",), ends)
    yield Permission(
        "list the record",
        ("s3:ListBucket",),
        (arn,),
        {"StringLike": {"s3:prefix": [f"{inside}*"]}},
    )
