"""`shipit init`: a shipit.yaml to start from, and what to do next."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from shipit.cli.references import copy, reference
from shipit.cli.session import Session, verb
from shipit.errors import ConfigurationError, PreconditionError, UnknownNameError, did_you_mean

if TYPE_CHECKING:
    from shipit.model.pipeline import Environment

_IGNORED = ".shipit/"
_ACCOUNT = re.compile(r"shipit-APP-([a-z]+)(?=@)")  # in Google Cloud, where it is cut to fit
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


class Template(msgspec.Struct, frozen=True):
    name: str
    about: str


class Begun(msgspec.Struct, frozen=True):
    """What `init` has done. `compose` is the file it found, "" for none; `wrote` are paths; `above`
    is the shipit.yaml of a folder above, which counted here until now, "" for none."""

    app: str
    pipeline: str
    environments: tuple[str, ...]
    wrote: tuple[str, ...]
    compose: str
    next: tuple[str, ...]
    above: str = ""


@verb("init")
@click.option("--pipeline", default="docker", metavar="NAME", help="Which one to start from.")
@click.option("--app", default="", metavar="NAME", help="Left out: the folder's name.")
@click.option("--list", "listing", is_flag=True, help="List the pipelines to start from.")
@click.option("--force", is_flag=True, help="Overwrite a shipit.yaml that is there.")
@click.option("--stacks", is_flag=True, help="Only write stacks/ and infra/, for Pulumi.")
def command(
    session: Session, *, pipeline: str, app: str, listing: bool, force: bool, stacks: bool
) -> None:
    """Write a shipit.yaml to start from.

    A pipeline whose environments have stacks brings stacks/ and infra/, for `shipit provision`.
    """
    if stacks:
        wrote = foundations(_folder(session))
        said = f"wrote {' and '.join(wrote)}" if wrote else "stacks/ and infra/ are there already"
        session.show({"wrote": wrote}, lambda: click.echo(said))
        return
    if listing:
        session.show(templates(), _draw_templates)
        return
    begun = begin(_folder(session), pipeline=pipeline, app=app, force=force)
    session.show(begun, lambda: click.echo("\n".join(_told(begun))))


def templates() -> list[Template]:
    """The reference pipelines. The first line of each says what it is."""
    return [
        Template(f.stem, f.read_text("utf-8").partition("\n")[0].lstrip("# "))
        for f in sorted(reference("pipelines").glob("*.yaml"))
    ]


def begin(folder: Path, *, pipeline: str, app: str, force: bool) -> Begun:
    """Writes shipit.yaml in `folder`, and ignores .shipit/ in a git repository.

    Raises UnknownNameError, ConfigurationError (the name), PreconditionError (it is there, or the
    folder cannot be written); then nothing was written.
    """
    from shipit.config.file import FILE_NAME, load

    path = folder / FILE_NAME
    app = _checked(app) if app else name_from(folder.name)
    text = _written(_template(pipeline), app)
    if path.exists() and not force:
        raise PreconditionError(
            f"{path} is there already",
            next_step="`shipit check` looks it over; `shipit init --force` overwrites it",
        )
    wrote = [path.name]
    try:
        path.write_text(text, encoding="utf-8")
        wrote += [_ignore(folder)] if _in_git(folder) else []
        found = load(path).environments
        if any(environment.stack for environment in found.values()):
            wrote += foundations(folder)
    except OSError as error:
        raise PreconditionError(f"{error.filename} cannot be written: {error.strerror}") from None
    environments = tuple(found)
    stacks = tuple(name for name, environment in found.items() if environment.stack)
    compose = _compose(folder)
    engines = [name for name, one in found.items() if _on_an_engine(one)]
    return Begun(
        app=app,
        pipeline=pipeline,
        environments=environments,
        wrote=tuple(w for w in wrote if w),
        compose=compose,
        next=tuple(_next_steps(folder, environments, compose, stacks, engines)),
        above=next((str(p / FILE_NAME) for p in folder.parents if (p / FILE_NAME).exists()), ""),
    )


def foundations(folder: Path) -> list[str]:
    """The Pulumi projects that environments and accounts stand on; what is there stays."""
    return [written for name in ("stacks", "infra") if (written := copy(name, folder))]


def name_from(folder: str) -> str:
    """A folder's name as an application's: lower case, dashes, at most 63 characters."""
    name = re.sub(r"[^a-z0-9]+", "-", folder.lower()).strip("-")[:63].strip("-")
    return name or "app"


def _folder(session: Session) -> Path:
    return Path(session.file).absolute().parent if session.file else Path.cwd()


def _checked(app: str) -> str:
    if not _NAME.fullmatch(app):
        raise ConfigurationError(
            f"{app!r} cannot be an application's name",
            why="it is part of names on every target: lower-case letters, digits and dashes",
            next_step=f"try --app {name_from(app)}",
        )
    return app


def _template(name: str) -> str:
    known = [template.name for template in templates()]
    if name not in known:
        raise UnknownNameError(
            f"there is no pipeline {name} to start from{did_you_mean(name, known)}",
            next_step=f"there {'are' if len(known) > 1 else 'is'}: {', '.join(known)}",
        )
    return (reference("pipelines") / f"{name}.yaml").read_text("utf-8")


def _written(template: str, app: str) -> str:
    from shipit.model.naming import account_id

    return _ACCOUNT.sub(lambda found: account_id(app, found[1]), template).replace("APP", app)


def _in_git(folder: Path) -> bool:
    return any((above / ".git").exists() for above in (folder, *folder.parents))


def _ignore(folder: Path) -> str:
    """Adds .shipit/ to .gitignore. Returns the file's name, "" when it was in it."""
    path = folder / ".gitignore"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    if {_IGNORED, ".shipit", "/.shipit/", "/.shipit"} & set(text.split()):
        return ""
    start = text if not text or text.endswith("\n") else text + "\n"
    path.write_text(f"{start}{_IGNORED}\n", encoding="utf-8")
    return path.name


