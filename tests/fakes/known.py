"""A keychain with the same credentials for every registry."""

from shipit.registry.credentials import Credentials


class Known:
    name = "known"

    def __init__(self, user: str, password: str) -> None:
        self.credentials = Credentials.basic(user, password, "the test")

    def resolve(self, registry: str) -> Credentials | None:
        return self.credentials

    def reason(self, registry: str) -> str:
        return ""
