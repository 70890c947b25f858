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
_MOST_CHARACTERS = 1 << 24
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
            next_step="write one beside shipit.yaml, or start from `shipit init`",
        )
    overlays = [name.replace("compose.", f"compose.{environment}.") for name in (base, *FILE_NAMES)]
    overlay = next((name for name in overlays if (root / name).is_file()), "")
    return (base, overlay) if overlay else (base,)


def command(app: str, environment: str, names: tuple[str, ...]) -> list[str]:
    """The arguments after `docker compose`."""
    chosen = [argument for name in names for argument in ("--file", name)]
    return [
        *("--project-name", f"{app}-{environment}"),
        *chosen,
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

    compose.yaml can use ${SHIPIT_ENVIRONMENT}. `warn` is given what Compose warns of, a line each
    (an unset variable). Raises ConfigurationError with Compose's own words when it refuses.
    """
    names = files(root, environment)
    shown = " with ".join(names)
    done = process.run(
        [*process.compose(), *command(app, environment, names)],
        deadline=_DEADLINE,
        cwd=root,
        env={"SHIPIT_ENVIRONMENT": environment},
    )
    if done.code != 0:
        raise ConfigurationError(
            f"Docker Compose refuses it for {environment}", file=shown, why=_refusal(done, root)
        )
    for line in done.stderr.splitlines() if warn else ():
        if line.strip() and warn:
            warn(_message(line))
    node = parse(done.stdout, shown, limit=_MOST_CHARACTERS)
    project: dict[str, Any] = plain(node) if isinstance(node, Mapping) else {}
    application.validate(project, shown)
    return project


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

    Raises ConfigurationError, of the first environment that has one.
    """
    root = Path(pipeline.root)

    def one(environment: str) -> dict[str, Any]:
        return render(root, environment, app=pipeline.app, warn=warn)

    with ThreadPoolExecutor(min(_MOST_AT_ONCE, len(pipeline.environments))) as pool:
        projects = dict(
            zip(pipeline.environments, pool.map(one, pipeline.environments), strict=True)
        )
    application.one_build(projects)
    return projects
