"""A user's folder whose dev is a namespace of a cluster: the command, and releases on record.

They are put there as a build would, with images that are known by digest: no registry is asked.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from shipit.ledger import Ledger
from shipit.model.digest import Digest
from shipit.model.events import ReleaseCreated
from shipit.model.image import Image
from shipit.model.release import RESOLVED, Release, ReleaseImage, Source, summarize
from shipit.model.state import EnvironmentState
from tests.fakes.command import Shipit

Json = dict[str, Any]
_SHIPIT = """\
app: shop
registry: registry.test/shop
environments:
  dev:
    target: {{kubernetes: {{kubeconfig: {kubeconfig}, namespace: {namespace}}}}}
    deadline: {deadline}
"""


class Checkout:
    def __init__(
        self, folder: Path, kubeconfig: Path, namespace: str, *, deadline: str = "60s"
    ) -> None:
        self.folder = folder / "checkout"
        self.folder.mkdir()
        self.shipit = Shipit(self.folder)
        settings = {"kubeconfig": kubeconfig, "namespace": namespace, "deadline": deadline}
        self.write("shipit.yaml", _SHIPIT.format(**settings))

    def write(self, path: str, text: str) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def release(self, name: str, services: Mapping[str, tuple[Image, Json]]) -> str:
        """On record, a minute younger than the one before; its id. For each service its image, and
        what else compose.yaml says of it."""
        ledger = self._ledger()
        rendered = {
            service: {"networks": {"default": None}, **defined, "image": image.reference}
            for service, (image, defined) in services.items()
        }
        project = {
            "name": "shop-dev",
            "networks": {"default": {"name": "shop-dev_default"}},
            "services": rendered,
        }
        minutes = len(ledger.read().releases)
        made = Release(
            id=name,
            app="shop",
            created_at=datetime(2026, 11, 1, tzinfo=UTC) + timedelta(minutes=minutes),
            created_by="ada",
            source=Source(commit=Digest.of(name.encode()).hex[:40]),
            images={s: ReleaseImage(image, RESOLVED) for s, (image, _) in services.items()},
            environments={"dev": project},
        )
        ledger.put_release(made)
        ledger.commit(lambda _: [ReleaseCreated(release=summarize(made))])
        return name

    def state(self) -> EnvironmentState:
        """As it is on record now."""
        return self._ledger().read().environment("dev")

    def _ledger(self) -> Ledger:
        return Ledger.open("", root=self.folder)
