"""What stacks/ makes for every environment of the reference pipelines."""

import pytest

from tests.fakes.pulumi_engine.graph import Graph, of_environment, prepared, references

REFERENCES = [*references()]


@pytest.fixture(scope="session")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Graph]:
    return {
        (pipeline, environment): of_environment(
            prepared(pipeline, tmp_path_factory.mktemp(pipeline)), environment
        )
        for pipeline, environment in REFERENCES
    }


@pytest.fixture(params=REFERENCES, ids="-".join)
def reference(request: pytest.FixtureRequest) -> tuple[str, str]:
    found: tuple[str, str] = request.param
    return found


@pytest.fixture
def graph(graphs: dict[tuple[str, str], Graph], reference: tuple[str, str]) -> Graph:
    return graphs[reference]
