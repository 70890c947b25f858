"""Who gives the credentials for a registry: a chain of keychains, the first that knows it."""

from collections.abc import Sequence
from threading import Lock
from typing import Protocol

import msgspec

from shipit.registry.credentials import Credentials


class Keychain(Protocol):
    """One source of credentials. A new one is a module and a line in `default`."""

    name: str

    def resolve(self, registry: str) -> Credentials | None:
        """Credentials for a registry's host (`docker.io`, `127.0.0.1:5000`); None is "not mine"."""

    def reason(self, registry: str) -> str:
        """Why `resolve` answered None for this registry, in a few words; "" when it did not."""


class Answer(msgspec.Struct, frozen=True):
    """What one keychain said about a registry; `reason` is empty for the one that answered."""

    keychain: str
    reason: str = ""


class Chain:
    """Asks each keychain in turn, once per registry, and remembers."""

    name = "keychains"

    def __init__(self, keychains: Sequence[Keychain]) -> None:
        self._keychains = tuple(keychains)
        self._found: dict[str, Credentials | None] = {}
        self._answers: dict[str, tuple[Answer, ...]] = {}
        self._lock = Lock()

    def resolve(self, registry: str) -> Credentials | None:
        with self._lock:
            if registry not in self._found:
                self._found[registry] = self._ask(registry)
            return self._found[registry]

    def _ask(self, registry: str) -> Credentials | None:
        answers: list[Answer] = []
        found = None
        for keychain in self._keychains:
            found = keychain.resolve(registry)
            answers.append(Answer(keychain.name, "" if found else keychain.reason(registry)))
            if found:
                break
        self._answers[registry] = tuple(answers)
        return found

    def answers(self, registry: str) -> tuple[Answer, ...]:
        """What each keychain said, in order, for `shipit check` and for error messages."""
        self.resolve(registry)
        return self._answers[registry]

    def reason(self, registry: str) -> str:
        return "; ".join(f"{a.keychain}: {a.reason}" for a in self.answers(registry) if a.reason)

    def forget(self, registry: str) -> None:
        """Ask again the next time: the credentials may have expired."""
        with self._lock:
            self._found.pop(registry, None)


def default() -> Chain:
    """The keychains that shipit asks, in this order."""
    from shipit.registry.docker_config import DockerConfig

    return Chain([DockerConfig()])
