"""What is refused before anything changes: exit code 2, one clear message, the record as it was.

What needs an engine for it is in tests/integration/cli/test_refusals.py.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from shipit.cli.app import run
from shipit.ledger import Ledger
from shipit.model import codec
from shipit.model.digest import Digest
from tests.fakes.command import Ran, Shipit, commit_all, contents, refused
from tests.fakes.registry import FakeRegistry
from tests.unit.cli.conftest import COMPOSE, PIPELINE, Keep


class Runs(Protocol):
    """A way to run `shipit`."""

    folder: Path

    def __call__(self, *words: str) -> Ran: ...


class Here:
    """`shipit` in this process: where many verbs are asked the same, a process each takes long."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys

    def __call__(self, *words: str) -> Ran:
        self._capsys.readouterr()
        code = run(words)
        shown = self._capsys.readouterr()
        return Ran(words, code, shown.out, shown.err)


VERBS = [
    ["status"],
    ["build"],
    ["deploy", "--env", "dev"],
    ["pipeline"],
    ["plan", "--env", "dev"],
    ["freeze", "--reason", "x"],
    ["check"],
]
WRONG_FILES = {
    "bad YAML": ("app: shop\nenvironments: {dev: [}\n", ["shipit.yaml:2:22: "]),
    "a tab": ("app: shop\n\tenvironments: {}\n", ["shipit.yaml:2:1: "]),
    "an unknown key": (
        PIPELINE.replace("docker: {}", "docker: {hots: x}", 1),
        [
            "shipit.yaml:4:23: environments.dev.target.docker.hots: unknown key",
            "did you mean host?",
        ],
    ),
    "a circle": (
        PIPELINE.replace("    target", "    after: qa\n    target", 1),
        ["shipit.yaml:4:5: environments.dev.after: ", "circle: dev after qa after dev"],
    ),
    "nothing between": (
        PIPELINE.replace("    after: dev\n", ""),
        ["shipit.yaml:5:3: environments.qa: dev and qa both come after nothing"],
    ),
    "an unknown upstream": (
        PIPELINE.replace("after: dev", "after: dve"),
        ["shipit.yaml:6:5: environments.qa.after: ", "dve; did you mean dev?"],
    ),
    "nothing at all": ("", ["shipit.yaml:1:1: empty", "shipit init"]),
}
UNKNOWN_ENVIRONMENT = [
    ["deploy", "--env", "prd"],
    ["promote", "prd"],
    ["pipeline", "--to", "prd"],
    ["plan", "--env", "prd"],
    ["check", "--env", "prd"],
    ["history", "--env", "prd"],
    ["explain", "--env", "prd"],
    ["approve", "aaaa111", "--env", "prd"],
    ["reject", "aaaa111", "--env", "prd"],
    ["freeze", "prd", "--reason", "x"],
    ["unfreeze", "prd"],
    ["rollback", "--env", "prd"],
    ["resume", "--env", "prd"],
    ["verify", "--env", "prd"],
    *([verb, "--env", "prd"] for verb in ("ps", "logs", "start", "stop")),
    ["rm", "--env", "prd", "--yes"],
    *([verb, "--env", "prd", "web", "true"] for verb in ("exec", "run")),
]


def unchanged(shipit: Runs, *words: str) -> Ran:
    """Runs it; nothing of the record or the files may change."""
    before = kept(shipit.folder)
    ran = shipit(*words)
    assert kept(shipit.folder) == before, ran.told()
    return ran


def kept(folder: Path) -> dict[str, bytes]:
    """All there is, but for the embedded registry's own files: it is started to be asked."""
    return {
        name: content
        for name, content in contents(folder).items()
        if not name.startswith((".shipit/registry/", ".git/"))
    }


