"""A team's own Kubernetes objects: where their images are, and what they keep running. Pure.

An image is wherever a pod template has one: `containers`, `initContainers` and
`ephemeralContainers` (kubernetes.io/docs/reference, PodSpec) are looked for at every depth, so that
custom resources with pod templates in them (an Argo Rollout, a Knative Service) need no table.
Images elsewhere are named by `source.images`.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from shipit.config.source.written import Written
from shipit.model.pipeline import ImageField
from shipit.model.source import Found
from shipit.targets.kubernetes.strategies import held_back

Json = dict[str, Any]
Steps = tuple[str | int, ...]

_CONTAINERS = ("containers", "initContainers", "ephemeralContainers")
# What keeps pods running, by API group: the rollout of each is followed, and proven.
_WORKLOADS = {
    "Deployment": "apps",
    "StatefulSet": "apps",
    "DaemonSet": "apps",
    "Rollout": "argoproj.io",
}


def objects(written: Sequence[Written]) -> tuple[Json, ...]:
    """As they are deployed. Raises ConfigurationError for what must not be in a release, and for
    what no rollout could be proven of."""
    for one in written:
        _refuse_secret(one)
        _refuse_reference(one, written)
        if _is_workload(one.body):
            _refuse_held_back(one)
    return tuple(one.body for one in written)


def refuse_elsewhere(written: Sequence[Written], homes: Collection[str]) -> None:
    """What keeps pods running is followed and proven in the target's namespace. `homes` are those
    of the environment's targets, empty for what a kubeconfig says. Raises ConfigurationError."""
    known = set(homes) - {""}
    for one in written:
        space = _space(one.body) if _is_workload(one.body) else ""
        if space and known - {space}:
            raise one.wrong(
                f"it would run in {space}, and the target's namespace is {min(known - {space})}",
                ("metadata", "namespace"),
                "what keeps pods running is followed and proven in one namespace",
                "remove the namespace, or make an environment of its own for it",
            )
        known |= {space} - {""}


def images(found: Sequence[Json], fields: Sequence[ImageField] = ()) -> Iterator[Found]:
    """Every image, with the object and the place in it."""
    for n, body in enumerate(found):
        yield from (Found(n, steps, image) for steps, image in _in_templates(body, ()))
        for field in fields:
            yield from (Found(n, steps, image) for steps, image in _of_field(body, field))


def unmatched(found: Sequence[Json], fields: Sequence[ImageField]) -> Iterator[int]:
    """The positions of those fields that no object has."""
    for n, field in enumerate(fields):
        if not any(next(_of_field(body, field), None) for body in found):
            yield n


def workloads(found: Iterable[Json]) -> dict[str, Json]:
    """What keeps pods running, by the name that it has as a service: its own; with its kind before
    it (`statefulset.web`) where several have that name, and with its namespace before that."""
    several = [one for one in found if _is_workload(one)]
    for name_of in (_name, _kind_and_name):
        names = [name_of(one) for one in several]
        if len(set(names)) == len(names):
            return dict(zip(names, several, strict=True))
    return {f"{one['metadata'].get('namespace', '')}.{_kind_and_name(one)}": one for one in several}


def services(found: Sequence[Json]) -> dict[str, Json]:
    """A service in Compose's words for every workload: the image of its first container, and how
    many there are to be. Others stand for nothing that is followed."""
    return {
        name: _service(one, runs(found, one) or one)
        for name, one in workloads(found).items()
        if _containers(one)
    }


def variables(found: Sequence[Json]) -> Iterator[tuple[str, str, str]]:
    """(where, name, value) of every variable that is written out in a container."""
    for body in found:
        for place, container in _every_container(body):
            for one in container.get("env") or ():
                if isinstance(one, Mapping) and one.get("value"):
                    where = f"{_kind_and_name(body)} {container.get('name', place)}"
                    yield where, str(one.get("name", "")), str(one["value"])


def _of_field(body: Json, field: ImageField) -> Iterator[tuple[Steps, str]]:
    group, _, version = str(body["apiVersion"]).rpartition("/")
    if body["kind"] == field.kind and field.group in ("", group) and field.version in ("", version):
        yield from _at(body, [key.removesuffix("[]") for key in field.path.split("/")], ())


