"""What would stop a deployment, before it does: findings, and never an error."""

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from shipit.delivery.check import check
from shipit.delivery.deploy import deploy
from shipit.delivery.request import Request
from shipit.delivery.verify import verify
from shipit.errors import PreconditionError, UnknownNameError
from shipit.model.deployment import Desired, Finding
from shipit.model.image import Image
from shipit.model.pipeline import Canary, Strategy
from tests.fakes.project import FakeProject, environment, run
from tests.fakes.target import FakeTarget

COMPOSE = """\
services:
  web:
    image: registry.example/web:1
    environment: {API_TOKEN: "12345", LEVEL: info}
    volumes: ["./www:/www"]
"""


@pytest.fixture
def checked(project: FakeProject, monkeypatch: pytest.MonkeyPatch) -> FakeProject:
    """With a compose.yaml; the builder is another module's matter."""
    (project.root / "compose.yaml").write_text(COMPOSE)
    monkeypatch.setattr("shipit.delivery.check._builder", lambda _: iter(()))
    return project


def found(project: FakeProject, environment: str = "") -> list[Finding]:
    return list(check(project, environment))


def of(findings: list[Finding], level: str) -> dict[str, str]:
    return {f.subject: f.what for f in findings if f.level == level}


def test_what_is_well_is_said(checked: FakeProject) -> None:
    assert of(found(checked), "ok") == {
        "shipit.yaml": "2 environments",
        "compose.yaml": "services: web",
        "registry": "the embedded one, in .shipit/registry",
        "ledger": "memory://, at commit 0",
    }
    assert of(found(checked), "error") == {}


@pytest.mark.parametrize(
    ("name", "said"), [("", "buildx's current builder"), ("ci", "buildx builder ci")]
)
def test_the_builder_is_named_where_it_has_a_name(
    name: str, said: str, project: FakeProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project.root / "compose.yaml").write_text(COMPOSE)
    monkeypatch.setattr("shipit.builders.machine.find", lambda _: SimpleNamespace(name=name))
    assert of(found(project), "ok")["build"] == said


def test_secrets_and_files_of_the_checkout_are_warned_of(checked: FakeProject) -> None:
    said = [f for f in found(checked) if f.subject == "compose.yaml" and f.level == "warning"]
    assert len(said) == 2
    assert said[0].what.startswith("services.web.environment.API_TOKEN looks like a secret")
    assert "is bound from the checkout" in said[1].what
    assert all("12345" not in f"{f.what} {f.next_step}" for f in found(checked))


def test_a_missing_compose_file_is_an_error_and_the_rest_is_looked_at(checked: FakeProject) -> None:
    (checked.root / "compose.yaml").unlink()
    findings = found(checked)
    (error,) = (f for f in findings if f.level == "error")
    assert error.subject == "compose.yaml"
    assert "there is no compose.yaml" in error.what
    assert "ledger" in of(findings, "ok")


def test_nothing_built_yet_is_no_fault(checked: FakeProject) -> None:
    warned = of(found(checked), "warning")
    assert warned["dev"] == "there is no release yet"
    assert warned["qa"] == "nothing runs in dev yet, which qa comes after"
    assert ("check", "") in checked.target().calls


def test_a_target_is_asked_about_what_would_come_next(checked: FakeProject) -> None:
    checked.release("a")
    run(deploy(checked, Request("dev")))
    checked.release("b")
    checked.target().findings = [Finding("error", "port 8080", "nginx holds it", "end it")]
    checked.target().calls.clear()
    findings = found(checked)
    assert ("check", "b") in checked.target().calls
    assert ("check", "a") in checked.target("qa").calls
    assert of(findings, "error") == {"dev port 8080": "nginx holds it"}


def test_a_gate_that_holds_is_a_warning(checked: FakeProject) -> None:
    checked.release("a")
    run(deploy(checked, Request("dev")))
    checked.target().running.clear()
    verify(checked, "dev")
    warned = of(found(checked), "warning")
    assert "is not healthy there" in warned["qa verified upstream"]


