"""What a container's environment refers to and its namespace lacks, in the kubelet's words."""

from collections.abc import Iterator

from tests.fakes.cluster.api import Api, Json, RefusedError

_KINDS = {"secret": "secrets", "configMap": "configmaps"}


def lacking(api: Api, namespace: str, container: Json) -> str:
    """ "" when all is there. What is optional is not asked for."""
    for kind, name, key in _references(container):
        try:
            found = api.get(f"/api/v1/namespaces/{namespace}/{_KINDS[kind]}/{name}")
        except RefusedError as refused:
            if refused.status != 404:
                raise
            return f'{kind.lower()} "{name}" not found'
        if key and key not in found.get("data", {}):
            return f"couldn't find key {key} in {kind.title()} {namespace}/{name}"
    return ""


def _references(container: Json) -> Iterator[tuple[str, str, str]]:
    """(kind, name, key); no key where the whole of it is taken."""
    for source in container.get("envFrom", ()):
        for kind in _KINDS:
            one = source.get(f"{kind}Ref")
            if one and not one.get("optional"):
                yield kind, one["name"], ""
    for variable in container.get("env", ()):
        for kind in _KINDS:
            one = variable.get("valueFrom", {}).get(f"{kind}KeyRef")
            if one and not one.get("optional"):
                yield kind, one["name"], one["key"]
