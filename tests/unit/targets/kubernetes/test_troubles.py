"""What pods say when they do not come up."""

import pytest

from shipit.targets.kubernetes import troubles
from shipit.targets.kubernetes.pods import (
    Condition,
    ContainerStatus,
    Ended,
    Metadata,
    Pod,
    PodSpec,
    PodStatus,
    Running,
    State,
    Waiting,
)

CRASHED = State(terminated=Ended(1, "Error"))
BACK_OFF = State(waiting=Waiting("CrashLoopBackOff", "back-off 10s restarting"))


def pod(
    status: ContainerStatus | None = None, *conditions: Condition, phase: str = "Pending"
) -> Pod:
    return Pod(
        Metadata("web-1", "u1"),
        PodSpec(node_name="node-1"),
        PodStatus(phase, conditions=conditions, container_statuses=(status,) if status else ()),
    )


def waiting(reason: str, message: str = "") -> ContainerStatus:
    return ContainerStatus("web", state=State(waiting=Waiting(reason, message)))


@pytest.mark.parametrize(
    ("status", "words", "final"),
    [
        (
            waiting("ErrImagePull", "r/web: not found"),
            "its image cannot be pulled: r/web: not found",
            True,
        ),
        (
            waiting("ImagePullBackOff", "dial tcp: i/o timeout"),
            "its image cannot be pulled: dial tcp: i/o timeout",
            False,
        ),
        (
            waiting("ErrImagePull", "401 Unauthorized"),
            "its image cannot be pulled: 401 Unauthorized",
            True,
        ),
        (waiting("InvalidImageName"), "its image cannot be pulled: InvalidImageName", True),
        (
            waiting("CreateContainerConfigError", 'secret "db" not found'),
            'it cannot be started: secret "db" not found',
            False,
        ),
        (ContainerStatus("web", state=CRASHED), "exited with code 1", False),
        (
            ContainerStatus("web", restart_count=1, state=BACK_OFF, last_state=CRASHED),
            "exited with code 1",
            False,
        ),
        (
            ContainerStatus("web", restart_count=2, state=BACK_OFF, last_state=CRASHED),
            "exited with code 1",
            True,
        ),
        (
            ContainerStatus(
                "web", restart_count=2, state=State(running=Running()), last_state=CRASHED
            ),
            "exited with code 1",
            True,
        ),
        (
            ContainerStatus(
                "web", restart_count=3, last_state=State(terminated=Ended(137, "OOMKilled"))
            ),
            "was killed: out of memory",
            True,
        ),
        (
            ContainerStatus(
                "web", state=State(terminated=Ended(128, "StartError", "exec: no such file"))
            ),
            "it cannot be started: exec: no such file",
            False,
        ),
    ],
)
def test_the_kubelets_words(status: ContainerStatus, words: str, final: bool) -> None:
    found = troubles.of_pod(pod(status))
    assert found is not None
    assert (found.words, found.final) == (words, final)


def test_what_may_still_come_is_given_time() -> None:
    found = troubles.of_pod(pod(waiting("CreateContainerConfigError", 'secret "db" not found')))
    assert found is not None
    assert found.passing


def test_the_schedulers_words() -> None:
    condition = Condition("PodScheduled", "False", "Unschedulable", "0/3 nodes: insufficient cpu")
    found = troubles.of_pod(pod(None, condition))
    assert found is not None
    assert (found.words, found.final) == (
        "it cannot be scheduled: 0/3 nodes: insufficient cpu",
        False,
    )


@pytest.mark.parametrize(
    "status",
    [
        None,
        waiting("ContainerCreating"),
        ContainerStatus("web", state=State(running=Running())),
        ContainerStatus(
            "web", ready=True, restart_count=5, state=State(running=Running()), last_state=CRASHED
        ),
        ContainerStatus("web", state=State(terminated=Ended(0, "Completed"))),
    ],
)
def test_what_takes_its_time_or_has_come_up_is_in_no_trouble(
    status: ContainerStatus | None,
) -> None:
    assert troubles.of_pod(pod(status)) is None


def test_one_that_ends_by_itself_again_and_again_is_told_how_to_be_a_one_off() -> None:
    ended = ContainerStatus(
        "web", restart_count=2, last_state=State(terminated=Ended(0, "Completed"))
    )
    found = troubles.of_pod(pod(ended))
    assert found is not None
    assert "x-shipit: {run: before}" in found.words
