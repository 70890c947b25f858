"""The Compose file that an environment was brought up with, beside the ledger's folder.

It stays: `docker compose ls` names it, `docker compose -p <project> -f <file> ...` works with it,
and the next plan shows what changes against it. It may hold values of variables: mode 0600.
"""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from shipit.errors import PreconditionError
from shipit.model import codec
from shipit.model.application import Project
from shipit.targets.docker.project import SPEC

# A bring-up that outlived its shipit is waited for this long, in seconds.
_ORPHAN = 60.0


class Files:
    """The files of one environment's target under `<root>/.shipit/environments/`."""

    def __init__(self, root: str, environment: str, target: str) -> None:
        name = environment if target == "default" else f"{environment}.{target}"
        self.folder = Path(root) / ".shipit" / "environments"
        self.project = self.folder / f"{name}.json"
        self._name = name
        self._lock = self.folder / f"{name}.lock"

    def stage(self, document: Project) -> Path:
        """Written, but not yet what the environment was brought up with."""
        return self._put(self.folder / f"{self._name}.next.json", document)

    def adopt(self, staged: Path) -> Path:
        return staged.replace(self.project)

    def write_task(self, document: Project, service: str) -> Path:
        return self._put(self.folder / f"{self._name}.{service}.task.json", document)

    def definitions(self) -> dict[str, dict[str, Any]]:
        """The services of the last bring-up, by the hash in their labels."""
        try:
            services = json.loads(self.project.read_bytes())["services"].values()
            return {service["labels"][SPEC]: service for service in services}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}

    def remove(self) -> None:
        staged = self.folder / f"{self._name}.next.json"
        tasks = self.folder.glob(f"{self._name}.*.task.json")
        for file in (self.project, self._lock, staged, *tasks):
            file.unlink(missing_ok=True)

    @contextmanager
    def lock(self) -> Iterator[int]:
        """Held by whoever brings up, and by the Compose that it starts: the open file is inherited,
        so it stays locked until that Compose ends, even when its shipit was killed.

        Raises PreconditionError when another bring-up works here.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(descriptor, 0)
            os.write(descriptor, str(os.getpid()).encode())
            yield descriptor
        except BlockingIOError:
            raise PreconditionError(
                f"another shipit is bringing {self._name} up on this machine",
                f"it holds {self._lock}",
                "wait until it has ended",
            ) from None
        finally:
            os.close(descriptor)

    def wait_for_orphan(self) -> None:
        """Until a Compose whose shipit was killed has ended: what it leaves is what is observed."""
        limit = time.monotonic() + _ORPHAN
        while self._orphaned() and time.monotonic() < limit:
            time.sleep(0.1)

    def _orphaned(self) -> bool:
        try:
            descriptor = os.open(self._lock, os.O_RDWR)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return not _alive(os.pread(descriptor, 20, 0))
        finally:
            os.close(descriptor)
        return False

    def _put(self, file: Path, document: Project) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        new = file.with_suffix(f".{os.getpid()}.new")
        new.write_bytes(b"")
        new.chmod(0o600)
        new.write_bytes(codec.pretty(document))
        return new.replace(file)


def _alive(written: bytes) -> bool:
    try:
        os.kill(int(written), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True
