"""Who pods are to the API server and to the cloud. Pure.

Left out, they are the namespace's `default` account without its token: a pod that asks nobody has
no use for one, and what breaks into it would have.
"""

from collections.abc import Iterator
from typing import Any

from shipit.targets.kubernetes import names
from shipit.targets.kubernetes.render.scope import Scope

Json = dict[str, Any]


def of_pod(scope: Scope, service: str) -> Json:
    said = scope.said(service).service_account
    if said is None:
        return {"automountServiceAccountToken": False}
    return {
        "serviceAccountName": said.name or names.label(service),
        "automountServiceAccountToken": said.token,
    }


def accounts(scope: Scope, services: tuple[str, ...]) -> Iterator[Json]:
    """Those that have no name of their own: the others are somebody else's."""
    for service in services:
        said = scope.said(service).service_account
        if said is not None and not said.name:
            made = scope.made("v1", "ServiceAccount", names.label(service), service)
            notes = made["metadata"]["annotations"]
            made["metadata"]["annotations"] = {**said.annotations, **notes}
            yield {**made, "automountServiceAccountToken": False}
