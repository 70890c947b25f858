"""What a ledger in a bucket needs of IAM: AWS's where it is on S3, Google's on Cloud Storage.

It is what the ledger itself writes. What lies under the same prefix beside it is not in it: the
state of Pulumi's stacks is nobody's who only deploys.
"""

from collections.abc import Iterable, Iterator

from shipit.ledger.bucket import split
from shipit.model.permission import Grant, Permission

WRITTEN_ONCE = ("log", "releases")
_REWRITTEN = ("heartbeats", "state")
_FOLDERS = (*WRITTEN_ONCE, *_REWRITTEN)


def needed(url: str) -> Iterator[Permission]:
    """Nothing where the ledger is not on S3. Commits and releases are never deleted.

    Of what is not there S3 says 404 to those alone who may list it, and it takes the object's key
    for `s3:prefix` then: so all folders may be listed, although only states are.
    """
    if not url.startswith("s3://"):
        return
    bucket, _ = split(url)
    arn = f"arn:aws:s3:::{bucket}"
    yield Permission(
        "read and write the record",
        ("s3:GetObject", "s3:PutObject"),
        tuple(f"{arn}/{folder}*" for folder in folders(url, _FOLDERS)),
    )
    yield Permission(
        "drop heartbeats and old states",
        ("s3:DeleteObject",),
        tuple(f"{arn}/{folder}*" for folder in folders(url, _REWRITTEN)),
    )
    yield Permission(
        "list the record",
        ("s3:ListBucket",),
        (arn,),
        {"StringLike": {"s3:prefix": [f"{folder}*" for folder in folders(url, _FOLDERS)]}},
    )


def of_key(arn: str) -> Permission:
    """Where S3 encrypts the ledger with a KMS key of one's own: what it asks of that key in the
    caller's name ("Using server-side encryption with AWS KMS keys", Permissions)."""
    region = arn.split(":")[3]
    service = f"s3.{region}.amazonaws.com" + (".cn" if region.startswith("cn-") else "")
    return Permission(
        "let S3 use the key of the record",
        ("kms:Decrypt", "kms:GenerateDataKey"),
        (arn,),
        {"StringEquals": {"kms:ViaService": service}},
    )


def granted(url: str) -> Iterator[Grant]:
    """Nothing where the ledger is not on Cloud Storage.

    Replacing an object there is deleting it ("IAM permissions for XML requests"), so who may only
    create writes commits and releases once, whatever a request says. Names may be listed in the
    whole bucket: Cloud Storage says 404 of what is not there to those alone who may list.
    """
    if not url.startswith("gs://"):
        return
    bucket, _ = split(url)
    on = f"gs://{bucket}"
    yield Grant("list the record", "roles/storage.legacyBucketReader", on)
    for why, role, names in (
        ("read the record", "roles/storage.objectViewer", _FOLDERS),
        ("write commits and releases once", "roles/storage.objectCreator", WRITTEN_ONCE),
        ("rewrite heartbeats and states", "roles/storage.objectUser", _REWRITTEN),
    ):
        yield Grant(why, role, on, _within(bucket, folders(url, names)))


def folders(url: str, names: Iterable[str]) -> tuple[str, ...]:
    """In the bucket, as in `shop/log/`."""
    _, prefix = split(url)
    return tuple(f"{prefix}/{name}/".lstrip("/") for name in names)


def _within(bucket: str, wanted: Iterable[str]) -> str:
    """CEL ("Attribute reference for IAM Conditions", resource.name of an object)."""
    objects = f"projects/_/buckets/{bucket}/objects/"
    return " || ".join(f'resource.name.startsWith("{objects}{folder}")' for folder in wanted)
