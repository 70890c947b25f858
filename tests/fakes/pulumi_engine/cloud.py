"""A cloud in a folder: the resources that `provider.py` made, and what is to go wrong.

The folder outlives the engine's plugins: one file a resource, named by its id, and `faults.json`.
"""

import json
import os
import threading
import time
from pathlib import Path
from typing import Any

FOLDER = "SHIPIT_TEST_CLOUD"
_COUNTING = threading.Lock()  # the engine asks for several resources at once


class Cloud:
    """What a test sees of the cloud, and what the provider does to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "resources").mkdir(parents=True, exist_ok=True)

    @classmethod
    def of_environment(cls) -> "Cloud":
        return cls(Path(os.environ[FOLDER]))

    @property
    def resources(self) -> dict[str, dict[str, Any]]:
        """By id: `type`, `name` and `inputs`."""
        files = sorted((self.folder / "resources").iterdir())
        return {f.stem: json.loads(f.read_text()) for f in files if f.suffix == ".json"}

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        return [r for r in self.resources.values() if r["type"] == kind]

    def put(self, name: str, resource: dict[str, Any]) -> None:
        fresh = self._path(name).with_suffix(".new")
        fresh.write_text(json.dumps(resource))
        fresh.rename(self._path(name))

    def get(self, name: str) -> dict[str, Any] | None:
        found = self._path(name)
        return json.loads(found.read_text()) if found.exists() else None

    def delete(self, name: str) -> None:
        self._path(name).unlink(missing_ok=True)

    def break_at(self, number: int, how: str, operation: str = "create") -> None:
        """The `number`th creation (`update`, `delete`) from now on fails (`fail`), never answers
        (`hang`), or answers after two seconds (`slow`)."""
        self.mend()
        faults = {"left": number, "how": how, "operation": operation}
        (self.folder / "faults.json").write_text(json.dumps(faults))

    def mend(self) -> None:
        for name in ("faults.json", "hanging"):
            (self.folder / name).unlink(missing_ok=True)

    @property
    def hanging(self) -> bool:
        return (self.folder / "hanging").exists()

    def fault(self, operation: str, kind: str) -> str:
        """What is wrong with this creation, update or deletion, "" for nothing."""
        how = self._counted(operation)
        if how in ("hang", "slow"):
            (self.folder / "hanging").touch()
            time.sleep(3600 if how == "hang" else 2)
            return ""
        return f"{kind}: the quota of this account is used up" if how else ""

    def _counted(self, operation: str) -> str:
        path = self.folder / "faults.json"
        with _COUNTING:
            faults = json.loads(path.read_text()) if path.exists() else {}
            if faults.get("operation") != operation:
                return ""
            faults["left"] -= 1
            path.write_text(json.dumps(faults))
        return str(faults["how"]) if faults["left"] == 0 else ""

    def _path(self, name: str) -> Path:
        return self.folder / "resources" / f"{name}.json"
