"""The team's own manifests as they are read: what is taken, and what is refused, with its place."""

import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shipit.config import source
from shipit.config.source import Written, charts
from shipit.errors import ConfigurationError, PreconditionError
from shipit.model.pipeline import (
    EksTarget,
    Environment,
    Gates,
    SourceFiles,
    Strategy,
    TargetSettings,
)

Read = Callable[..., tuple[Written, ...]]

WEB = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec: {replicas: 2}
"""
SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\n"


def environment(**settings: Any) -> Environment:
    return Environment(
        name="staging",
        after=None,
        targets={"default": TargetSettings(eks=EksTarget(cluster="c", namespace="shop"))},
        registry="",
        gates=Gates(),
        strategy=Strategy(),
        verify=(),
        source=SourceFiles(**settings),
        stack={},
        deadline="5m",
    )


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Files by name, and the source that names them."""

    def made(files: dict[str, str], **settings: Any) -> tuple[Written, ...]:
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        return source.read(tmp_path, environment(**settings), "shop")

    return made


def names(found: tuple[Written, ...]) -> list[tuple[str, str, str]]:
    return [(w.body["kind"], w.body["metadata"]["name"], w.file) for w in found]


def test_a_folder_with_those_in_it_in_the_order_of_their_paths(read: Read) -> None:
    files = {
        "k8s/b.yaml": f"{SERVICE}---\n{WEB}",
        "k8s/a/c.yml": WEB.replace("web", "worker"),
        "k8s/d.json": '{\n\t"apiVersion": "v1",\n\t"kind": "ConfigMap", "metadata":{"name":"c"}}',
        "k8s/README.md": "nothing to deploy",
    }
    assert names(read(files, manifests="k8s/")) == [
        ("Deployment", "worker", "k8s/a/c.yml"),
        ("Service", "web", "k8s/b.yaml"),
        ("Deployment", "web", "k8s/b.yaml"),
        ("ConfigMap", "c", "k8s/d.json"),
    ]


def test_files_in_the_order_in_which_they_are_named(read: Read) -> None:
    files = {"web.yaml": WEB, "before/service.yaml": SERVICE}
    found = read(files, manifests=("web.yaml", "before"))
    assert [kind for kind, _, _ in names(found)] == ["Deployment", "Service"]


def test_a_list_stands_for_its_items(read: Read) -> None:
    text = (
        "apiVersion: v1\nkind: List\nitems:\n"
        "- apiVersion: v1\n  kind: ConfigMapList\n  items:\n"
        "  - {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n"
        "- {apiVersion: v1, kind: ConfigMap, metadata: {name: b}}\n"
    )
    found = read({"all.yaml": text}, manifests="all.yaml")
    assert [name for _, name, _ in names(found)] == ["a", "b"]
    assert [w.node.line for w in found if w.node] == [7, 8]


