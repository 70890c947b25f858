"""`shipit` with somebody at a terminal who answers its question."""

import os
import subprocess

from tests.fakes.command import COMMAND, Ran, Shipit


def answered(shipit: Shipit, answer: str, *words: str, deadline: float = 120.0) -> Ran:
    """What is asked can be asked: standard input is a terminal, and the answer is typed already."""
    keyboard, terminal = os.openpty()
    try:
        with subprocess.Popen(
            [COMMAND, *words],
            cwd=shipit.folder,
            env=shipit.environment(),
            stdin=terminal,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            os.write(keyboard, f"{answer}\n".encode())
            out, err = process.communicate(timeout=deadline)
    finally:
        os.close(keyboard)
        os.close(terminal)
    return Ran(words, process.returncode, out, err)
