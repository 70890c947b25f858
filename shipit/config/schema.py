"""The JSON Schema of shipit.yaml and its reference page, both from the typed model.

`python -m shipit.config.schema` writes both files anew; a test compares them.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from shipit.model import codec
from shipit.model.pipeline import SOURCE_DETAILS, SOURCE_KINDS, Settings, TargetSettings

DIALECT = "https://json-schema.org/draft/2020-12/schema"
FILE = Path(__file__).with_name("shipit.schema.json")
REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "configuration.md"
_FREE = "^x-"


def json_schema() -> dict[str, Any]:
    """Draft 2020-12. It says all that one value can be wrong in; what several must agree in
    (names in `after`, circles, two environments in one place) is checked by `shipit check`."""
    made = codec.schema(Settings)
    kinds = made["$defs"]
    for kind in kinds.values():
        _open(kind)
        for field in kind["properties"].values():
            _open(field)
    _exactly_one(kinds["TargetSettings"], TargetSettings.__struct_fields__)
    _exactly_one(kinds["EnvironmentSettings"], ("target", "targets"))
    _exactly_one(kinds["SourceFiles"], SOURCE_KINDS)
    kinds["SourceFiles"]["dependentSchemas"] = {
        detail: {"anyOf": [{"required": [kind]} for kind in of]}
        for detail, of in SOURCE_DETAILS.items()
    }
    return {"$schema": DIALECT, "title": "shipit.yaml", **made}


def _open(kind: dict[str, Any]) -> None:
    """Let x- keys in, whatever they hold, wherever keys are checked."""
    if kind.get("type") != "object" or "additionalProperties" not in kind:
        return
    kind["patternProperties"] = {_FREE: {}}
    if "propertyNames" in kind:
        kind["propertyNames"] = {"anyOf": [{"pattern": _FREE}, kind["propertyNames"]]}


def _exactly_one(kind: dict[str, Any], names: Iterable[str]) -> None:
    kind["oneOf"] = [{"required": [name]} for name in names]


def text() -> str:
    """The schema as it is shipped."""
    return msgspec.json.format(msgspec.json.encode(json_schema()), indent=2).decode() + "\n"


def write() -> None:
    from shipit.config.reference import reference

    FILE.write_text(text(), encoding="utf-8")
    REFERENCE.parent.mkdir(parents=True, exist_ok=True)
    REFERENCE.write_text(reference(), encoding="utf-8")


if __name__ == "__main__":
    write()
