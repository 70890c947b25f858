"""A team's own ECS definitions: what ECS would refuse or drop is told with its place."""

from typing import Any

import pytest

from shipit.config.document import parse
from shipit.config.source import Written
from shipit.config.source.written import mapping
from shipit.errors import ConfigurationError
from shipit.targets.ecs import own

TASK = """\
family: shop-web
networkMode: awsvpc
containerDefinitions:
  - name: web
    image: shop/web
    portMappings: [{containerPort: 8080}]
    environment: [{name: API_TOKEN, value: x}]
  - name: agent
    image: datadog/agent:7
    essential: false
"""


def written(text: str, part: str = "task_definition", name: str = "") -> Written:
    file = "ecs/web.yaml" if part == "task_definition" else "ecs/web-service.yaml"
    node = parse(text, file)
    return Written(mapping(node, file), file, node, part, name)


def test_a_definition_is_about_its_first_container() -> None:
    (made,) = own.objects([written(TASK), written("desiredCount: 2\n", "service")])
    assert made["name"] == "web"
    assert made["service"] == {"desiredCount": 2}
    assert [(f.position, f.steps, f.image) for f in own.images([made])] == [
        (0, ("task_definition", "containerDefinitions", 0, "image"), "shop/web"),
        (0, ("task_definition", "containerDefinitions", 1, "image"), "datadog/agent:7"),
    ]


def test_its_containers_stand_for_services_in_one_task() -> None:
    alarms = "{alarmNames: [slow], enable: true, rollback: false}"
    service = f"desiredCount: 2\ndeploymentConfiguration: {{alarms: {alarms}}}\n"
    found = own.services(own.objects([written(TASK), written(service, "service")]))
    assert found == {
        "web": {"image": "shop/web", "deploy": {"replicas": 2}, "x-ecs": {"alarms": ["slow"]}},
        "agent": {
            "image": "datadog/agent:7",
            "deploy": {"replicas": 2},
            "x-ecs": {"task": "web"},
        },
    }


def test_a_count_that_is_left_out_stays() -> None:
    found = own.services(own.objects([written(TASK)]))
    assert found["web"]["x-ecs"] == {"autoscaled": True}


def test_several_definitions_are_named_by_their_container() -> None:
    worker = TASK.replace("name: web", "name: queue").replace("name: agent", "name: side")
    made = own.objects([written(TASK, name="agent"), written(worker, name="queue")])
    assert [one["name"] for one in made] == ["agent", "queue"]
    assert own.services(made)["web"]["x-ecs"] == {"task": "agent"}


def test_what_aws_prints_is_unwrapped() -> None:
    inner = "".join(f"  {line}\n" for line in TASK.splitlines())
    text = f"taskDefinition:\n{inner}tags: [{{key: team, value: web}}]\n"
    (made,) = own.objects([written(text)])
    assert made["task_definition"]["tags"] == [{"key": "team", "value": "web"}]
    with pytest.raises(ConfigurationError) as error:
        own.objects([written(text.replace("essential", "esential"))])
    assert str(error.value).startswith(
        "ecs/web.yaml:11:7: taskDefinition.containerDefinitions[1].esential: unknown key;"
        " did you mean essential?"
    )


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("networkMode", "netMode", "2:1: netMode: unknown key; did you mean networkMode?"),
        ("awsvpc", "aws-vpc", "2:1: networkMode: 'aws-vpc' is none of bridge, host, awsvpc, none"),
        (
            "8080",
            "'http'",
            "6:21: containerDefinitions[0].portMappings[0].containerPort: expected a",
        ),
        (
            "value: x",
            "value: 1",
            "7:37: containerDefinitions[0].environment[0].value: expected text",
        ),
        ("8080", "true", "6:21: containerDefinitions[0].portMappings[0].containerPort: expected a"),
        ("false", "'no'", "10:5: containerDefinitions[1].essential: expected true or false, found"),
        (
            "[{containerPort: 8080}]",
            "8080",
            "6:5: containerDefinitions[0].portMappings: expected a",
        ),
        ("image: shop/web", "cpu: 1", "4:5: containerDefinitions[0].image: missing; it has to be"),
        ("name: agent", "name: web", "8:5: containerDefinitions[1].name: ecs/web.yaml has a"),
        ("family: shop-web", "revision: 4", "1:1: revision: ECS writes this itself, and does not"),
    ],
)
def test_a_task_definition_that_ecs_would_not_take(old: str, new: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        own.objects([written(TASK.replace(old, new))])
    assert str(error.value).startswith(f"ecs/web.yaml:{said}")


def test_a_name_that_no_container_has() -> None:
    with pytest.raises(ConfigurationError) as error:
        own.objects([written(TASK, name="api")])
    assert "there is no container api" in error.value.what
    assert error.value.next_step == "there is: web, agent"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("desiredcount: 1\n", "desiredcount: unknown key; did you mean desiredCount?"),
        ("status: ACTIVE\n", "status: ECS writes this itself, and does not take it"),
        ("cluster: prod\n", "cluster: this is not for a file: target.ecs.cluster says which"),
        ("taskDefinition: web\n", "taskDefinition: this is not for a file"),
        ("volumeConfigurations: []\n", "volumeConfigurations: this version of shipit does not"),
        (
            "deploymentController: {type: CODE_DEPLOY}\n",
            "deploymentController.type: shipit deploys through ECS's own controller",
        ),
        (
            "deploymentConfiguration: {strategy: BLUE_GREEN}\n",
            "deploymentConfiguration.strategy: this version of shipit plays ROLLING alone",
        ),
        (
            "deploymentConfiguration: {bakeTimeInMinutes: 5}\n",
            "deploymentConfiguration.bakeTimeInMinutes: this belongs to another strategy",
        ),
    ],
)
def test_a_service_that_cannot_be_carried_out(text: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        own.objects([written(TASK), written(text, "service")])
    place, _, what = str(error.value).partition(": ")
    assert place.startswith("ecs/web-service.yaml:1:")
    assert what.startswith(said)


def test_variables_that_are_written_out_are_listed() -> None:
    found: list[Any] = list(own.variables(own.objects([written(TASK)])))
    assert found == [("container web", "API_TOKEN", "x")]
