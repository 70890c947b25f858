"""The real Compose, on a project of ours: argv in, and what it said out."""

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from shipit import process
from shipit.errors import PreconditionError, ShipitError
from shipit.model.image import Image
from shipit.process import Completed
from shipit.targets.engine import tunnel
from shipit.targets.engine.address import LOOPBACK, Address


class Compose:
    """Runs Compose for one project on one engine. Relative paths in it start at `root`."""

    def __init__(self, project: str, root: str, address: Address) -> None:
        self._project = project
        self._root = root
        self._address = address

    def argv(self, file: Path | None, *words: str, progress: str = "plain") -> list[str]:
        return [
            *process.compose(),
            *("--ansi", "never", "--progress", progress, "--project-name", self._project),
            *(("--project-directory", self._root, "--file", str(file)) if file else ()),
            *words,
        ]

    @property
    def environment(self) -> dict[str, str]:
        """The engine, and nothing of the caller's own Compose settings."""
        unset = ("COMPOSE_FILE", "COMPOSE_PROFILES", "COMPOSE_PROJECT_NAME", "COMPOSE_ENV_FILES")
        return self._address.environment() | dict.fromkeys((*unset, "COMPOSE_REMOVE_ORPHANS"), "")

    def run(self, file: Path | None, *words: str, deadline: float) -> Completed:
        return process.run(self.argv(file, *words), deadline=deadline, env=self.environment)

    def attached(self, file: Path, *words: str) -> int:
        """In the user's terminal, where only what the container says is of interest."""
        argv = self.argv(file, *words, progress="quiet")
        return process.attached(argv, env=self.environment | {"COMPOSE_IGNORE_ORPHANS": "true"})

    def pull(self, file: Path, images: Mapping[str, Image], *, deadline: float) -> None:
        """The images of these services. Raises PreconditionError, in the registry's words."""
        words = ("pull", "--quiet", "--policy", "missing", *images)
        with self._lending(images.values()):
            done = self.run(file, *words, deadline=deadline)
        if done.code:
            raise PreconditionError(
                f"an image of {self._project} cannot be pulled onto the engine",
                spoken(done),
                "see that the registry answers, has the digest, and lets the engine in"
                " (`docker login`)",
            )

    @contextmanager
    def _lending(self, images: Iterable[Image]) -> Iterator[None]:
        """An engine behind ssh reaches the registries on this machine's loopback."""
        homes = {urlsplit(f"//{image.repository}") for image in images}
        ports = {home.port for home in homes if home.hostname in LOOPBACK and home.port}
        if self._address.scheme != "ssh" or not ports:
            yield
            return
        with tunnel.lent(self._address.url, sorted(ports)):
            yield


class BringUp:
    """`docker compose up` at work, while somebody follows what it does."""

    def __init__(
        self, argv: Sequence[str], environment: dict[str, str], deadline: float, lock: int
    ) -> None:
        self._argv = argv
        self._environment = environment
        self._deadline = deadline
        self._end: Callable[[], None] | None = None
        self._begun = threading.Event()
        self._completed: Completed | None = None
        self._error: ShipitError | None = None
        self._thread = threading.Thread(target=self._work, args=(lock,), daemon=True)
        self._thread.start()
        self._begun.wait(10)  # the lock has been handed over

    @property
    def ended(self) -> bool:
        return not self._thread.is_alive()

    @property
    def complaint(self) -> str:
        """Why it failed, once it has ended; empty when it did not."""
        if self._error:
            return str(self._error)
        if self._completed and self._completed.code:
            return spoken(self._completed)
        return ""

    def stop(self) -> None:
        """End it, if it has not ended by itself."""
        if self._end and not self.ended:
            self._end()
        self._thread.join(20)

    def _work(self, lock: int) -> None:
        try:
            for said in process.stream(
                self._argv,
                deadline=self._deadline,
                env=self._environment,
                started=self._started,
                inherit=(lock,),
            ):
                if isinstance(said, Completed):
                    self._completed = said
        except ShipitError as error:
            self._error = error
        finally:
            self._begun.set()

    def _started(self, end: Callable[[], None]) -> None:
        self._end = end
        self._begun.set()


# Compose reports steps as ` Container shop-dev-web-1  Started`; what is left are its sentences.
_STEP = re.compile(r"^\s*(Container|Network|Volume|Image|Service|Config|Secret|[0-9a-f]{12}) ")
_STAMP = re.compile(r'^time="[^"]*" level=\w+ msg=')


def spoken(done: Completed) -> str:
    """The last sentences of a Compose that failed."""
    lines = [_STAMP.sub("", line).strip() for line in done.last_words(30).splitlines()]
    sentences = [line for line in lines if line and not _STEP.match(line)]
    return "\n".join((sentences or lines)[-3:]) or f"it ended with exit code {done.code}"
