"""Who gives the credentials for a registry: a chain of keychains, the first that knows it."""

import time
from collections.abc import Iterator, Sequence
from threading import Lock
from typing import Protocol

import msgspec

from shipit.registry.credentials import Credentials

NOT_MINE = "not its registry"
EARLY = 300.0  # seconds: what expires sooner than this is asked for again before it is used


class Keychain(Protocol):
    """One source of credentials. A new one is a module and a line in `default`."""

    name: str

    def resolve(self, registry: str) -> Credentials | None:
        """Credentials for a registry's host (`docker.io`, `127.0.0.1:5000`); None is "not mine".

        It raises nothing: what went wrong is a reason too.
        """

    def reason(self, registry: str) -> str:
        """Why `resolve` answered None for this registry, in a few words; "" when it did not.
        NOT_MINE where the keychain is for other registries altogether."""


class Answer(msgspec.Struct, frozen=True):
    """What one keychain said about a registry; `reason` is empty for the one that answered."""

    keychain: str
    reason: str = ""

    @property
    def declined(self) -> bool:
        """Whether it is a keychain for this registry, and had nothing to give all the same."""
        return self.reason not in ("", NOT_MINE)


class Chain:
    """Asks each keychain in turn, once per registry, and remembers for as long as that is good."""

    name = "keychains"

    def __init__(self, keychains: Sequence[Keychain]) -> None:
        self._keychains = tuple(keychains)
        self._found: dict[str, Credentials | None] = {}
        self._answers: dict[str, tuple[Answer, ...]] = {}
        self._lock = Lock()

    def resolve(self, registry: str) -> Credentials | None:
        with self._lock:
            if registry not in self._found or _is_stale(self._found[registry]):
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
        """Why those that are for this registry declined."""
        return "; ".join(self._declined(registry))

    def _declined(self, registry: str) -> Iterator[str]:
        for answer in self.answers(registry):
            if answer.declined:
                yield f"{answer.keychain}: {answer.reason}"

    def forget(self, registry: str) -> None:
        """Ask again the next time: the credentials may have expired."""
        with self._lock:
            self._found.pop(registry, None)


def _is_stale(found: Credentials | None) -> bool:
    return found is not None and found.expires < time.monotonic() + EARLY


def default() -> Chain:
    """The keychains that shipit asks, in this order: what a person set up counts first."""
    from shipit.registry.artifact_registry import ArtifactRegistry
    from shipit.registry.docker_config import DockerConfig
    from shipit.registry.ecr import ECR
    from shipit.registry.github import GitHub

    return Chain([DockerConfig(), GitHub(), ECR(), ArtifactRegistry()])
