"""ARNs, ids, and the many ways in which a request may name a thing."""

from hashlib import sha256

REGION = "eu-west-1"
ACCOUNT = "111122223333"


def arn(kind: str, *parts: str, region: str = REGION) -> str:
    return f"arn:aws:ecs:{region}:{ACCOUNT}:{kind}/{'/'.join(parts)}"


def hexadecimal(serial: int) -> str:
    """32 digits, as a task's id has; the same in every run."""
    return sha256(f"task {serial}".encode()).hexdigest()[:32]


def decimal(serial: int) -> str:
    """19 digits, as a deployment's id has. They are not in the order of time, as on ECS."""
    return str(int(sha256(f"deployment {serial}".encode()).hexdigest(), 16))[-19:]


def short(serial: int) -> str:
    """21 characters, as a service deployment's id has."""
    return sha256(f"service deployment {serial}".encode()).hexdigest()[:21]


def last_part(name: str) -> str:
    """`web` of `web`, `prod/web` or `arn:…:service/prod/web`."""
    return name.rsplit("/", 1)[-1]