def test_numbers_are_what_kubectl_reads(read: Read) -> None:
    text = SERVICE.replace("Service", "ConfigMap") + "mode: 0644\n"
    assert read({"c.yaml": text}, manifests="c.yaml")[0].body["mode"] == 420


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind: Deployment\n", "k8s/a.yaml:1:1: apiVersion: apiVersion is missing"),
        ("apiVersion: v1\nkind: ''\n", "k8s/a.yaml:2:1: kind: kind is missing"),
        ("- a\n", "k8s/a.yaml:1:1: expected a mapping, found a list"),
        ("apiVersion: v1\nkind: Pod\n", "k8s/a.yaml:1:1: metadata.name: the Pod has no name"),
        (
            "apiVersion: batch/v1\nkind: Job\nmetadata:\n  generateName: migrate-\n",
            "k8s/a.yaml:4:3: metadata.generateName: the Job is made under another name each time",
        ),
        (
            f"{WEB}---\n{WEB}",
            "k8s/a.yaml:6:1: Deployment web is here again; the first is in k8s/a.yaml:1",
        ),
        ("a: [\n", "k8s/a.yaml:2:1: not YAML:"),
    ],
)
def test_what_is_no_object_is_refused_where_it_stands(read: Read, text: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        read({"k8s/a.yaml": text}, manifests="k8s")
    assert str(error.value).startswith(said)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "there is no file or folder k8s"),
        ({"k8s/README": ""}, "there is no manifest in k8s"),
        ({"k8s/o/kustomization.yaml": ""}, "k8s/o/kustomization.yaml is for kustomize"),
        ({"k8s/Chart.yaml": ""}, "k8s/Chart.yaml is for helm"),
    ],
)
def test_a_folder_without_manifests(read: Read, files: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        read(files, manifests="k8s")
    assert str(error.value).startswith(
        f"shipit.yaml: environments.staging.source.manifests: {said}"
    )


def test_the_other_tool_is_named_as_it_is_written(read: Read) -> None:
    with pytest.raises(ConfigurationError) as error:
        read({"k8s/o/kustomization.yaml": ""}, manifests="k8s")
    assert error.value.next_step == "write `source: {kustomize: k8s/o}`"


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """A program that keeps its arguments and writes a file, alone on PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def made(name: str, script: str) -> Path:
        path = folder / name
        path.write_text(f'#!/bin/sh\nfor a; do echo "$a"; done > {folder}/asked\n{script}\n')
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return folder / "asked"

    return made


CHART = {"chart/Chart.yaml": "name: shop\n", "values.yaml": "", "prod.yaml": ""}


def test_a_chart_is_rendered_by_helm(read: Read, program: Callable[[str, str], Path]) -> None:
    asked = program("helm", f"/bin/cat <<'END'\n{WEB}---\n{SERVICE}END")
    found = read(CHART, helm="chart", values=("values.yaml", "prod.yaml"))
    assert asked.read_text().split() == [
        *("template", "shop", "chart", "--namespace", "shop"),
        *("--values", "values.yaml", "--values", "prod.yaml", "--skip-tests"),
    ]
    assert [kind for kind, _, _ in names(found)] == ["Deployment", "Service"]


def test_a_chart_has_its_own_name_and_namespace(
    read: Read, program: Callable[[str, str], Path]
) -> None:
    asked = program("helm", f"/bin/cat <<'END'\n{WEB}END")
    read(CHART, helm="chart", release="front", namespace="other")
    assert asked.read_text().split()[:5] == ["template", "front", "chart", "--namespace", "other"]


def test_what_helm_says_is_said(
    read: Read, program: Callable[[str, str], Path], tmp_path: Path
) -> None:
    program("helm", f"echo 'Error: {tmp_path}/chart: nil pointer' >&2; exit 1")
    with pytest.raises(ConfigurationError) as error:
        read(CHART, helm="chart")
    assert "`helm template shop chart --namespace shop --skip-tests` fails" in error.value.what
    assert error.value.why == "Error: chart: nil pointer"


def test_a_chart_without_helm(read: Read, program: Callable[[str, str], Path]) -> None:
    program("nothing", "")
    with pytest.raises(PreconditionError, match="helm is not installed"):
        read(CHART, helm="chart")


def test_a_chart_that_is_not_there(read: Read) -> None:
    with pytest.raises(
        ConfigurationError, match=r"source\.helm: there is no file chart/Chart.yaml"
    ):
        read({}, helm="chart/")
    with pytest.raises(ConfigurationError, match=r"source\.values\[0\]: there is no file absent"):
        read(CHART, helm="chart", values=("absent.yaml",))


def test_a_hook_is_not_applied_like_the_rest(
    read: Read, program: Callable[[str, str], Path]
) -> None:
    hook = WEB.replace("{name: web}", "{name: web, annotations: {helm.sh/hook: pre-install}}")
    program("helm", f"/bin/cat <<'END'\n{hook}END")
    with pytest.raises(ConfigurationError) as error:
        read(CHART, helm="chart")
    assert "Deployment web is a hook of the chart (pre-install)" in error.value.what
    assert "x-shipit: {run: before}" in error.value.next_step


def test_definitions_that_a_chart_does_not_bring_are_told(tmp_path: Path) -> None:
    assert list(charts.remarks(tmp_path, SourceFiles(helm="chart"))) == []
    (tmp_path / "chart" / "crds").mkdir(parents=True)
    assert "chart/crds are not deployed" in next(
        charts.remarks(tmp_path, SourceFiles(helm="chart"))
    )


@pytest.mark.parametrize(
    ("name", "words"), [("kustomize", ["build", "k8s"]), ("kubectl", ["kustomize", "k8s"])]
)
def test_a_kustomization_is_built_by_what_there_is(
    read: Read, program: Callable[[str, str], Path], name: str, words: list[str]
) -> None:
    asked = program(name, f"/bin/cat <<'END'\n{WEB}END")
    found = read({"k8s/kustomization.yaml": ""}, kustomize="k8s")
    assert asked.read_text().split() == words
    assert names(found) == [("Deployment", "web", f"`{name} {' '.join(words)}`")]


def test_a_kustomization_that_is_not_there(read: Read) -> None:
    with pytest.raises(ConfigurationError, match=r"source\.kustomize: there is no folder k8s"):
        read({}, kustomize="k8s")


TASK = '{"containerDefinitions": [{"name": "web", "image": "web"}]}'


def test_a_task_definition_and_its_service(read: Read) -> None:
    files = {
        "ecs/web.json": "\t" + TASK.replace(" ", "\n\t"),
        "ecs/web-service.yaml": "desiredCount: 2\n",
    }
    task, service = read(files, task_definition="ecs/web.json", service="ecs/web-service.yaml")
    assert (task.part, task.name) == ("task_definition", "")
    assert task.body["containerDefinitions"][0]["image"] == "web"
    assert (service.part, service.body) == ("service", {"desiredCount": 2})


def test_several_of_them_by_name(read: Read) -> None:
    files = {"web.json": TASK, "worker.json": TASK, "s.json": "{}"}
    found = read(
        files,
        task_definition={"web": "web.json", "worker": "worker.json"},
        service={"worker": "s.json"},
    )
    assert [(w.part, w.name) for w in found] == [
        ("task_definition", "web"),
        ("task_definition", "worker"),
        ("service", "worker"),
    ]


@pytest.mark.parametrize(
    "written", ["{{ must_env `TAG` }}", '{{env "TAG" "x"}}', "{{- tfstate `a` }}"]
)
def test_a_template_function_is_refused_by_name(read: Read, written: str) -> None:
    text = '{\n  "image": "shop:' + written + '"}'
    with pytest.raises(ConfigurationError) as error:
        read({"web.json": text}, task_definition="web.json")
    function = written.strip("{- ").split()[0]
    assert error.value.what == (
        f"web.json:2:18: the template function {function} is ecspresso's, and not evaluated here"
    )
    assert "the name of its service in compose.yaml" in error.value.next_step


def test_a_log_drivers_own_template_is_none(read: Read) -> None:
    text = '{"containerDefinitions": [], "tag": "{{.Name}}/{{ .ID }}"}'
    assert read({"web.json": text}, task_definition="web.json")[0].body["tag"].endswith("ID }}")


def test_what_is_neither_json_nor_yaml(read: Read) -> None:
    with pytest.raises(ConfigurationError) as error:
        read({"web.jsonnet": "{}"}, task_definition="web.jsonnet")
    assert "web.jsonnet is neither JSON nor YAML" in error.value.what
    assert "ecspresso render" in error.value.next_step


def test_a_file_that_is_not_there_is_named_with_the_key(read: Read) -> None:
    with pytest.raises(ConfigurationError) as error:
        read({}, task_definition={"web": "ecs/web.json"})
    assert str(error.value).startswith(
        "shipit.yaml: environments.staging.source.task_definition.web:"
        " there is no file ecs/web.json"
    )