@pytest.fixture
def here(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Here:
    monkeypatch.chdir(folder)
    monkeypatch.delenv("SHIPIT_FILE", raising=False)
    return Here(folder, capsys)


@pytest.fixture
def without_docker(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PATH with git, and no docker."""
    tools = tmp_path_factory.mktemp("tools")
    for name in ("git", "env"):
        (tools / name).symlink_to(shutil.which(name) or name)
    return str(tools)


@pytest.fixture
def release(keep: Keep) -> str:
    """Two of them: the environments are known, and there is something to change."""
    keep("aaaa222")
    return keep("aaaa111").id


@pytest.mark.parametrize("words", VERBS, ids=lambda words: words[0])
def test_a_missing_file(words: list[str], here: Here) -> None:
    (here.folder / "shipit.yaml").unlink()
    text = refused(unchanged(here, *words), f"there is no shipit.yaml in {here.folder}")
    assert "`shipit init` writes one" in text


def test_a_file_with_the_other_ending_is_pointed_at(tmp_path: Path) -> None:
    (tmp_path / "shipit.yml").write_text(PIPELINE)
    refused(unchanged(Shipit(tmp_path), "status"), f"rename {tmp_path}/shipit.yml to shipit.yaml")


@pytest.mark.parametrize("wrong", WRONG_FILES)
def test_a_wrong_shipit_yaml(wrong: str, shipit: Shipit, release: str) -> None:
    text, said = WRONG_FILES[wrong]
    (shipit.folder / "shipit.yaml").write_text(text)
    refused(unchanged(shipit, "deploy", "--env", "dev"), *said)


@pytest.mark.parametrize("words", VERBS, ids=lambda words: words[0])
def test_every_verb_says_it_alike(words: list[str], here: Here, release: str) -> None:
    (here.folder / "shipit.yaml").write_text(PIPELINE + "  x\n")
    refused(unchanged(here, *words), "error: shipit.yaml:9:1: not YAML")


@pytest.mark.parametrize("words", UNKNOWN_ENVIRONMENT, ids=lambda words: words[0])
def test_an_unknown_environment(words: list[str], here: Here, release: str) -> None:
    refused(unchanged(here, *words), "no environment is called 'prd'", "there is: dev, qa")


def test_an_unknown_environment_that_is_nearly_one(shipit: Shipit, release: str) -> None:
    refused(unchanged(shipit, "deploy", "--env", "dve"), "did you mean dev?")


@pytest.mark.parametrize("words", [["build"], ["check"]], ids=lambda words: words[0])
@pytest.mark.parametrize(
    ("compose", "said"),
    [
        (COMPOSE + "    buidl: .\n", ["services.web", "buidl"]),
        (
            "services:\n  web:\n    build: .\n   ports: []\n",
            ["failed to parse compose.yaml", "did not find expected key"],
        ),
        (COMPOSE + "    depends_on: [db]\n", ["web", "db"]),
        ("services:\n  web:\n    environment: {A: b}\n", ["web", "neither", "image", "build"]),
    ],
    ids=["unknown key", "bad YAML", "undefined service", "neither build nor image"],
)
def test_a_compose_file_that_compose_refuses(
    words: list[str], compose: str, said: list[str], shipit: Shipit, without_docker: str
) -> None:
    (shipit.folder / "compose.yaml").write_text(compose)
    refused(unchanged(shipit.with_env(PATH=without_docker), *words), "compose.yaml", *said)


def test_no_compose_file(shipit: Shipit) -> None:
    (shipit.folder / "compose.yaml").unlink()
    refused(unchanged(shipit, "build"), f"there is no compose.yaml in {shipit.folder}")


def test_an_overlay_that_compose_refuses_is_named(shipit: Shipit) -> None:
    (shipit.folder / "compose.qa.yaml").write_text("services: {web: {ports: {}}}\n")
    refused(unchanged(shipit, "build"), "compose.qa.yaml", "for qa", "ports")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("bbbb", "there is no release 'bbbb'"),
        ("aaa", "there is no release 'aaa'"),  # shorter than git takes
        ("aaaa", "release 'aaaa' is ambiguous: it may be aaaa111, aaaa222"),
    ],
)
@pytest.mark.parametrize(
    "words",
    [
        ["deploy", "--env", "dev", "--release"],
        ["promote", "qa", "--release"],
        ["plan", "--env", "dev", "--release"],
        ["rollback", "--env", "dev", "--to"],
        ["approve", "--env", "dev"],
        ["reject", "--env", "dev"],
        ["explain", "--env", "dev"],
        ["diff", "aaaa111"],
    ],
    ids=lambda words: words[0],
)
def test_a_release_that_is_not_there_or_is_several(
    words: list[str], name: str, said: str, here: Here, release: str
) -> None:
    refused(unchanged(here, *words, name), said)


def test_the_command_itself_says_so_too(shipit: Shipit, release: str) -> None:
    ambiguous = "release 'aaaa' is ambiguous: it may be aaaa111, aaaa222"
    refused(unchanged(shipit, "deploy", "--env", "dev", "--release", "aaaa"), ambiguous)
    refused(unchanged(shipit, "promote", "prd"), "no environment is called 'prd'")


def test_nothing_was_built_yet(shipit: Shipit) -> None:
    for words in (["deploy", "--env", "dev"], ["plan", "-e", "dev"], ["explain", "-e", "dev"]):
        refused(unchanged(shipit, *words), "there is no release yet", "run `shipit build` first")


@pytest.mark.parametrize("words", [["promote", "qa"], ["deploy", "--env", "qa"]])
def test_nothing_runs_upstream_yet(words: list[str], shipit: Shipit, release: str) -> None:
    """There is no release to take from there: that is a wrong request, and no gate's answer."""
    refused(
        unchanged(shipit, *words),
        "nothing runs in dev yet, which qa comes after",
        "run `shipit deploy --env dev` first",
    )


def test_a_release_that_upstream_does_not_have_is_held(shipit: Shipit, release: str) -> None:
    """A release was named, so a gate answers: exit code 3."""
    ran = unchanged(shipit, "promote", "qa", "--release", release, "--json")
    refused(ran, f"{release} may not enter qa", "dev", code=3)
    assert (ran.result["kind"], ran.result["exit_code"]) == ("Held", 3)


def test_a_release_from_before_the_environment(shipit: Shipit, ledger: Ledger, keep: Keep) -> None:
    keep("cccc111")
    wider = PIPELINE.replace("  qa:\n", "  early: {target: {docker: {}}}\n  qa:\n")
    text = wider.replace(
        "    target: {docker: {}}\n", "    after: early\n    target: {docker: {}}\n", 1
    )
    (shipit.folder / "shipit.yaml").write_text(text)
    refused(
        unchanged(shipit, "deploy", "--env", "early", "--release", "cccc111"),
        "release cccc111 was made before early was in shipit.yaml",
        "shipit build --force",
    )


@pytest.mark.parametrize("words", [[], ["--to", "aaaa111"]])
def test_a_rollback_with_nothing_before(words: list[str], shipit: Shipit, release: str) -> None:
    text = refused(unchanged(shipit, "rollback", "--env", "dev", *words))
    assert "nothing ran in dev before" in text or "aaaa111 never ran in dev" in text


@pytest.mark.parametrize("words", [["verify"], ["run", "web"]], ids=lambda words: words[0])
def test_nothing_was_deployed(words: list[str], shipit: Shipit, release: str) -> None:
    verb, *rest = words
    refused(
        unchanged(shipit, verb, "--env", "dev", *rest),
        "nothing was deployed to dev",
        "run `shipit deploy --env dev` first",
    )


def test_an_environment_is_not_removed_without_a_word(shipit: Shipit, release: str) -> None:
    refused(unchanged(shipit, "rm", "--env", "dev"), "dev is not removed", "--yes")


def test_a_hold_needs_a_reason(shipit: Shipit, release: str) -> None:
    refused(unchanged(shipit, "freeze", "dev", "--reason", "  "), "a hold needs a reason")


def plan_for(app: str = "shop", environment: str = "dev") -> bytes:
    return codec.encode(
        {
            "app": app,
            "environment": environment,
            "release": str(Digest.of(b"none")),
            "release_id": "dddd111",
            "made_at": "2026-11-24T06:00:00Z",
            "running": 0,
            "plans": {},
        }
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read: No such file or directory"),
        (b'{"app":', "is not a plan: Input data was truncated"),
        (b"\xff\xfe\x00", "is not a plan"),
        (b"{}", "is not a plan: Object missing required field `app`"),
        (plan_for("other"), "is a plan for other, and this is shop"),
        (plan_for(), "there is no release"),
    ],
    ids=["missing", "cut off", "not text", "not a plan", "another application", "another ledger"],
)
def test_a_plan_that_is_none(
    content: bytes | None, said: str, shipit: Shipit, release: str
) -> None:
    if content is not None:
        (shipit.folder / "it.plan").write_bytes(content)
    refused(unchanged(shipit, "deploy", "--plan", "it.plan"), said)


def test_a_plan_for_another_environment(shipit: Shipit, release: str) -> None:
    (shipit.folder / "it.plan").write_bytes(plan_for())
    ran = unchanged(shipit, "deploy", "--env", "qa", "--plan", "it.plan")
    refused(ran, "it.plan is a plan for dev, not qa")


def test_neither_a_plan_nor_an_environment(shipit: Shipit, release: str) -> None:
    refused(unchanged(shipit, "deploy"), "which environment?", "--env")


@pytest.fixture
def empty_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeRegistry]:
    with FakeRegistry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture
