from pathlib import Path
from typing import Any

import pytest

from shipit.builders.jobs import read_jobs
from shipit.errors import ConfigurationError


@pytest.fixture
def root(tmp_path: Path) -> Any:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "Dockerfile").write_text("FROM scratch\n")
    return tmp_path


def jobs(root: Path, **services: Any) -> Any:
    return [job.services for job in read_jobs({"services": services}, root)]


def after(context: Any, *services: Any) -> Any:
    contexts = {f"c{n}": f"service:{name}" for n, name in enumerate(services)}
    return {"build": {"context": context, "additional_contexts": contexts}}


def test_the_same_section_is_built_once(root: Path) -> None:
    same = {"build": {"context": "a", "args": {"V": "1"}}}
    other = {"build": {"context": "a", "args": {"V": "2"}}}
    assert jobs(root, worker=same, web=same, api=other) == [("api",), ("web", "worker")]


def test_a_shared_build_is_named_after_what_keeps_running(root: Path) -> None:
    same = {"build": {"context": "a"}}
    task = {**same, "x-shipit": {"run": "before"}}
    assert jobs(root, migrate=task, worker=same) == [("worker", "migrate")]


def test_a_service_without_a_build_is_not_built(root: Path) -> None:
    assert jobs(root, db={"image": "postgres"}) == []


def test_another_platform_is_another_build(root: Path) -> None:
    arm = {"build": {"context": "a"}, "platform": "linux/arm64"}
    assert jobs(root, web={"build": {"context": "a"}}, arm=arm) == [("arm",), ("web",)]


def test_a_build_comes_after_those_it_is_built_from(root: Path) -> None:
    plain = {"build": {"context": "a"}}
    assert jobs(root, a=after("b", "z"), z=plain) == [("z",), ("a",)]


def test_a_shared_build_comes_before_what_needs_any_of_its_services(root: Path) -> None:
    plain = {"build": {"context": "a"}}
    assert jobs(root, m=after("b", "a"), a=plain, z=plain)[0] == ("a", "z")
    assert jobs(root, m=after("b", "z"), a=plain, z=plain)[0] == ("a", "z")


def test_a_circle_is_an_error_that_shows_it(root: Path) -> None:
    with pytest.raises(ConfigurationError, match="in a circle") as raised:
        jobs(root, a=after("a", "b"), b=after("b", "a"))
    assert raised.value.why in {"a -> b -> a", "b -> a -> b"}


def test_a_context_from_a_service_that_is_not_built_is_an_error(root: Path) -> None:
    with pytest.raises(ConfigurationError, match="service 'db' is not built here"):
        jobs(root, a=after("a", "db"), db={"image": "postgres"})


@pytest.mark.parametrize(
    ("build", "path"),
    [
        ({"context": "nowhere"}, "services.web.build.context: there is no folder"),
        ({"context": "a", "dockerfile": "X"}, "services.web.build.dockerfile: there is no file"),
    ],
)
def test_a_missing_file_is_found_before_anything_is_built(
    root: Path, build: Any, path: str
) -> None:
    with pytest.raises(ConfigurationError, match=path):
        jobs(root, web={"build": build})
