"""What everything that is rendered knows: the release in its environment, and where it goes."""

from typing import Any

import msgspec

from shipit.model.deployment import Desired
from shipit.targets.kubernetes import extension, names

Json = dict[str, Any]


class Setting(msgspec.Struct, frozen=True):
    """Where an environment's objects go."""

    namespace: str = "default"


class Scope(msgspec.Struct, frozen=True):
    desired: Desired
    setting: Setting

    @property
    def project(self) -> Json:
        return self.desired.project

    @property
    def instance(self) -> str:
        return names.project(self.desired)

    @property
    def everything(self) -> tuple[str, ...]:
        """Every service, one-offs and scheduled ones included."""
        one = self.desired
        return (*one.services, *one.before, *one.after, *one.scheduled)

    def definition(self, service: str) -> Json:
        found: Json = self.project["services"][service]
        return found

    def said(self, service: str) -> extension.Service:
        return extension.service(f"services.{service}", self.definition(service))

    def section(self, name: str, key: str) -> Json:
        """A network, volume, secret or config of the project; {} for one that it only names."""
        return (self.project.get(name) or {}).get(key) or {}

    def made(self, api_version: str, kind: str, name: str, service: str = "", **body: Any) -> Json:
        """An object with its labels and annotations; with no service, the environment's own."""
        owner = service or self.instance
        return {
            "apiVersion": api_version,
            "kind": kind,
            "metadata": {
                "name": name,
                "namespace": self.setting.namespace,
                "labels": names.labels(self.desired, owner),
                "annotations": names.annotations(self.desired, owner),
            },
            **body,
        }
