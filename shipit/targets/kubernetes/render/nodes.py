"""Which nodes a pod may be on. Pure.

`platform` and `deploy.placement` in Kubernetes's words (kubernetes.io, "Assigning Pods to Nodes").
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from shipit.errors import ConfigurationError
from shipit.model.image import Image, Platform
from shipit.targets.kubernetes import names
from shipit.targets.kubernetes.render.text import filled

Json = dict[str, Any]
_CONSTRAINT = re.compile(r"(?P<key>[\w./-]+)\s*(?P<operator>==|!=)\s*(?P<value>[\w.*/-]+)")
_LABELS = {
    "node.hostname": "kubernetes.io/hostname",
    "node.platform.os": "kubernetes.io/os",
    "node.platform.arch": "kubernetes.io/arch",
}
_OF_NODE = ("node.labels.", "engine.labels.")
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def placement(
    path: str, definition: Mapping[str, Any], image: Image, matching: Mapping[str, str]
) -> Json:
    """nodeSelector, affinity and topologySpreadConstraints of a pod. `matching` are the labels by
    which the pods are counted."""
    said = (definition.get("deploy") or {}).get("placement") or {}
    where = f"{path}.deploy.placement"
    equal, unequal = dict[str, str](), list[Json]()
    for n, text in enumerate(said.get("constraints") or ()):
        label, operator, value = _constraint(f"{where}.constraints[{n}]", str(text))
        if operator == "==":
            equal[label] = value
        else:
            unequal.append({"key": label, "operator": "NotIn", "values": [value]})
    return filled(
        nodeSelector={**_platform(path, definition, image), **equal},
        affinity=_required(unequal) if unequal else {},
        topologySpreadConstraints=list(_spread(where, said, matching)),
    )


def together(instance: str, pods: Iterable[str]) -> Json:
    """`podAffinity`: on the node where one of the others is already. The first may be anywhere."""
    called = sorted({name for pod in pods for name in (pod, names.run_of(pod))})
    whose = {
        "matchLabels": {names.INSTANCE: instance},
        "matchExpressions": [{"key": names.NAME, "operator": "In", "values": called}],
    }
    term = {"labelSelector": whose, "topologyKey": _LABELS["node.hostname"]}
    return {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}


def _constraint(path: str, text: str) -> tuple[str, str, str]:
    found = _CONSTRAINT.fullmatch(text.strip())
    label = _label(found["key"]) if found else ""
    if found is None or not label:
        raise ConfigurationError(
            f"Kubernetes cannot choose nodes by {text}",
            path=path,
            next_step="use node.labels.<key>, node.hostname, node.platform.os or .arch",
        )
    value = found["value"]
    return label, found["operator"], _ARCHITECTURES.get(value, value)


def _label(key: str) -> str:
    for prefix in _OF_NODE:
        if key.startswith(prefix):
            return key.removeprefix(prefix)
    return _LABELS.get(key, "")


def _required(expressions: list[Json]) -> Json:
    terms = [{"matchExpressions": expressions}]
    return {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}
        }
    }


def _spread(path: str, said: Mapping[str, Any], matching: Mapping[str, str]) -> Iterator[Json]:
    """As Swarm does: evenly where it can be."""
    for n, one in enumerate(said.get("preferences") or ()):
        label = _label(str(one.get("spread") or ""))
        if not label:
            raise ConfigurationError(
                "expected spread: node.labels.<key>", path=f"{path}.preferences[{n}]"
            )
        yield {
            "maxSkew": 1,
            "topologyKey": label,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": dict(matching)},
        }


def _platform(path: str, definition: Mapping[str, Any], image: Image) -> Json:
    """As `platform` says, else the only one that the image has."""
    there = {p.platform.architecture for p in image.platforms if p.platform.os == "linux"}
    asked = definition.get("platform")
    if not asked:
        return {"kubernetes.io/arch": there.pop()} if len(there) == 1 else {}
    try:
        wanted = Platform.parse(str(asked))
    except ValueError as error:
        raise ConfigurationError(str(error), path=f"{path}.platform") from None
    if there and wanted.architecture not in there:
        raise ConfigurationError(
            f"its image is not there for {asked}",
            path=f"{path}.platform",
            next_step="build it for that platform too (`build.platforms`)",
        )
    return {"kubernetes.io/os": wanted.os, "kubernetes.io/arch": wanted.architecture}
