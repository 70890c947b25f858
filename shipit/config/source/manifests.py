"""Kubernetes manifests: files and folders, several documents to a file, lists unfolded."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from shipit.config.document import Node, Sequence, parse_manifests
from shipit.config.source.written import Written, mapping, missing, text
from shipit.errors import ConfigurationError

_ENDINGS = (".yaml", ".yml", ".json")
# What another tool makes manifests of.
_OTHERS = {
    "kustomization.yaml": "kustomize",
    "kustomization.yml": "kustomize",
    "Chart.yaml": "helm",
}


def read(root: Path, names: Iterable[str], at: str) -> tuple[Written, ...]:
    """Every object in these files and folders, in the order of their paths. Raises
    ConfigurationError."""
    found = [
        one
        for name in names
        for file in _files(root, name, at)
        for one in objects(text(root, file, at), file)
    ]
    if not found:
        raise ConfigurationError(
            f"there is no manifest in {', '.join(names)}", file="shipit.yaml", path=at
        )
    refuse_twice(found)
    return tuple(found)


def objects(content: str, file: str) -> Iterator[Written]:
    """The objects in a text. Raises ConfigurationError for what is none, with its line."""
    if file.endswith(".json"):
        content = content.replace("\t", " ")  # white space in JSON, and an error in YAML
    for node in parse_manifests(content, file):
        yield from _unfolded(Written(mapping(node, file), file, node))


def _unfolded(one: Written) -> Iterator[Written]:
    """`kind: List` (and ConfigMapList and so on) stands for its items."""
    body = one.body
    for key in ("apiVersion", "kind"):
        if not isinstance(body.get(key), str) or not body[key]:
            raise one.wrong(f"{key} is missing: it is no Kubernetes object", (key,))
    if body["kind"].endswith("List") and isinstance(body.get("items"), list):
        for node in _items(one.node):
            yield from _unfolded(Written(mapping(node, one.file), one.file, node))
        return
    _refuse_nameless(one)
    yield one


def _items(node: Node | None) -> Iterable[Node]:
    entries = getattr(node, "entries", {})
    items = entries["items"].value
    return items.items if isinstance(items, Sequence) else ()


def _refuse_nameless(one: Written) -> None:
    metadata = one.body.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if isinstance(name, str) and name:
        return
    if isinstance(metadata, dict) and "generateName" in metadata:
        raise one.wrong(
            f"the {one.body['kind']} is made under another name each time, and cannot be applied",
            ("metadata", "generateName"),
            next_step="give it a name; what runs once in a deployment is a service with"
            " `x-shipit: {run: before}` in compose.yaml",
        )
    raise one.wrong(f"the {one.body['kind']} has no name", ("metadata", "name"))


def refuse_twice(found: Iterable[Written]) -> None:
    """Of two objects of one name the second would win, and nobody would know."""
    seen: dict[tuple[str, ...], Written] = {}
    for one in found:
        body = one.body
        group = str(body["apiVersion"]).rpartition("/")[0]
        space = str(body["metadata"].get("namespace") or "")
        key = (group, str(body["kind"]), space, str(body["metadata"]["name"]))
        first = seen.setdefault(key, one)
        if first is not one:
            where = f"{first.file}:{first.node.line}" if first.node else first.file
            raise one.wrong(f"{key[1]} {key[3]} is here again; the first is in {where}")


def _files(root: Path, name: str, at: str) -> list[str]:
    path = root / name
    if path.is_file():
        return [name]
    if not path.is_dir():
        raise missing(name, at, "file or folder")
    folder = Path(name)
    inside = sorted(p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file())
    for one in inside:
        other = _OTHERS.get(Path(one).name)
        if other:
            raise ConfigurationError(
                f"{folder / one} is for {other}, and no manifest",
                file="shipit.yaml",
                path=at,
                next_step=f"write `source: {{{other}: {(folder / one).parent}}}`",
            )
    return [str(folder / one) for one in inside if one.endswith(_ENDINGS)]
