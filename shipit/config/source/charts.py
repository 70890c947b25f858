"""Helm charts, as `helm template` renders them."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from shipit.config.source import rendered
from shipit.config.source.written import Written, missing
from shipit.errors import ConfigurationError, PreconditionError
from shipit.model.pipeline import Environment, SourceFiles

_HOOK = "helm.sh/hook"


def read(root: Path, environment: Environment, app: str, at: str) -> tuple[Written, ...]:
    """Raises ConfigurationError with helm's own words, PreconditionError without it."""
    source = environment.source or SourceFiles()
    if not (root / source.helm / "Chart.yaml").is_file():
        raise missing(f"{source.helm}/Chart.yaml".replace("//", "/"), f"{at}.helm")
    for n, values in enumerate(source.values):
        if not (root / values).is_file():
            raise missing(values, f"{at}.values[{n}]")
    words = command(source, source.release or app, source.namespace or _namespace(environment))
    found = rendered.run(root, (_program(), *words), " ".join(("helm", *words)), f"{at}.helm")
    for one in found:
        _refuse_hook(one)
    return found


def remarks(root: Path, source: SourceFiles) -> Iterator[str]:
    """What of a chart is not applied."""
    if (root / source.helm / "crds").is_dir():
        yield (
            f"the custom resource definitions in {source.helm.rstrip('/')}/crds are not deployed,"
            " since taking them away again would take every object of theirs: apply them by hand"
        )


def command(source: SourceFiles, release: str, namespace: str) -> list[str]:
    """The arguments after `helm`. The chart's tests are for `helm test`, and no part of it."""
    return [
        *("template", release, source.helm),
        *(("--namespace", namespace) if namespace else ()),
        *(word for values in source.values for word in ("--values", values)),
        "--skip-tests",
    ]


def _namespace(environment: Environment) -> str:
    """The one namespace of all its targets."""
    named = {getattr(t.settings, "namespace", "") for t in environment.targets.values()}
    return str(named.pop()) if len(named) == 1 else ""


def _program() -> str:
    found = shutil.which("helm")
    if not found:
        raise PreconditionError(
            "helm is not installed",
            "a source of the kind helm is rendered with `helm template`",
            "install it (https://helm.sh/docs/intro/install), or commit what it renders as"
            " `source: {manifests: …}`",
        )
    return found


def _refuse_hook(one: Written) -> None:
    """Applied like the rest, a hook would run at another time than its chart says, or twice."""
    metadata = one.body["metadata"]
    hook = (metadata.get("annotations") or {}).get(_HOOK)
    if hook:
        name = f"{one.body['kind']} {metadata['name']}"
        raise ConfigurationError(
            f"{name} is a hook of the chart ({hook}), which helm runs and shipit does not",
            file=one.file,
            next_step="turn it off in the chart's values; what has to run once in a deployment"
            " is a service with `x-shipit: {run: before}` in compose.yaml",
        )
