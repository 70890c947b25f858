"""ECS task definitions and services as ecspresso has them: JSON or YAML, a file each.

ecspresso.yml itself, its templates and Jsonnet are not read: the first two take values from
outside, and what a release is made of has to be in it.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from shipit.config.document import parse
from shipit.config.source.written import Written, mapping, text
from shipit.errors import ConfigurationError
from shipit.model.pipeline import SourceFiles

_ENDINGS = (".json", ".yaml", ".yml")
# `{{ must_env `TAG` }}`; `{{.Name}}` is for a log driver.
_TEMPLATE = re.compile(r"\{\{-?\s*([A-Za-z_]\w*)")


def read(root: Path, source: SourceFiles, at: str) -> tuple[Written, ...]:
    """For each task definition its `Written`, and that of its service where there is one."""
    return tuple(_parts(root, source, at))


def _parts(root: Path, source: SourceFiles, at: str) -> Iterator[Written]:
    for part in ("task_definition", "service"):
        named = getattr(source, part)
        files = named if isinstance(named, dict) else {"": named} if named else {}
        for name, file in files.items():
            yield _one(root, file, part, name, f"{at}.{part}" + (f".{name}" if name else ""))


def _one(root: Path, file: str, part: str, name: str, at: str) -> Written:
    if not file.endswith(_ENDINGS):
        raise ConfigurationError(
            f"{file} is neither JSON nor YAML",
            file="shipit.yaml",
            path=at,
            next_step="with Jsonnet: commit what `ecspresso render` writes",
        )
    content = text(root, file, at)
    _refuse_template(content, file)
    if file.endswith(".json"):
        content = content.replace("\t", " ")  # white space in JSON, and an error in YAML
    node = parse(content, file)
    return Written(mapping(node, file), file, node, part, name)


def _refuse_template(content: str, file: str) -> None:
    found = _TEMPLATE.search(content)
    if found:
        before = content[: found.start()]
        raise ConfigurationError(
            f"the template function {found[1]} is ecspresso's, and not evaluated here",
            file=file,
            line=before.count("\n") + 1,
            column=found.start() - before.rfind("\n"),
            next_step="write an image as the name of its service in compose.yaml; for other"
            " values have a file for each environment",
        )
