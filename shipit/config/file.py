"""shipit.yaml, found and read into a Pipeline; what is wrong with it is a ConfigurationError."""

import os
from pathlib import Path

from shipit.config import rules
from shipit.config.decode import decode, joined, refuse
from shipit.config.document import Entry, Mapping, Node, Sequence, parse
from shipit.errors import ConfigurationError
from shipit.model.pipeline import Environment, EnvironmentSettings, Pipeline, Settings

FILE_NAME = "shipit.yaml"
_MOST_BYTES = 1 << 20  # one that people keep by hand has a thousandth of it


def find(start: Path) -> Path:
    """shipit.yaml in `start` or the nearest folder above it, as git and compose look for theirs."""
    start = Path(start).absolute()
    for folder in (start, *start.parents):
        if (folder / FILE_NAME).is_file():
            return folder / FILE_NAME
    misnamed = start / "shipit.yml"
    raise ConfigurationError(
        f"there is no {FILE_NAME} in {start} or a folder above it",
        next_step=f"rename {misnamed} to {FILE_NAME}"
        if misnamed.is_file()
        else "`shipit init` writes one, or go to the folder that has it",
    )


def load(path: Path) -> Pipeline:
    """The pipeline in the file. Raises ConfigurationError with file, line, column and path."""
    path = Path(path)
    shown = _shown(path)
    node = parse(_text(path, shown), shown)
    if not isinstance(node, Mapping):
        raise _not_a_mapping(node, shown)
    settings = decode(node, Settings, shown)
    refuse([_problem(node, rule, shown) for rule in rules.broken(settings)])
    return _pipeline(settings, path, shown)


def _shown(path: Path) -> str:
    """The file as people name it: from the current folder where that is shorter."""
    return min(str(path), os.path.relpath(path), key=len)


def _text(path: Path, shown: str) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise ConfigurationError("larger than 1 MiB, which is the most", file=shown)
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        before = error.object[: error.start]
        raise ConfigurationError(
            f"not UTF-8 text: the byte 0x{error.object[error.start]:02X} is no part of it",
            file=shown,
            line=before.count(b"\n") + 1,
        ) from None
    except FileNotFoundError:
        raise ConfigurationError(
            "there is no such file", file=shown, next_step="`shipit init` writes one"
        ) from None
    except OSError as error:
        raise ConfigurationError(f"cannot be read: {error.strerror}", file=shown) from None


def _not_a_mapping(node: Node | None, shown: str) -> ConfigurationError:
    what = "empty" if node is None else "expected a mapping (app: and environments:) at the top"
    if isinstance(node, Sequence):
        what += ", found a list"
    return ConfigurationError(
        what,
        file=shown,
        line=node.line if node else 1,
        column=node.column if node else 1,
        next_step="`shipit init` writes one to start from",
    )


def _problem(root: Node, rule: rules.Broken, shown: str) -> ConfigurationError:
    """The broken rule, at the deepest part of its path that the file has."""
    place: Node | Entry = root
    node = root
    for step in rule.path:
        if isinstance(node, Mapping) and step in node.entries:
            place = node.entries[str(step)]
            node = place.value
        elif isinstance(node, Sequence) and isinstance(step, int):
            place = node = node.items[step]
    path = ""
    for step in rule.path:
        path = joined(path, step)
    return ConfigurationError(
        rule.what, file=shown, line=place.line, column=place.column, path=path
    )


def _pipeline(settings: Settings, path: Path, shown: str) -> Pipeline:
    return Pipeline(
        app=settings.app,
        root=str(path.absolute().parent),
        file=shown,
        ledger=settings.ledger,
        registry=settings.registry,
        environments={
            name: _environment(name, settings.environments[name])
            for name in rules.in_promotion_order(settings.environments)
        },
    )


def _environment(name: str, settings: EnvironmentSettings) -> Environment:
    single = {} if settings.target is None else {"default": settings.target}
    return Environment(
        name=name,
        after=settings.after,
        targets=single or settings.targets,
        registry=settings.registry,
        gates=settings.gates,
        strategy=settings.strategy,
        verify=settings.verify,
        source=settings.source,
        stack=settings.stack,
        deadline=settings.deadline,
    )