def _compose(folder: Path) -> str:
    from shipit.config.compose import FILE_NAMES

    return next((name for name in FILE_NAMES if (folder / name).is_file()), "")


def _on_an_engine(environment: "Environment") -> bool:
    """Where a published port is one of the machine's own, and another environment's may be it."""
    return any(target.docker or target.swarm for target in environment.targets.values())


def _next_steps(
    folder: Path,
    environments: tuple[str, ...],
    compose: str,
    stacks: tuple[str, ...],
    engines: list[str],
) -> Iterator[str]:
    if not compose:
        yield "write a compose.yaml: it says which services run, and what each is built from"
    overlays = [name for name in engines if not (folder / f"compose.{name}.yaml").exists()]
    if overlays:
        yield f"give each environment its own ports, in compose.{overlays[0]}.yaml and so on"
    if stacks:
        yield "put your own account, project and addresses into shipit.yaml"
        yield f"shipit provision --infra, then shipit provision --env {stacks[0]}"
    yield "shipit check"
    if _in_git(folder):
        yield "commit these files: a release is named after its commit"
    yield "shipit build"
    first, *later = environments
    yield f"shipit deploy --env {first}"
    for name in later[:1]:
        yield f"shipit promote {name}"


def _told(begun: Begun) -> Iterator[str]:
    *most, last = begun.wrote
    wrote = f"{', '.join(most)} and {last}" if most else last
    yield f"wrote {wrote}: {begun.app} in {', '.join(begun.environments)}"
    if begun.compose:
        yield f"found {begun.compose}"
    if begun.above:
        yield f"{begun.above} is there too: in this folder it does not count any more"
    yield "next:"
    for step in begun.next:
        yield f"  {step}"


def _draw_templates() -> None:
    from shipit.cli.present.table import table

    table(["pipeline", "what it is"], [(t.name, t.about) for t in templates()])
