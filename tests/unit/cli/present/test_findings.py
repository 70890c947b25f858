from shipit.cli.present.findings import finding_lines
from shipit.cli.present.ink import Ink
from shipit.model.deployment import Finding

OK = Finding("ok", "dev", "the engine answers")
WARNING = Finding("warning", "qa", "no healthcheck in web")
ERROR = Finding("error", "production", "port 80 is taken by nginx", "stop it, or choose another")


def test_errors_carry_their_next_step() -> None:
    assert finding_lines([OK, WARNING, ERROR], Ink()) == [
        "✓ dev         the engine answers",
        "! qa          no healthcheck in web",
        "✗ production  port 80 is taken by nginx",
        "              stop it, or choose another",
        "1 error would stop a deployment",
    ]


def test_warnings_stop_nothing() -> None:
    assert finding_lines([WARNING], Ink())[-1] == "nothing would stop a deployment; 1 warning"
    assert finding_lines([OK], Ink())[-1] == "nothing would stop a deployment"
    assert finding_lines([ERROR, ERROR], Ink())[-1] == "2 errors would stop a deployment"


def test_ascii_streams_get_words() -> None:
    assert finding_lines([ERROR], Ink(unicode=False))[0].startswith("error production")
