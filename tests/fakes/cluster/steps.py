"""What the fake node does next about one pod, and when it looks at it again."""

import time
from typing import TYPE_CHECKING

from tests.fakes.cluster.needs import lacking
from tests.fakes.cluster.pods import Container, Pod

if TYPE_CHECKING:
    from tests.fakes.cluster.node import FakeNode

MOMENT = 0.1  # seconds that the shortest container runs


def step(node: "FakeNode", pod: Pod) -> float | None:
    """Moves the pod on and writes its status. Seconds until the next step, None: all is said."""
    if pod.spec["metadata"].get("deletionTimestamp"):
        pod.released = True
        node.api.delete(pod.path, gracePeriodSeconds="0")
        return None
    told = pod.status() if pod.written else None
    waits = _containers(node, pod)
    status = pod.status()
    if status != told:
        node.api.patch(f"{pod.path}/status", {"status": status})
        pod.written = True
    return min(waits, default=None)


def _containers(node: "FakeNode", pod: Pod) -> list[float]:
    """Init containers one after another, then the containers, all at once."""
    for one in pod.init:
        wait = _container(node, pod, one)
        if not (one.ended == 0 or (one.always and one.ready)):
            return [] if wait is None else [wait]
    found = (_container(node, pod, one) for one in pod.main)
    return [wait for wait in found if wait is not None]


def _container(node: "FakeNode", pod: Pod, one: Container) -> float | None:
    """One container's next step."""
    if one.ended is not None:
        return None
    if not one.runs:
        return _start(node, pod, one)
    left = one.until - time.monotonic()
    if left > 0:
        return left
    if one.story.exit_code is not None:
        return _end(node, pod, one, one.story.exit_code)
    if one.story.ready or not one.probed:
        one.ready = True
        return None
    if not one.told:
        one.told = True
        node.tell(pod, "Warning", "Unhealthy", "Readiness probe failed: it never passes here")
    return None


def _start(node: "FakeNode", pod: Pod, one: Container) -> float | None:
    if one.until > time.monotonic():
        return one.until - time.monotonic()
    image = str(one.spec["image"])
    node.pulled.append(image)
    if one.story.pull:
        return _back_off_pull(node, pod, one, image)
    why = lacking(node.api, pod.spec["metadata"]["namespace"], one.spec)
    if why:
        return _back_off_config(node, pod, one, why)
    one.run()
    node.logs.begin(pod.path, one.name, one.story.logs)
    ends = one.story.exit_code is not None
    # Without a probe a container is ready while it runs, if only for the moment until it ends.
    one.ready = ends and not one.probed
    one.until = time.monotonic() + max(one.story.after, MOMENT if ends else 0.0)
    return _container(node, pod, one)


def _back_off_pull(node: "FakeNode", pod: Pod, one: Container, image: str) -> float:
    """First the error, then the waiting for another try, in the kubelet's words."""
    wait = node.back_off if one.told else 0.1
    if one.told:
        one.wait("ImagePullBackOff", f'Back-off pulling image "{image}": {one.story.pull}')
    else:
        one.told = True
        why = f'failed to pull and unpack image "{image}": {one.story.pull}'
        one.wait("ErrImagePull", why)
        node.tell(pod, "Warning", "Failed", f'Failed to pull image "{image}": {why}')
    one.until = time.monotonic() + wait
    return wait


def _back_off_config(node: "FakeNode", pod: Pod, one: Container, why: str) -> float:
    """It is looked for again, and started once it is there."""
    one.wait("CreateContainerConfigError", why)
    if not one.told:
        one.told = True
        node.tell(pod, "Warning", "Failed", f"Error: {why}")
    one.until = time.monotonic() + node.back_off
    return node.back_off


def _end(node: "FakeNode", pod: Pod, one: Container, code: int) -> float | None:
    """Started again at once the first time, later after a back-off."""
    one.end(code)
    node.logs.end(pod.path, one.name)
    if one.ended is not None:
        return None
    one.restarts += 1
    if one.restarts == 1:
        return 0.0
    meta = pod.spec["metadata"]
    name = f"{meta['name']}_{meta['namespace']}({meta['uid']})"
    why = f"back-off {node.back_off:.0f}s restarting failed container={one.name} pod={name}"
    one.wait("CrashLoopBackOff", why)
    node.tell(pod, "Warning", "BackOff", why)
    one.until = time.monotonic() + node.back_off
    return node.back_off
