"""Google's container API and token services, for clusters whose API server is a front door.

with FakeGke(tmp_path) as google:
    google.clusters["projects/acme/locations/europe-west1/clusters/staging"] = Cluster(...)
    door.judge = google.judge      # Google's access tokens, while they are good

Answers go through the client library's own message classes: a field that does not exist is an
error here too.
"""

import re

from google.cloud.container_v1 import Cluster

from shipit.registry.embedded.handler import Handler
from tests.fakes.artifact_registry import ACCOUNT, FakeGoogle, _fault


class FakeGke(FakeGoogle):
    """`clusters` by resource name; `denied` may hold `get`."""

    clusters: dict[str, Cluster]

    def judge(self, authorization: str) -> str:
        """GKE takes every access token of Google's."""
        kind, _, token = authorization.partition(" ")
        return ACCOUNT if kind == "Bearer" and self._is_good(token) else ""

    def _answer_api(self, request: Handler, path: str) -> None:
        self.calls.append((request.command, path))
        if not self.judge(request.headers.get("Authorization", "")):
            _fault(request, 401, "UNAUTHENTICATED", "Request had invalid credentials.")
        elif "get" in self.denied:
            _fault(request, 403, "PERMISSION_DENIED", 'Required "container.clusters.get".')
        elif not re.fullmatch(r"projects/[^/]+/locations/[^/]+/clusters/[^/]+", path):
            _fault(request, 404, "NOT_FOUND", "no such method")
        elif path not in self.clusters:
            _fault(request, 404, "NOT_FOUND", f"Not found: {path}.")
        else:
            body: str = Cluster.to_json(self.clusters[path], use_integers_for_enums=False)
            request.answer(200, body.encode(), media_type="application/json")
