"""A stream whose reader may go away: `shipit deploy | head` must not end a deployment half-way."""

import os
from contextlib import suppress
from typing import TextIO


class Outlet:
    """Lines, flushed one by one; what the stream's encoding lacks is replaced."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._open = True

    def write(self, line: str) -> None:
        if not self._open:
            return
        try:
            self._stream.write(self._sayable(line) + "\n")
            self._stream.flush()
        except BrokenPipeError:
            self._open = False
            self._silence()

    def _sayable(self, line: str) -> str:
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        return line.encode(encoding, "replace").decode(encoding)

    def _silence(self) -> None:
        """What is still buffered would fail again when Python exits (docs: signal, SIGPIPE)."""
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
