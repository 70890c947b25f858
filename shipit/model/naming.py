"""Names that a cloud takes, of whatever length an application's is."""

_DIGEST = 6
_LONGEST_ACCOUNT = 30  # IAM, "Create service accounts": of its id
_ROOM = len("shipit-a") + _DIGEST + 1


def short(name: str, most: int) -> str:
    """As it is where it fits, else its beginning and what tells it from others that begin so."""
    if len(name) <= most:
        return name
    import hashlib

    end = hashlib.sha256(name.encode()).hexdigest()[:_DIGEST]
    return f"{name[: most - _DIGEST - 1].rstrip('-')}-{end}"


def account_id(app: str, environment: str) -> str:
    """Of the service account in Google Cloud that deploys to the environment, which it names where
    there is room for it."""
    room = _LONGEST_ACCOUNT - len(environment) - 1
    began = f"shipit-{app}"
    whole = f"{short(began, room) if room >= _ROOM else began}-{environment}"
    return short(whole, _LONGEST_ACCOUNT)
