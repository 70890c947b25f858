"""Workloads that say themselves that not all of their pods are replaced. Pure.

Such a rollout cannot be proven: pods of what ran before stay (kubernetes.io, "StatefulSets",
Partitioned rolling updates; "Perform a Rolling Update on a DaemonSet", OnDelete).
"""

from collections.abc import Mapping
from typing import Any

import msgspec

_BY_HAND = ("StatefulSet", "DaemonSet")


class HeldBack(msgspec.Struct, frozen=True):
    """Where it says so, what that means, and what to write."""

    steps: tuple[str, ...]
    what: str
    next_step: str


def held_back(one: Mapping[str, Any]) -> HeldBack | None:
    """None for one whose pods are all replaced."""
    spec, kind = one.get("spec") or {}, str(one["kind"])
    strategy = spec.get("updateStrategy") or {}
    partition = (strategy.get("rollingUpdate") or {}).get("partition")
    if spec.get("paused"):
        return HeldBack(("spec", "paused"), "nothing of it would roll out", "remove it")
    if kind in _BY_HAND and strategy.get("type") == "OnDelete":
        return HeldBack(
            ("spec", "updateStrategy", "type"),
            "its pods stay what they are until somebody deletes them, so nothing would be proven",
            "write RollingUpdate",
        )
    if kind == "StatefulSet" and partition:
        return HeldBack(
            ("spec", "updateStrategy", "rollingUpdate", "partition"),
            f"the pods below number {partition} would stay what they are, and not be proven",
            "remove it: each pod goes once the one before it is ready",
        )
    return None