def _in_templates(value: Any, steps: Steps) -> Iterator[tuple[Steps, str]]:
    for inner, key, held in _walk(value, steps):
        if key in _CONTAINERS and isinstance(held, list):
            for n, one in enumerate(held):
                if isinstance(one, Mapping) and isinstance(one.get("image"), str):
                    yield (*inner, n, "image"), one["image"]
        elif key == "volumes" and isinstance(held, list):
            # An OCI volume source: its files come from an image.
            for n, one in enumerate(held):
                source = one.get("image") if isinstance(one, Mapping) else None
                if isinstance(source, Mapping) and isinstance(source.get("reference"), str):
                    yield (*inner, n, "image", "reference"), source["reference"]


def _walk(value: Any, steps: Steps) -> Iterator[tuple[Steps, str, Any]]:
    """Every key at every depth, with its steps and its value."""
    if isinstance(value, Mapping):
        for key, held in value.items():
            yield (*steps, key), key, held
            yield from _walk(held, (*steps, key))
    elif isinstance(value, list):
        for n, held in enumerate(value):
            yield from _walk(held, (*steps, n))


def _at(value: Any, keys: Sequence[str], steps: Steps) -> Iterator[tuple[Steps, str]]:
    """The texts at `keys`; lists on the way are gone through."""
    if isinstance(value, list):
        for n, held in enumerate(value):
            yield from _at(held, keys, (*steps, n))
    elif not keys:
        if isinstance(value, str):
            yield steps, value
    elif isinstance(value, Mapping) and keys[0] in value:
        yield from _at(value[keys[0]], keys[1:], (*steps, keys[0]))


def _is_workload(body: Json) -> bool:
    group = str(body["apiVersion"]).rpartition("/")[0]
    return _WORKLOADS.get(str(body["kind"])) == group and not _reference(body)


def runs(found: Iterable[Json], deployment: Json) -> Json | None:
    """The Rollout that runs a Deployment's template in its stead."""
    asked = {"kind": deployment["kind"], "name": _name(deployment)}.items()
    near = (one for one in found if _space(one) == _space(deployment))
    return next((one for one in near if asked <= _reference(one).items()), None)


def _space(body: Json) -> str:
    return str(body["metadata"].get("namespace") or "")


def _reference(body: Json) -> Json:
    """argo-rollouts, RolloutSpec.workloadRef; empty for a Rollout by itself, and all others."""
    is_rollout = str(body["apiVersion"]).startswith("argoproj.io/") and body["kind"] == "Rollout"
    return ((body.get("spec") or {}).get("workloadRef") or {}) if is_rollout else {}


def _name(body: Json) -> str:
    return str(body["metadata"]["name"])


def _kind_and_name(body: Json) -> str:
    return f"{body['kind'].lower()}.{_name(body)}"


def _containers(body: Json) -> list[Json]:
    spec = ((body.get("spec") or {}).get("template") or {}).get("spec") or {}
    found = spec.get("containers") or ()
    return [one for one in found if isinstance(one, dict) and isinstance(one.get("image"), str)]


def _service(body: Json, counted: Json) -> Json:
    """`counted` has the number: itself, or the Rollout that runs it."""
    made: Json = {"image": _containers(body)[0]["image"]}
    if body["kind"] == "DaemonSet":
        return {**made, "deploy": {"mode": "global"}}
    count = counted["spec"].get("replicas")
    return {**made, "deploy": {"replicas": 1 if count is None else int(count)}}


def _every_container(body: Json) -> Iterator[tuple[str, Json]]:
    for _, key, held in _walk(body, ()):
        if key in _CONTAINERS and isinstance(held, list):
            yield from ((key, one) for one in held if isinstance(one, dict))


def _refuse_secret(one: Written) -> None:
    """What is in a release is in the ledger, for everybody who reads it and for ever."""
    body = one.body
    values = next((key for key in ("data", "stringData") if body.get(key)), "")
    if body["kind"] == "Secret" and body["apiVersion"] == "v1" and values:
        raise one.wrong(
            f"the values of Secret {body['metadata']['name']} would be in the ledger",
            (values,),
            next_step="make it in the cluster by itself and refer to it, or have an ExternalSecret"
            " or a SealedSecret here",
        )


def _refuse_reference(one: Written, written: Sequence[Written]) -> None:
    """What it runs is proven by the Deployment whose template that is."""
    asked = _reference(one.body)
    if asked and not any(
        runs([one.body], other.body) for other in written if _is_workload(other.body)
    ):
        raise one.wrong(
            f"the {asked.get('kind')} {asked.get('name')}, whose pods it would run, is not here",
            ("spec", "workloadRef"),
            next_step="have the Deployment here, too, or its spec.template in the Rollout",
        )


def _refuse_held_back(one: Written) -> None:
    held = held_back(one.body)
    if held:
        raise one.wrong(held.what, held.steps, next_step=held.next_step)
