"""Secrets are references: the ARN is in the task definition, the value never comes by here."""

import re
from collections.abc import Mapping
from typing import Any

from shipit.errors import ConfigurationError
from shipit.targets.ecs import extension

_ARN = re.compile(r"arn:[a-z-]+:(secretsmanager|ssm):[a-z0-9-]+:[0-9]*:\S+")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def secrets(
    project: Mapping[str, Any], path: str, definition: Mapping[str, Any], given: Mapping[str, str]
) -> tuple[dict[str, str], list[str]]:
    """ARNs by the variable that gets the value, and notes for the plan.

    `given` is x-ecs.secrets. Raises ConfigurationError for a secret without an ARN.
    """
    found: dict[str, str] = {}
    notes = []
    for n, used in enumerate(definition.get("secrets") or ()):
        source = str(used["source"])
        variable = _variable(source, str(used.get("target") or ""))
        found[variable] = _arn(project, source)
        notes.append(f"{path}.secrets[{n}]: {source} comes as the variable {variable}, not a file")
    for variable, arn in given.items():
        where = f"{path}.{extension.KEY}.secrets.{variable}"
        if not _ARN.fullmatch(arn):
            raise _no_arn(where, "this is no ARN of Secrets Manager or of SSM Parameter Store")
        found[variable] = arn
    _refuse_double(path, definition, found)
    return found, notes


def _refuse_double(path: str, definition: Mapping[str, Any], found: Mapping[str, str]) -> None:
    for variable in definition.get("environment") or {}:
        if variable in found:
            raise ConfigurationError(
                "a secret has this name too", path=f"{path}.environment.{variable}"
            )


def _arn(project: Mapping[str, Any], source: str) -> str:
    path = f"secrets.{source}"
    defined = (project.get("secrets") or {}).get(source) or {}
    said = extension.secret(path, defined)
    name = str(defined.get("name") or "") if defined.get("external") else ""
    arn = said.arn if said else name
    if not _ARN.fullmatch(arn):
        raise _no_arn(path, "ECS takes secrets from Secrets Manager or SSM, and this has no ARN")
    return arn


def _variable(source: str, target: str) -> str:
    """As `target` says when it is a variable's name, else the secret's own name in capitals."""
    if target and target != source and _VARIABLE.fullmatch(target):
        return target
    return re.sub(r"[^A-Z0-9_]", "_", source.upper())


def _no_arn(path: str, what: str) -> ConfigurationError:
    return ConfigurationError(
        what, path=path, next_step=f"write `{extension.KEY}: {{arn: arn:aws:secretsmanager:…}}`"
    )
