"""A plugin ends with the engine that started it, also when that one was killed."""

import os
import threading
import time

_LOOK = 0.5  # seconds


def ends_with_parent() -> None:
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK)
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()
