"""compose.yaml and its overlays into one project per environment, by Compose's own rules.

`docker compose config` merges, interpolates, reads env files and applies profiles: its answer is
the reference. It is asked for YAML and not JSON, because its JSON leaves the services' `x-` keys
out (seen with 2.26 and 5.6), and for paths as they are written, so that a release carries no
machine's paths.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from shipit import process
from shipit.config.document import Mapping, parse, plain
from shipit.errors import ConfigurationError
from shipit.model import application
from shipit.model.pipeline import Pipeline

# As Compose itself looks for them (compose-go, cli/options.go, DefaultFileNames).
FILE_NAMES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
_DEADLINE = 60.0  # seconds; 0.1 is usual, and an `include` from a remote place takes a few
_MOST_AT_ONCE = 4


def files(root: Path, environment: str) -> tuple[str, ...]:
    """The names of the compose file in `root` and, where there is one, of its overlay.

    Raises ConfigurationError when there is no compose file.
    """
    base = next((name for name in FILE_NAMES if (root / name).is_file()), "")
    if not base:
        raise ConfigurationError(
            f"there is no compose.yaml in {root}",
            why="the application is the services in it",
            next_step="write one beside shipit.yaml",
        )
    overlays = [name.replace("compose.", f"compose.{environment}.") for name in (base, *FILE_NAMES)]
    overlay = next((name for name in overlays if (root / name).is_file()), "")
    return (base, overlay) if overlay else (base,)


def command(app: str, environment: str, names: tuple[str, ...], profile: str = "") -> list[str]:
    """The arguments after `docker compose`."""
    chosen = [argument for name in names for argument in ("--file", name)]
    return [
        *("--project-name", f"{app}-{environment}"),
        *chosen,
        *(("--profile", profile) if profile else ()),
        *("config", "--no-path-resolution", "--format", "yaml"),
    ]


def render(
    root: Path,
    environment: str,
    *,
    app: str,
    warn: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """The project as it is in `environment`, named `<app>-<environment>`, validated.

    compose.yaml can use ${SHIPIT_ENVIRONMENT}. Profiles are respected, except that one-offs are in
    the project whatever their profile: it is how they are kept out of `docker compose up`.
    `warn` is given what Compose warns of, a line each (an unset variable). Raises
    ConfigurationError with Compose's own words when it refuses.
    """
    names = files(root, environment)
    project, warnings = _config(root, environment, command(app, environment, names), names)
    if _may_hide_services(root, names):
        argv = command(app, environment, names, profile="*")
        project = application.with_one_offs(project, _config(root, environment, argv, names)[0])
    application.validate(project, " with ".join(names))
    for line in warnings if warn else ():
        if warn:
            warn(line)
    return project


def _config(
    root: Path, environment: str, argv: list[str], names: tuple[str, ...]
) -> tuple[dict[str, Any], list[str]]:
    """What Compose makes of the files, and what it warns of."""
    shown = " with ".join(names)
    done = process.run(
        [*process.compose(), *argv],
        deadline=_DEADLINE,
        cwd=root,
        env={"SHIPIT_ENVIRONMENT": environment},
    )
    if done.code != 0:
        raise ConfigurationError(
            f"Docker Compose refuses it for {environment}", file=shown, why=_refusal(done, root)
        )
    node = parse(done.stdout, shown)
    project = plain(node) if isinstance(node, Mapping) else {}
    return project, [_message(line) for line in done.stderr.splitlines() if line.strip()]


def _may_hide_services(root: Path, names: tuple[str, ...]) -> bool:
    """Whether a profile can matter: asking Compose a second time is only then worth its time."""
    texts = [(root / name).read_text(encoding="utf-8", errors="replace") for name in names]
    return any(word in text for word in ("profiles", "include", "extends") for text in texts)


def _refusal(done: process.Completed, root: Path) -> str:
    """Compose's own words, without its log lines and this machine's folder."""
    said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    words = [line for line in said if _message(line) == line] or said
    # JSON Schema's way to say it since Compose 5.
    text = "\n".join(words[-5:]).replace(" false schema", ": Compose knows no such key")
    return text.replace(f"{root.resolve()}/", "")


def _message(line: str) -> str:
    """The sentence in a line of logfmt (`time=... level=warning msg="..."`)."""
    _, found, rest = line.partition(' msg="')
    return rest.removesuffix('"').replace('\\"', '"') if found else line.strip()


def render_all(
    pipeline: Pipeline, *, warn: Callable[[str], None] | None = None
) -> dict[str, dict[str, Any]]:
    """The project of every environment, in promotion order; one build for all of them.

    `warn` is given each of Compose's warnings once. Raises ConfigurationError, of the first
    environment that has one.
    """
    root = Path(pipeline.root)
    warnings: dict[str, list[str]] = {name: [] for name in pipeline.environments}

    def one(environment: str) -> dict[str, Any]:
        return render(root, environment, app=pipeline.app, warn=warnings[environment].append)

    with ThreadPoolExecutor(min(_MOST_AT_ONCE, len(pipeline.environments))) as pool:
        projects = dict(
            zip(pipeline.environments, pool.map(one, pipeline.environments), strict=True)
        )
    for line in dict.fromkeys(line for lines in warnings.values() for line in lines):
        if warn:
            warn(line)
    application.one_build(projects)
    return projects