def closed_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeRegistry]:
    with FakeRegistry(tmp_path_factory.mktemp("closed"), users={"ci": "secret"}) as running:
        yield running


def with_image(shipit: Shipit, reference: str) -> None:
    (shipit.folder / "compose.yaml").write_text(f"services:\n  web:\n    image: {reference}\n")
    commit_all(shipit.folder)


def test_a_digest_that_the_registry_does_not_have(
    shipit: Shipit, empty_registry: FakeRegistry
) -> None:
    reference = f"{empty_registry.address}/db@{Digest.of(b'nothing')}"
    with_image(shipit, reference)
    refused(unchanged(shipit, "build"), reference)


def test_a_tag_that_the_registry_does_not_have(
    shipit: Shipit, empty_registry: FakeRegistry
) -> None:
    with_image(shipit, f"{empty_registry.address}/db:17")
    refused(unchanged(shipit, "build"), f"{empty_registry.address}/db:17")


def test_a_registry_that_refuses_the_credentials(
    shipit: Shipit, closed_registry: FakeRegistry
) -> None:
    with_image(shipit, f"{closed_registry.address}/db:17")
    docker = shipit.folder / "docker"
    docker.mkdir()
    (docker / "config.json").write_text(
        json.dumps({"auths": {closed_registry.address: {"auth": "Y2k6d3Jvbmctb25l"}}})
    )
    text = refused(
        unchanged(shipit.with_env(DOCKER_CONFIG=str(docker)), "build"),
        f"the registry {closed_registry.address} refuses the credentials",
        f"docker login {closed_registry.address}",
    )
    assert "wrong-one" not in text


def test_no_docker_command_line(shipit: Shipit, release: str, without_docker: str) -> None:
    (shipit.folder / "Dockerfile").write_text("FROM scratch\n")
    commit_all(shipit.folder)
    refused(
        unchanged(shipit.with_env(PATH=without_docker), "build"),
        "the docker command line is not installed",
        "apt-get install docker.io",
    )


@pytest.mark.parametrize(
    "words",
    [["ps"], ["verify"], ["logs"], ["plan"], ["rollback"], ["rm"], ["stop"], ["run", "web"]],
)
def test_an_environment_that_is_not_named_is_asked_for(here: Here, words: list[str]) -> None:
    refused(here(*words), "Missing option '--env'", f"`shipit {words[0]} --help`")


def test_an_environment_without_its_option_is_understood_as_one(here: Here) -> None:
    refused(here("deploy", "dev"), "extra argument (dev)", "`shipit deploy --env ENV`")


def test_a_mistyped_release_is_guessed(here: Here, keep: Keep) -> None:
    keep("a1b2c3d")
    refused(here("deploy", "--env", "dev", "--release", "a1b2c4d"), "did you mean a1b2c3d?")
