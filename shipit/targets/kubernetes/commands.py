"""`shipit run`: a command in a pod of its own, by a Job that goes again when it has ended.

With a terminal the person is attached to it. Without one its output is its log, from the first
line on (whoever attaches comes too late for the beginning), and nothing is read from stdin.
"""

import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import msgspec

from shipit.errors import PreconditionError, ShipitError
from shipit.model.deployment import Desired
from shipit.model.progress import Failed, Progress
from shipit.targets.kubernetes import execute, troubles
from shipit.targets.kubernetes.client import Cluster
from shipit.targets.kubernetes.connection import Call
from shipit.targets.kubernetes.pods import OF_JOB, Pod
from shipit.targets.kubernetes.tasks import JOB, Run, create
from shipit.targets.kubernetes.upgrade import open_session
from shipit.targets.kubernetes.watching import limited

Json = dict[str, Any]
_LONGEST = 24 * 3600  # seconds: a person ends it, or it is forgotten
_ENDING = 30.0  # seconds for the kubelet to write the exit code down


def run(cluster: Cluster, desired: Desired, service: str, job: Json, *, tty: bool) -> int:
    """The command's exit code. `job` as render makes it.

    Raises PreconditionError when it cannot be started.
    """
    made = _forgotten_in_the_end(job)
    try:
        if tty:
            return _attached(cluster, desired, service, _with_terminal(made))
        return _printed(cluster, desired, service, made)
    finally:
        with suppress(ShipitError):  # it goes by itself, too: ttlSecondsAfterFinished
            cluster.delete(*JOB, str(job["metadata"]["name"]))


def _forgotten_in_the_end(job: Json) -> Json:
    spec = {**job["spec"], "activeDeadlineSeconds": _LONGEST, "ttlSecondsAfterFinished": 60}
    return {**job, "spec": spec}


def _with_terminal(job: Json) -> Json:
    template = job["spec"]["template"]
    first, *others = template["spec"]["containers"]
    containers = [{**first, "stdin": True, "stdinOnce": True, "tty": True}, *others]
    pod = {**template["spec"], "containers": containers}
    return {**job, "spec": {**job["spec"], "template": {**template, "spec": pod}}}


def _printed(cluster: Cluster, desired: Desired, service: str, job: Json) -> int:
    patient = msgspec.structs.replace(desired, deadline=float(_LONGEST))
    one = Run(cluster, patient, service, job, clears=False)
    for step in one.run():
        if isinstance(step, Progress):
            sys.stdout.writelines(f"{line}\n" for line in step.logs)
            sys.stdout.flush()
        elif isinstance(step, Failed) and one.exit_code == 1:
            sys.stderr.writelines(f"{reason}\n" for reason in step.reasons)
    return one.exit_code


def _attached(cluster: Cluster, desired: Desired, service: str, job: Json) -> int:
    create(cluster, service, job)
    name = str(job["metadata"]["name"])
    container = str(job["spec"]["template"]["spec"]["containers"][0]["name"])
    pod = _started(cluster, service, name, container, desired.deadline)
    if _up(pod, container):
        query = [("container", container), *((n, "true") for n in ("stdin", "stdout", "tty"))]
        call = Call("GET", f"{cluster.path('v1', 'Pod', pod.name)}/attach", query)
        with open_session(cluster.connection, call, execute.PROTOCOLS) as session:
            execute.converse(session, execute.own_streams(), tty=True)
    else:
        _tell(cluster, pod, container)
    return _exit_code(cluster, name, container)


def _started(cluster: Cluster, service: str, job: str, container: str, within: float) -> Pod:
    """Once its container runs or has ended. Raises PreconditionError when it cannot start."""
    words = "its pod is not there"
    for pod in _watched(cluster, job, within):
        status = pod.status_of(container)
        if status and (status.state.running or status.state.terminated):
            return pod
        trouble = troubles.of_pod(pod)
        words = troubles.state_of(pod)
        if trouble and trouble.final:
            break
    raise PreconditionError(f"{service} does not start for a command", words)


def _exit_code(cluster: Cluster, job: str, container: str) -> int:
    for pod in _watched(cluster, job, _ENDING):
        status = pod.status_of(container)
        if status and status.state.terminated:
            return status.state.terminated.exit_code
    return 1


def _watched(cluster: Cluster, job: str, within: float) -> Iterator[Pod]:
    """The Job's pods as they are and change, for so many seconds."""
    watch = cluster.watcher("v1", "Pod", Pod, selector=f"{OF_JOB}={job}")
    with limited(watch, within) as changes:
        for change in changes:
            if change.object is not None:
                yield change.object


def _up(pod: Pod, container: str) -> bool:
    status = pod.status_of(container)
    return bool(status and status.state.running)


def _tell(cluster: Cluster, pod: Pod, container: str) -> None:
    """It ended before anybody was attached: its log has all of it."""
    for line in cluster.logs(pod.name, [("container", container)]).lines():
        sys.stdout.write(line.decode(errors="replace") + "\n")
    sys.stdout.flush()
