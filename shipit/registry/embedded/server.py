"""The embedded registry's life: it serves from a thread while a command needs it. No daemon."""

import socket
import threading
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from socketserver import ThreadingTCPServer
from types import TracebackType
from typing import Any, Self

from shipit.registry.embedded.address import Identity, listen
from shipit.registry.embedded.handler import Handler, abort
from shipit.registry.embedded.layout import Layout
from shipit.registry.embedded.uploads import Uploads

LOOPBACK = "127.0.0.1"
_DRAIN = 30.0  # seconds for requests in flight when the registry ends
_POLL = 0.02  # seconds: the longest that the end of a command waits for the accepting thread
_FIRST_REQUEST = 1.0  # seconds for the first request of a connection that was just accepted

Intercept = Callable[[Handler], bool]


class Phase(Enum):
    """Where a connection stands: no request yet, in the middle of one, between two."""

    FRESH = 1
    BUSY = 2
    IDLE = 3


class Server(ThreadingTCPServer):
    """Connections, one thread each, and which of them are in the middle of a request."""

    daemon_threads = True
    block_on_close = False

    def __init__(
        self,
        listener: socket.socket,
        layout: Layout,
        identity: Identity,
        *,
        read_only: bool,
        referrers: bool,
        intercept: Intercept | None,
    ) -> None:
        super().__init__(listener.getsockname(), Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.layout, self.identity = layout, identity
        self.uploads = Uploads(layout)
        self.read_only, self.referrers, self.intercept = read_only, referrers, intercept
        self._phases: dict[socket.socket, Phase] = {}
        self._ending = False
        self._changed = threading.Condition()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._changed:
            self._phases[request] = Phase.FRESH
        super().process_request(request, client_address)

    def disconnected(self, connection: socket.socket) -> None:
        with self._changed:
            self._phases.pop(connection, None)
            self._changed.notify_all()

    def begin(self, connection: socket.socket) -> None:
        with self._changed:
            self._phases[connection] = Phase.BUSY
            self._changed.notify_all()

    def end(self, connection: socket.socket) -> bool:
        """A request is done; whether its connection may serve another."""
        with self._changed:
            self._phases[connection] = Phase.IDLE
            self._changed.notify_all()
            return not self._ending

    def drain(self, seconds: float) -> None:
        """Take no more connections, let requests in flight end, close what is idle."""
        self._accept_queued()
        self.socket.close()
        with self._changed:
            self._ending = True
            self._changed.wait_for(lambda: Phase.FRESH not in self._phases.values(), _FIRST_REQUEST)
            for connection, phase in list(self._phases.items()):
                if phase is not Phase.BUSY:
                    abort(connection)
            self._changed.wait_for(lambda: not self._phases, seconds)
            for connection in list(self._phases):
                abort(connection)

    def _accept_queued(self) -> None:
        """Connections that the kernel has accepted for us and that we have not taken yet."""
        self.socket.setblocking(False)
        while True:
            try:
                connection, peer = self.socket.accept()
            except OSError:
                return
            connection.setblocking(True)
            self.process_request(connection, peer)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that broke is the client's to tell; anything else is a defect: show it."""
        import sys

        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class EmbeddedRegistry:
    """An OCI registry on loopback over an OCI image layout in `folder`.

        with EmbeddedRegistry(folder) as registry:
            registry.address  # "127.0.0.1:23417"

    Its port stays the same from one run to the next, and several processes may serve one folder at
    once. `port` is for tests: 0 takes any free one. With `referrers` off it is a registry of before
    distribution-spec 1.1. `intercept` sees each request first and answers it when it returns True.
    Raises PreconditionError when the folder cannot be written or no port is free.
    """

    def __init__(
        self,
        folder: Path,
        *,
        host: str = LOOPBACK,
        port: int | None = None,
        read_only: bool = False,
        referrers: bool = True,
        intercept: Intercept | None = None,
    ) -> None:
        self.layout = Layout(Path(folder))
        self._host, self._port = host, port
        self._read_only, self._referrers, self._intercept = read_only, referrers, intercept
        self._server: Server | None = None
        self._thread: threading.Thread | None = None
        self.address = ""

    def start(self) -> Self:
        self.layout.prepare()
        listener, identity = listen(self.layout, self._host, self._port)
        self._server = Server(
            listener,
            self.layout,
            identity,
            read_only=self._read_only,
            referrers=self._referrers,
            intercept=self._intercept,
        )
        host, port = listener.getsockname()[:2]
        self.address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL,), name="registry", daemon=True
        )
        self._thread.start()
        return self

    def stop(self) -> None:
        if self._server is None or self._thread is None:
            return
        self._server.shutdown()
        self._server.drain(_DRAIN)
        self._thread.join(_DRAIN)
        self._server = self._thread = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
