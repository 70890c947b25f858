"""The stories as `shipit deploy` has them: the exit code, what runs in the end, what is held."""

from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace

from shipit.delivery.deploy import deploy
from shipit.delivery.request import Request
from shipit.errors import ShipitError
from shipit.model.events import ReleaseCreated
from shipit.model.pipeline import Environment
from shipit.model.release import summarize
from shipit.targets.interface import Target
from tests.fakes.ecs import Behaviour, stories
from tests.fakes.ecs.stories import Story
from tests.fakes.project import FakeProject, make_release, told
from tests.unit.targets.ecs.conftest import Shop
from tests.unit.targets.ecs.test_stories import compose, happen

# Without capacity there is none for the way back either: what ran before still does.
ENDS = {
    "success": (0, "next"),
    "first_deployment": (0, "next"),
    "first_deployment_fails": (1, ""),
    "alarm_before_the_start": (2, "good"),
    "circuit_breaker_rollback": (4, "good"),
    "breaker_without_rollback": (4, "good"),
    "crash_loop": (4, "good"),
    "image_cannot_be_pulled": (4, "good"),
    "another_digest": (4, "good"),
    "capacity_never_comes": (1, "good"),
    "scaled_to_zero": (4, "good"),
    "rollback_requested": (4, "good"),
    "alarm_rollback": (4, "good"),
    "superseded": (5, "other"),
}


class EcsProject(FakeProject):
    """Its one environment runs on the shop's simulated ECS."""

    def __init__(self, root: Path, shop: Shop) -> None:
        super().__init__(root)
        self.shop = shop

    def targets(self, environment: Environment) -> dict[str, Target]:
        return {name: self.shop.target() for name in environment.targets}

    def release_of(self, story: Story, name: str) -> None:
        """The story's service with one of its images."""
        count = len(self.ledger.read().releases)
        made = make_release(name, minute=count)
        image = made.images["web"].image
        self.shop.sim.images[image.reference] = Behaviour(**story.images[name])
        web = {**compose(story)["web"], "image": image.reference}
        project = {"name": "shop-dev", "services": {"web": web}}
        release = replace(made, environments={"dev": project})
        self.ledger.put_release(release)
        self.say(ReleaseCreated(release=summarize(release)))

    def deploy(self) -> int:
        """The newest release; the exit code."""
        try:
            told(deploy(self, Request("dev")))
        except ShipitError as error:
            return error.exit_code
        return 0

    def running(self, story: Story) -> set[str]:
        """Which of the story's images run, by what the tasks report."""
        by_digest = {
            str(make_release(name).images["web"].image.digest): name for name in story.images
        }
        by_digest |= {stories.digest(name): name for name in story.images}
        tasks = self.shop.sim.world.tasks.values()
        alive = [t for t in tasks if t.alive and t.last == "RUNNING"]
        return {by_digest.get(t.containers[0].digest, "unknown") for t in alive}


@pytest.fixture
def project(tmp_path: Path, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> EcsProject:
    monkeypatch.setenv("SHIPIT_ACTOR", "ada")
    return EcsProject(tmp_path, shop)


def set_off(project: EcsProject, story: Story) -> None:
    """The story, up to the deployment of `next`."""
    shop = project.shop
    for name, behaves in story.images.items():
        shop.behaves(name, Behaviour(**behaves))  # those that others deploy
    if story.before:
        project.release_of(story, story.before)
        assert project.deploy() == 0
    for alarm in story.alarms:
        shop.rings(alarm)
    shop.sim.capacity("prod", story.room)
    for event in story.then:
        shop.sim.once_written(event.after, partial(happen, shop, story, event))
    project.release_of(story, "next")


@pytest.mark.parametrize("name", ENDS)
def test_the_exit_code_and_what_runs_in_the_end(project: EcsProject, name: str) -> None:
    story = stories.read(name)
    set_off(project, story)
    code, runs = ENDS[name]
    assert project.deploy() == code
    project.shop.sim.clock.advance(120)  # what is stopped takes its time
    assert project.running(story) == ({runs} if runs else set())
    state = project.state()
    proven = runs if runs in ("next", "good") else story.before
    assert (state.current.release_id if state.current else "") == proven
    assert bool(state.hold) is (code in (1, 4) and runs != "")


def test_06_it_goes_back_while_the_alarm_rings_on(project: EcsProject) -> None:
    """ECS takes nothing back here: shipit does, and the alarm is why."""
    story = stories.read("alarm_rollback")
    pausing = {"deploymentCircuitBreaker": {"enable": True, "rollback": False}}
    alarms = {**story.deployment["alarms"], "rollback": False}
    story = replace(story, deployment={**pausing, "alarms": alarms})
    set_off(project, story)
    assert project.deploy() == 4
    assert project.shop.around.alarms == {"errors": "ALARM"}
    project.shop.sim.clock.advance(120)
    assert project.running(story) == {"good"}


def test_09_every_revision_says_which_deployment_registered_it(project: EcsProject) -> None:
    story = stories.read("circuit_breaker_rollback")
    set_off(project, story)
    project.deploy()
    made = project.shop.sim.asked("RegisterTaskDefinition")
    tags = [{t["key"]: t["value"] for t in one["tags"]} for one in made]
    tokens = [commit.number for commit in project.ledger.history() if _starts(commit.events)]
    assert [int(t["shipit:deployment"]) for t in tags[:2]] == sorted(tokens)


def _starts(events: object) -> bool:
    return "DeploymentStarted" in str(events)
