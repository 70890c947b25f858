"""What a rollout is called on Kubernetes: its workloads' marks, in the text of `Rollout.handle`."""

from typing import Any, Self

import msgspec

from shipit.targets.kubernetes.standing import Mark

Json = dict[str, Any]


class Gone(msgspec.Struct, frozen=True):
    """An object that goes once the rollout is proven."""

    api_version: str
    kind: str
    name: str
    uid: str
    namespace: str

    @classmethod
    def of(cls, one: Json) -> Self:
        metadata = one["metadata"]
        return cls(
            str(one["apiVersion"]),
            str(one["kind"]),
            str(metadata["name"]),
            str(metadata.get("uid") or ""),
            str(metadata.get("namespace") or ""),
        )


class Handle(msgspec.Struct, frozen=True, omit_defaults=True):
    """`marks` by service; `refused` what the API server did not take, in words, by service; `late`
    and, by service, the workloads that are `leaving` go once the rollout is proven."""

    marks: dict[str, Mark] = {}
    refused: dict[str, str] = {}
    notes: tuple[str, ...] = ()
    late: tuple[Gone, ...] = ()
    leaving: dict[str, Gone] = {}

    @classmethod
    def read(cls, text: str) -> Self:
        return msgspec.json.decode(text, type=cls)

    def written(self) -> str:
        return msgspec.json.encode(self).decode()
