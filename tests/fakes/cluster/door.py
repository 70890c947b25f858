"""The fake node's kubelet port: what the API server asks a node for on behalf of `kubectl logs`."""

import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

from tests.fakes.cluster.flags import LOOPBACK
from tests.fakes.cluster.logs import Logs
from tests.fakes.cluster.plane import Plane


class Door:
    """HTTPS on a free loopback port; clients need a certificate of the cluster's authority."""

    def __init__(self, plane: Plane, logs: Logs) -> None:
        handler = type("Handler", (_Handler,), {"logs": logs})
        self._server = ThreadingHTTPServer((LOOPBACK, 0), handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(plane.folder / "server.crt", plane.folder / "server.key")
        context.load_verify_locations(plane.authority.certificate)
        context.verify_mode = ssl.CERT_REQUIRED
        # A client that is slow to shake hands does not keep the next one waiting.
        self._server.socket = context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, name="kubelet's port")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join(30)
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60  # seconds without a word
    logs: Logs

    def do_GET(self) -> None:
        """`/containerLogs/<namespace>/<pod>/<container>` (k8s.io/kubelet, pkg/server)."""
        asked = urlsplit(self.path)
        words = [unquote(word) for word in asked.path.strip("/").split("/")]
        query = {key: values[0] for key, values in parse_qs(asked.query).items()}
        if words[0] != "containerLogs" or len(words) != 4:
            self._say(404, f"{asked.path} is not played here")
            return
        path = f"/api/v1/namespaces/{words[1]}/pods/{words[2]}"
        flags = {name: query.get(name) == "true" for name in ("previous", "follow")}
        try:
            held = self.logs.count(path, words[3], previous=flags["previous"])
        except KeyError:
            kind = "previous terminated container" if flags["previous"] else "container"
            self._say(400, f'{kind} "{words[3]}" in pod "{words[2]}" not found')
            return
        self._stream(_chosen(self.logs.read(path, words[3], **flags), query, held))

    def _stream(self, lines: Iterator[str]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for line in lines:
            data = f"{line}\n".encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def _say(self, status: int, text: str) -> None:
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its own name for it
        """Not on the test's output."""


def _chosen(lines: Iterator[str], query: dict[str, str], held: int) -> Iterator[str]:
    """What PodLogOptions ask for: the last lines, those since a time, with their times or not."""
    skip = max(0, held - int(query["tailLines"])) if "tailLines" in query else 0
    since = query.get("sinceTime", "")
    if "sinceSeconds" in query:
        since = (datetime.now(UTC) - timedelta(seconds=int(query["sinceSeconds"]))).isoformat()
    for number, line in enumerate(lines):
        at, _, text = line.partition(" ")
        if number >= skip and at >= since:
            yield line if query.get("timestamps") == "true" else text
