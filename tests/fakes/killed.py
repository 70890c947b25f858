"""A deployment in a process that kills itself: `python -m tests.fakes.killed DIR ENV RELEASE K`.

Every event that counts is a line on stdout; at the K-th the process is gone, by SIGKILL (0: never).
A RUNNING event counts when the one before it was about something else. The exit code is that of the
command line.
"""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

from shipit.delivery.deploy import deploy
from shipit.delivery.project import Project
from shipit.delivery.request import Request
from shipit.errors import ShipitError
from shipit.model.progress import Mark, Progress


def counted(project: Project, request: Request) -> Iterator[str]:
    last = ""
    for step in deploy(project, request):
        assert isinstance(step, Progress)
        key = f"{step.stage} {step.mark} {step.subject}".rstrip()
        if step.mark is not Mark.RUNNING or key != last:
            yield key
        last = key


def main(folder: str, environment: str, release: str, moment: int) -> int:
    project = Project.open(Path(folder) / "shipit.yaml")
    try:
        for number, key in enumerate(counted(project, Request(environment, release)), 1):
            sys.stdout.write(f"{key}\n")
            sys.stdout.flush()
            if number == moment:
                os.kill(os.getpid(), signal.SIGKILL)
    except ShipitError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