def test_what_cannot_be_looked_at_is_an_error(checked: FakeProject) -> None:
    checked.target().errors["check"] = PreconditionError("no engine answers", "it is down")
    assert of(found(checked), "error") == {"dev": "no engine answers: it is down"}


def test_what_the_target_cannot_honour_is_an_error(checked: FakeProject) -> None:
    canary = environment("dev", strategy=Strategy(canary=Canary(steps=(10,))))
    (error,) = (f for f in found(checked.again(canary)) if f.level == "error")
    assert error.subject == "dev"
    assert "cannot shift traffic in steps" in error.what


def test_one_environment_alone(checked: FakeProject) -> None:
    found(checked, "qa")
    assert checked.target("dev").calls == []
    with pytest.raises(UnknownNameError):
        found(checked, "qaa")


def test_several_targets_are_told_apart(checked: FakeProject, tmp_path: Path) -> None:
    two = checked.again(environment("dev", targets=("eu", "us")))
    two.fakes["dev"] = FakeProject(tmp_path, environment("dev", targets=("eu", "us"))).fakes["dev"]
    two.target("dev", "us").findings = [Finding("error", "engine", "is too old")]
    assert of(found(two), "error") == {"dev/us engine": "is too old"}


def test_a_port_of_two_environments_on_one_engine_is_warned_of(checked: FakeProject) -> None:
    (checked.root / "compose.yaml").write_text(COMPOSE + '    ports: ["127.0.0.1:8081:80", "90"]\n')
    warned = [f for f in found(checked) if "is published in" in f.what]
    assert [(f.subject, f.what) for f in warned] == [
        (
            "compose.yaml in qa",
            "port 127.0.0.1:8081/tcp is published in dev too, on the same engine",
        )
    ]
    assert "compose.qa.yaml" in warned[0].next_step
    (checked.root / "compose.qa.yaml").write_text(
        'services: {web: {ports: !override ["127.0.0.1:8082:80"]}}\n'
    )
    assert not [f for f in found(checked) if "is published in" in f.what]


def test_what_is_so_in_one_environment_alone_names_it(checked: FakeProject) -> None:
    (checked.root / "compose.qa.yaml").write_text(
        'services: {web: {environment: {DB_PASSWORD: "12345"}}}\n'
    )
    (said,) = (f for f in found(checked) if "DB_PASSWORD" in f.what)
    assert said.subject == "compose.yaml in qa"


class Careful(FakeTarget):
    """Looks at who images run as, and at going back."""

    def check_users(
        self, desired: Desired, read: Callable[[Image], Collection[str]]
    ) -> Iterator[Finding]:
        for name, image in desired.images.items():
            yield Finding("error", f"images {name}", f"runs as {sorted(read(image))}")

    def check_return(
        self, desired: Desired | None, earlier: Sequence[Desired]
    ) -> Iterator[Finding]:
        said = " ".join(one.release_id for one in earlier)
        yield Finding("ok", "return", f"from {desired.release_id if desired else '-'} to {said}")


@pytest.fixture
def careful(checked: FakeProject, monkeypatch: pytest.MonkeyPatch) -> FakeProject:
    """Every image runs as root."""
    checked.fakes["dev"] = {"default": Careful()}
    monkeypatch.setattr("shipit.delivery.check.ImageUsers", lambda *_: lambda _: {""})
    return checked


def test_whom_images_run_as_is_judged_by_the_target(careful: FakeProject) -> None:
    careful.release("a")
    assert of(found(careful), "error")["dev images web"] == "runs as ['']"


def test_what_may_be_gone_back_to_is_judged(careful: FakeProject) -> None:
    """What runs, which a failure goes back to, and what `shipit rollback` would bring."""
    assert of(found(careful), "ok")["dev return"] == "from - to "
    for name in "abc":
        careful.release(name)
        if name != "c":
            run(deploy(careful, Request("dev")))
    assert of(found(careful), "ok")["dev return"] == "from c to b a"


def test_with_an_error_in_the_way_going_back_is_not_judged(careful: FakeProject) -> None:
    careful.release("a")
    run(deploy(careful, Request("dev")))
    careful.target().findings = [Finding("error", "cluster", "nobody answers")]
    assert "dev return" not in of(found(careful), "ok")
