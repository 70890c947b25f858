import json

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml

from shipit.cli.app import run
from shipit.cli.init import _template


def test_it_prints_the_schema_that_shipit_yaml_is_checked_by(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    check = jsonschema.Draft202012Validator(schema)
    pipeline = yaml.safe_load(_template("docker").replace("APP", "shop"))
    assert list(check.iter_errors(pipeline)) == []
    pipeline["environments"]["dev"]["target"]["docker"]["hots"] = "x"
    assert len(list(check.iter_errors(pipeline))) == 1


def test_json_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    run(["schema"])
    plain = capsys.readouterr().out
    assert run(["schema", "--json"]) == 0
    assert capsys.readouterr().out == plain
