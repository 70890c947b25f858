"""compose.yaml through the real Docker Compose; it needs no engine."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shipit import process
from shipit.config import compose
from shipit.errors import ConfigurationError
from shipit.model import application, codec
from shipit.model.pipeline import (
    DockerTarget,
    Environment,
    Gates,
    Pipeline,
    Strategy,
    TargetSettings,
)

Write = Callable[..., Path]

SHOP = """\
x-free: {any: thing}
services:
  web:
    build: {context: ./web, args: {VERSION: "1.10"}}
    ports: ["${PORT:-8080}:80"]
    env_file: web.env
    environment: {WHERE: "${SHIPIT_ENVIRONMENT}", PRICE: "5$$", FLAG: "no", OCTAL: "010"}
    volumes: ["./data:/data", "files:/files"]
    depends_on: {migrate: {condition: service_completed_successfully}}
    secrets: [password, token]
    healthcheck: {test: [CMD, "true"], interval: 1m30s}
    cpus: 0.5
  migrate:
    build: ./web
    x-shipit: {run: before}
  debug:
    image: busybox
    profiles: [debug]
secrets:
  password: {file: ./password.txt}
  token: {environment: TOKEN}
volumes: {files: {}}
"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Files by name in a folder of their own, whose path is given."""
    for name in ("COMPOSE_FILE", "COMPOSE_PROFILES", "COMPOSE_PROJECT_NAME", "PORT"):
        monkeypatch.delenv(name, raising=False)

    def files(**contents: str) -> Path:
        for name, content in contents.items():
            path = tmp_path / name.replace("__", "/").replace("_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return tmp_path

    return files


@pytest.fixture
def shop(write: Write) -> Path:
    return write(compose_yaml=SHOP, web_env="FROM_FILE=1\n", password_txt="HUSH-FILE\n")


def pipeline(root: Path, *names: str) -> Pipeline:
    target = TargetSettings(docker=DockerTarget())
    return Pipeline(
        app="shop",
        root=str(root),
        file="shipit.yaml",
        ledger="",
        registry="",
        environments={
            name: Environment(
                name=name,
                after=None,
                targets={"default": target},
                registry="",
                gates=Gates(),
                strategy=Strategy(),
                verify=(),
                source=None,
                stack={},
                deadline="5m",
            )
            for name in names
        },
    )


def test_it_is_what_compose_says_with_the_free_keys(shop: Path) -> None:
    """Compose's own JSON is the witness; the `x-` keys of services are not in it."""
    project = compose.render(shop, "qa", app="shop")
    argv = [*process.compose(), *compose.command("shop", "qa", ("compose.yaml",))[:-1], "json"]
    done = process.run(argv, deadline=60, cwd=shop, env={"SHIPIT_ENVIRONMENT": "qa"})
    assert project["x-free"] == {"any": "thing"}
    assert project["services"]["migrate"].pop("x-shipit") == {"run": "before"}
    assert without_empty(project) == without_empty(json.loads(done.stdout))


def without_empty(value: Any) -> Any:
    """Compose's JSON writes some keys with nothing in them, its YAML leaves them out."""
    if isinstance(value, dict):
        kept = {k: without_empty(v) for k, v in value.items()}
        return {k: v for k, v in kept.items() if v not in (None, {})}
    return [without_empty(item) for item in value] if isinstance(value, list) else value


def test_the_project_is_the_environments(shop: Path) -> None:
    project = compose.render(shop, "qa", app="shop")
    assert project["name"] == "shop-qa"
    assert project["networks"]["default"]["name"] == "shop-qa_default"
    assert project["volumes"]["files"]["name"] == "shop-qa_files"
    web = project["services"]["web"]
    assert web["environment"] == {
        "FROM_FILE": "1",
        "WHERE": "qa",
        "PRICE": "5$$",
        "FLAG": "no",
        "OCTAL": "010",
    }
    assert [*project["services"]] == ["migrate", "web"]
    assert application.one_offs(project, application.RunWhen.BEFORE) == ("migrate",)


def test_no_path_of_this_machine_is_in_it(write: Write) -> None:
    root = write(
        compose_yaml="include: [inc/compose.yaml]\n"
        "services:\n"
        "  web:\n"
        "    build: {context: ., additional_contexts: {lib: ./lib}}\n"
        "    extends: {file: ext/base.yaml, service: base}\n"
        "    volumes: ['./data:/data']\n"
        "    secrets: [s]\n"
        "secrets: {s: {file: ./s.txt}}\n",
        inc__compose_yaml="services: {inc: {build: ./deep, volumes: ['./d:/d']}}\n",
        ext__base_yaml="services: {base: {build: ., volumes: ['./x:/x']}}\n",
    )
    project = compose.render(root, "qa", app="shop")
    assert str(root) not in codec.encode(project).decode()
    assert [v["source"] for v in project["services"]["web"]["volumes"]] == ["ext/x", "./data"]
    assert project["services"]["inc"]["build"]["context"] == "inc/deep"


def test_secrets_stay_references(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "HUSH-VARIABLE")
    project = compose.render(shop, "qa", app="shop")
    assert "HUSH" not in codec.encode(project).decode()
    assert project["secrets"]["password"]["file"] == "./password.txt"
    assert project["secrets"]["token"]["environment"] == "TOKEN"


def test_profiles_are_respected(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPOSE_PROFILES", "debug")
    assert "debug" in compose.render(shop, "qa", app="shop")["services"]


def test_a_one_off_is_there_whatever_its_profile(write: Write) -> None:
    root = write(
        compose_yaml="services:\n"
        "  web: {image: x}\n"
        "  tool: {image: x, profiles: [tools]}\n"
        "  migrate:\n"
        "    image: x\n"
        "    profiles: [tools]\n"
        "    x-shipit: {run: before}\n"
        "    volumes: ['files:/files']\n"
        "volumes: {files: {}}\n"
    )
    project = compose.render(root, "qa", app="shop")
    assert sorted(project["services"]) == ["migrate", "web"]
    assert project["volumes"]["files"]["name"] == "shop-qa_files"


def test_a_wrong_mark_is_refused_whatever_the_profile(write: Write) -> None:
    root = write(
        compose_yaml="services:\n  web: {image: x}\n"
        "  migrate: {image: x, profiles: [a], x-shipit: {run: befor}}\n"
    )
    with pytest.raises(ConfigurationError, match="found 'befor'"):
        compose.render(root, "qa", app="shop")


def test_the_users_own_compose_variables_do_not_divert_it(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMPOSE_FILE", "elsewhere.yaml")
    monkeypatch.setenv("COMPOSE_PROJECT_NAME", "mine")
    assert compose.render(shop, "qa", app="shop")["name"] == "shop-qa"


def test_an_overlay_is_merged_by_composes_rules(shop: Path, write: Write) -> None:
    write(compose_qa_yaml="services: {web: {ports: !override ['9:80'], environment: {B: '2'}}}\n")
    qa, dev = (compose.render(shop, name, app="shop")["services"]["web"] for name in ("qa", "dev"))
    assert [port["published"] for port in qa["ports"]] == ["9"]
    assert [port["published"] for port in dev["ports"]] == ["8080"]
    assert (qa["environment"]["B"], "B" in dev["environment"]) == ("2", False)


@pytest.mark.parametrize("name", compose.FILE_NAMES)
def test_the_names_that_compose_accepts(write: Write, name: str) -> None:
    root = write(**{name.replace(".", "_"): "services: {a: {image: x}}\n"})
    overlay = name.replace("compose.", "compose.qa.")
    write(**{overlay.replace(".", "_"): "services: {a: {command: run}}\n"})
    assert compose.files(root, "qa") == (name, overlay)
    assert compose.files(root, "dev") == (name,)
    assert compose.render(root, "qa", app="shop")["services"]["a"]["command"] == ["run"]


def test_the_dot_env_file_is_read(shop: Path) -> None:
    (shop / ".env").write_text("PORT=81\n")
    ports = compose.render(shop, "qa", app="shop")["services"]["web"]["ports"]
    assert ports[0]["published"] == "81"


REFUSED = [
    ("services: {a: {imag: x}}", "imag"),
    ("services: {a: {image: '${X'}}", "invalid interpolation format for services.a.image"),
    ("services: {a: {image: 'x:${TAG?set it}'}}", "required variable TAG is missing"),
    ("services: {a: {image: x, env_file: no.env}}", "env file no.env not found"),
    ("services: {a: {image: x, depends_on: [b]}}", 'service "a" depends on undefined service "b"'),
    ("services: {a: {command: x}}", 'service "a" has neither an image nor a build context'),
    ("services: [", "did not find expected node content"),
    ("", "empty compose file"),
]


@pytest.mark.parametrize(("text", "said"), REFUSED, ids=[said for _, said in REFUSED])
def test_composes_own_words_when_it_refuses(write: Write, text: str, said: str) -> None:
    root = write(compose_yaml=f"{text}\n")
    with pytest.raises(ConfigurationError) as raised:
        compose.render(root, "qa", app="shop")
    assert raised.value.what == "compose.yaml: Docker Compose refuses it for qa"
    assert said in raised.value.why
    assert str(root) not in raised.value.why
    assert raised.value.exit_code == 2


def test_an_unknown_key_is_said_in_words(write: Write) -> None:
    """Compose 5 says `services.a.imag false schema`, Compose 2 says it better."""
    root = write(compose_yaml="services: {a: {image: x, imag: x}}\n")
    with pytest.raises(ConfigurationError) as raised:
        compose.render(root, "qa", app="shop")
    assert re.search("imag: Compose knows no such key|imag is not allowed", raised.value.why)


def test_both_files_are_named_when_it_refuses_the_two(write: Write) -> None:
    root = write(compose_yaml="services: {a: {image: x}}\n", compose_qa_yaml="services: 1\n")
    with pytest.raises(ConfigurationError) as raised:
        compose.render(root, "qa", app="shop")
    assert raised.value.file == "compose.yaml with compose.qa.yaml"


def test_log_lines_are_no_part_of_its_words(write: Write) -> None:
    root = write(compose_yaml="services: {a: {image: 'x:${UNSET}', env_file: no.env}}\n")
    with pytest.raises(ConfigurationError) as raised:
        compose.render(root, "qa", app="shop")
    assert "level=warning" not in raised.value.why


def test_what_compose_warns_of_is_passed_on(write: Write) -> None:
    root = write(compose_yaml="services: {a: {image: 'x:1${UNSET}'}}\n")
    warnings: list[str] = []
    compose.render(root, "qa", app="shop", warn=warnings.append)
    assert warnings == ['The "UNSET" variable is not set. Defaulting to a blank string.']


def test_a_warning_of_every_environment_is_passed_on_once(write: Write) -> None:
    root = write(compose_yaml="services: {a: {image: 'x:1${UNSET}'}}\n")
    warnings: list[str] = []
    compose.render_all(pipeline(root, "dev", "qa", "live"), warn=warnings.append)
    assert warnings == ['The "UNSET" variable is not set. Defaulting to a blank string.']


def test_no_compose_file_has_a_next_step(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as raised:
        compose.render(tmp_path, "qa", app="shop")
    assert raised.value.what == f"there is no compose.yaml in {tmp_path}"
    assert raised.value.next_step == "write one beside shipit.yaml"


def test_what_shipit_cannot_carry_out_is_refused(write: Write) -> None:
    root = write(compose_yaml="services: {a: {image: x, x-shipit: {run: befor}}}\n")
    with pytest.raises(ConfigurationError, match="found 'befor'; did you mean before"):
        compose.render(root, "qa", app="shop")


def test_all_environments_in_promotion_order(shop: Path, write: Write) -> None:
    write(compose_qa_yaml="services: {web: {environment: {A: qa}}}\n")
    projects = compose.render_all(pipeline(shop, "dev", "qa", "live"))
    assert [*projects] == ["dev", "qa", "live"]
    assert [p["name"] for p in projects.values()] == ["shop-dev", "shop-qa", "shop-live"]
    assert [p["services"]["web"]["environment"]["WHERE"] for p in projects.values()] == [*projects]


def test_a_build_that_differs_between_environments_is_refused(shop: Path, write: Write) -> None:
    write(compose_live_yaml="services: {web: {build: {target: release}}}\n")
    with pytest.raises(ConfigurationError) as raised:
        compose.render_all(pipeline(shop, "dev", "live"))
    assert str(raised.value) == (
        "compose.yaml: services.web.build: one build for all environments:"
        " service web's build differs between dev and live"
    )


def test_a_rendered_project_is_a_compose_file(shop: Path, tmp_path: Path) -> None:
    """What a release carries is understood by Compose itself, to the same model."""
    project = compose.render(shop, "qa", app="shop")
    pinned = tmp_path / "again"
    pinned.mkdir()
    (pinned / "compose.yaml").write_bytes(codec.encode(project))
    assert compose.render(pinned, "qa", app="shop") == project
