from pathlib import Path
from typing import Any

import pytest

from shipit.builders import section
from shipit.errors import ConfigurationError


def read(**build: Any) -> Any:
    return section.read("web", {"build": build})


def argv(found: Any, tmp_path: Path, images: Any = None) -> Any:
    return list(section.arguments(found, Path("/srv/shop"), tmp_path, images or {}))


def test_everything_that_the_specification_has_reaches_buildx(tmp_path: Path) -> None:
    found = read(
        context="web",
        dockerfile="Dockerfile.prod",
        args={"VERSION": "1", "FROM_ENVIRONMENT": None},
        target="final",
        labels={"team": "shop"},
        ssh=["default"],
        cache_from=["type=gha"],
        cache_to=["type=gha,mode=max"],
        additional_contexts={
            "shared": "../lib",
            "tools": "docker-image://t:1",
            "up": "service:api",
        },
        network="host",
        no_cache=True,
        no_cache_filter=["test"],
        pull=True,
        extra_hosts=["db=10.0.0.1", "v6=::1"],
        shm_size="67108864",
        tags=["r.example/web:edge"],
        ulimits={"nofile": {"soft": 1, "hard": 2}, "nproc": 3},
        entitlements=["network.host"],
    )
    assert argv(found, tmp_path, {"api": "r.example/api@sha256:1"}) == [
        *("--file", "/srv/shop/web/Dockerfile.prod"),
        *("--build-arg", "VERSION=1"),
        *("--build-arg", "FROM_ENVIRONMENT"),
        *("--label", "team=shop"),
        *("--ulimit", "nofile=1:2"),
        *("--ulimit", "nproc=3"),
        *("--ssh", "default"),
        *("--cache-from", "type=gha"),
        *("--cache-to", "type=gha,mode=max"),
        *("--no-cache-filter", "test"),
        *("--add-host", "db:10.0.0.1"),
        *("--add-host", "v6:::1"),
        *("--allow", "network.host"),
        *("--tag", "r.example/web:edge"),
        *("--target", "final"),
        *("--network", "host"),
        *("--shm-size", "67108864"),
        *("--build-context", "shared=/srv/lib"),
        *("--build-context", "tools=docker-image://t:1"),
        *("--build-context", "up=docker-image://r.example/api@sha256:1"),
        "--no-cache",
        "--pull",
        "/srv/shop/web",
    ]


def test_a_context_elsewhere_keeps_its_address_and_its_own_dockerfile(tmp_path: Path) -> None:
    found = read(context="https://example.com/shop.git#main:web", dockerfile="Dockerfile.prod")
    assert argv(found, tmp_path) == [
        *("--file", "Dockerfile.prod"),
        "https://example.com/shop.git#main:web",
    ]


def test_an_inline_dockerfile_is_written_to_a_private_folder(tmp_path: Path) -> None:
    argv(read(context=".", dockerfile_inline="FROM scratch\n"), tmp_path)
    assert (tmp_path / "Dockerfile").read_text() == "FROM scratch\n"


@pytest.mark.parametrize("key", ["isolation", "privileged", "contextt"])
def test_what_buildkit_cannot_be_asked_for_is_an_error_by_its_path(key: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"services\.web\.build\.{key}: "):
        read(context=".", **{key: "x"})


def test_an_extension_is_free() -> None:
    assert read(context=".", **{"x-team": "shop"}).context == "."


@pytest.mark.parametrize(
    ("build", "path"),
    [
        ({"context": 1}, "services.web.build.context: "),
        ({"secrets": [{"source": "s", "mode": "0440"}]}, "services.web.build.secrets[0]: "),
        ({"platforms": ["amd64"]}, "services.web.build: 'amd64' is not a platform"),
    ],
)
def test_a_wrong_value_is_an_error_by_its_path(build: Any, path: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        read(**build)
    assert path in str(raised.value)


def test_the_services_platform_is_what_it_is_built_for() -> None:
    found = section.read("web", {"build": {"context": "."}, "platform": "linux/arm64"})
    assert found.platforms == ("linux/arm64",)


SECRETS = {
    "file": {"file": "secret,with comma.txt"},
    "variable": {"environment": "TOKEN"},
    "inline": {"content": "hunter2"},
}


def test_a_secret_is_in_a_file_or_a_variable_and_never_in_an_argument(tmp_path: Path) -> None:
    found = read(
        secrets=[{"source": name} for name in SECRETS] + [{"source": "file", "target": "t"}]
    )
    flags = list(section.secret_flags(found, SECRETS, Path("/srv"), tmp_path))
    assert flags[1::2] == [
        'id=file,"src=/srv/secret,with comma.txt"',
        "id=variable,env=TOKEN",
        f"id=inline,src={tmp_path}/secret-inline",
        'id=t,"src=/srv/secret,with comma.txt"',
    ]
    written = tmp_path / "secret-inline"
    assert written.read_text() == "hunter2"
    assert written.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("definitions", [{}, {"s": {"external": True}}])
def test_a_secret_that_is_nowhere_here_is_an_error(definitions: Any) -> None:
    found = read(secrets=[{"source": "s"}])
    with pytest.raises(ConfigurationError, match=r"secrets\.s: "):
        section.require_secrets(found, definitions)
