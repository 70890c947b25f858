"""What infra/ makes for the reference pipelines that have something in a cloud.

`python -m tests.fakes.pulumi_engine.accounts` writes the snapshots anew.
"""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from tests.fakes.pulumi_engine.graph import PIPELINES, SNAPSHOTS, Graph, of_account, prepared


def references() -> Iterator[str]:
    for path in sorted(PIPELINES.glob("*.yaml")):
        if "x-infra" in yaml.safe_load(path.read_text()):
            yield path.stem


def of_reference(pipeline: str, folder: Path) -> Graph:
    """For an application that builds one image and takes another."""
    (folder / "compose.yaml").write_text("services: {web: {build: .}, db: {image: postgres}}\n")
    return of_account(prepared(pipeline, folder))


def snapshot(pipeline: str) -> Path:
    return SNAPSHOTS / f"account-{pipeline}.json"


if __name__ == "__main__":
    for reference in references():
        with TemporaryDirectory() as made:
            snapshot(reference).write_text(of_reference(reference, Path(made)).text())
