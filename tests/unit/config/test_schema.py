"""The schema and the reference page are the model's, and the schema says what `load` says."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from msgspec import inspect

from shipit.config import schema
from shipit.config.reference import EXAMPLE, reference
from shipit.errors import ConfigurationError
from shipit.model.pipeline import Pipeline, Settings

Load = Callable[[str | bytes], Pipeline]


@pytest.fixture
def document() -> Any:
    return yaml.safe_load(EXAMPLE)


def valid(document: Any) -> bool:
    return bool(Draft202012Validator(schema.json_schema()).is_valid(document))


def test_the_shipped_files_are_what_the_model_makes() -> None:
    again = "run `python -m shipit.config.schema`"
    assert schema.FILE.read_text(encoding="utf-8") == schema.text(), again
    assert schema.REFERENCE.read_text(encoding="utf-8") == reference(), again


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(schema.json_schema())


def test_the_example_is_valid(document: Any) -> None:
    assert valid(document)


def test_free_keys_are_valid_everywhere(document: Any) -> None:
    qa = document["environments"]["qa"]
    for mapping in (document, document["environments"], qa, qa["target"], qa["verify"][0]):
        mapping["x-Mine_1"] = {"any": ["thing"]}
    document["environments"]["production"]["targets"]["x-Mine_1"] = 1
    assert valid(document)


# Each is refused by the schema and by `load`.
@pytest.mark.parametrize(
    ("place", "value"),
    [
        (["unknown"], 1),
        (["app"], "Shop"),
        (["environments"], {}),
        (["environments", "Qa"], {"target": {"docker": {}}}),
        (["environments", "qa", "target", "hots"], {}),
        (["environments", "qa", "target", "docker"], {}),
        (["environments", "qa", "target"], {}),
        (["environments", "qa", "targets"], {"eu": {"docker": {}}}),
        (["environments", "qa", "verify"], [{}]),
        (["environments", "qa", "verify", 0, "status"], 99),
        (["environments", "qa", "deadline"], "soon"),
        (["environments", "qa", "source"], {}),
        (["environments", "qa", "source"], {"helm": "a", "kustomize": "b"}),
        (["environments", "qa", "source"], {"helm": "a", "service": "b"}),
        (["environments", "qa", "source"], {"manifests": "a", "values": ["b"]}),
        (["environments", "qa", "source"], {"manifests": {"a": "b"}}),
        (["environments", "production", "gates", "approvals"], "two"),
        (["environments", "production", "strategy", "canary", "steps"], []),
        (["environments", "production", "targets", "us", "ecs", "launch_type"], "lambda"),
    ],
)
def test_the_schema_refuses_what_load_refuses(
    loaded: Load, document: Any, place: list[str | int], value: Any
) -> None:
    *above, last = place
    held = document
    for step in above:
        held = held[step]
    held[last] = value
    assert not valid(document)
    with pytest.raises(ConfigurationError):
        loaded(yaml.safe_dump(document))


def types(kind: inspect.Type) -> Iterator[inspect.Type]:
    """`kind` and whatever is in it."""
    yield kind
    for field in getattr(kind, "fields", ()):
        yield from types(field.type)
    inner = (getattr(kind, name, None) for name in ("type", "item_type", "key_type", "value_type"))
    for held in (*inner, *getattr(kind, "types", ())):
        if held is not None:
            yield from types(held)


def test_every_pattern_has_words_for_its_error() -> None:
    patterned = [
        kind
        for kind in types(inspect.type_info(Settings))
        if isinstance(kind, inspect.Metadata) and getattr(kind.type, "pattern", None)
    ]
    assert len(patterned) > 5
    assert [kind for kind in patterned if not (kind.extra or {}).get("form")] == []
    bare = [
        field
        for kind in types(inspect.type_info(Settings))
        for field in getattr(kind, "fields", ())
        if getattr(field.type, "pattern", None)
    ]
    assert bare == []


def test_the_page_describes_every_key() -> None:
    page = reference()
    for kind in types(inspect.type_info(Settings)):
        for field in getattr(kind, "fields", ()):
            rows = [line for line in page.splitlines() if line.startswith(f"| `{field.name}` |")]
            assert rows, field.name
            assert all(len(row.split("|")[-2].strip()) > 10 for row in rows), field.name
