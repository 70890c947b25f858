"""The application: a Compose project, and what shipit needs to know about it.

A project here is the Compose Specification's model as `docker compose config` renders it: plain
dicts and lists, long forms only. Text in it keeps Compose's escape of `$` as `$$`. Every function
is pure and leaves its argument as it was.

A service marked `x-shipit: {run: before}` (or `after`) is a one-off: it runs once in a deployment
and ends. The others are long-running. What a project says about both stays together until it is
brought up: `pin` keeps everything, `without_one_offs` takes the one-offs away, and with them the
`depends_on` edges to them, because shipit has run (or will run) them itself.

One that is marked `x-shipit: {schedule: "rate(1 hour)"}` runs at its times, by the target's own
scheduler, and is neither.
"""

import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from enum import StrEnum
from typing import Any, Literal

from shipit.errors import ConfigurationError, did_you_mean
from shipit.model.image import Image, Reference
from shipit.model.schedule import Schedule
from shipit.model.schedule import parse as parse_schedule

Project = dict[str, Any]

FILE_NAME = "compose.yaml"
EXTENSION = "x-shipit"


class RunWhen(StrEnum):
    """When a one-off runs: before anything changes, or after the rollout is proven."""

    BEFORE = "before"
    AFTER = "after"


def services(project: Project) -> dict[str, dict[str, Any]]:
    return project.get("services") or {}


def run_when(service: Mapping[str, Any]) -> RunWhen | None:
    """None for a long-running service, and for one whose mark `validate` refuses."""
    settings = service.get(EXTENSION)
    said = settings.get("run") if isinstance(settings, dict) else None
    return next((when for when in RunWhen if when == said), None)


def one_offs(project: Project, when: RunWhen | Literal["before", "after"]) -> tuple[str, ...]:
    """The services that run once at that moment, each after those that it depends on."""
    found = services(project)
    return tuple(n for n in _in_dependency_order(project) if run_when(found[n]) == when)


def long_running(project: Project) -> tuple[str, ...]:
    """The services that are kept up, each after those that it depends on."""
    found = services(project)
    return tuple(
        n
        for n in _in_dependency_order(project)
        if run_when(found[n]) is None and schedule(found[n]) is None
    )


def scheduled(project: Project) -> tuple[str, ...]:
    """The services that run at their times, as in the file."""
    return tuple(n for n, s in services(project).items() if schedule(s) is not None)


def schedule(service: Mapping[str, Any]) -> Schedule | None:
    """None for a service without one. Raises ValueError for one that `validate` refuses."""
    settings = service.get(EXTENSION)
    if not isinstance(settings, dict) or "schedule" not in settings:
        return None
    return parse_schedule(settings)


def replicas(service: Mapping[str, Any]) -> int:
    """How many containers are asked for (compose-go, ServiceConfig.GetScale)."""
    asked = service.get("scale", (service.get("deploy") or {}).get("replicas"))
    return 1 if asked is None else int(asked)


def built(project: Project) -> dict[str, dict[str, Any]]:
    """The build section of every service that has one."""
    return {n: s["build"] for n, s in services(project).items() if s.get("build")}


def image_only(project: Project) -> dict[str, str]:
    """The image, as written, of every service whose image nobody builds here."""
    borrows = borrowed(project)
    return {
        name: service["image"]
        for name, service in services(project).items()
        if not service.get("build") and name not in borrows
    }


def borrowed(project: Project) -> dict[str, str]:
    """Services without a build that name the image of one that has a build, and that service.

    The usual way to run a worker from the web service's image: `image: shop` in both.
    """
    builders = {
        services(project)[name]["image"]: name
        for name in built(project)
        if services(project)[name].get("image")
    }
    return {
        name: builders[service["image"]]
        for name, service in services(project).items()
        if not service.get("build") and service.get("image") in builders
    }


def every_image(project: Project, images: Mapping[str, Image]) -> dict[str, Image]:
    """`images` (of what is built and what is found), and those that other services borrow."""
    lent = {name: images[lender] for name, lender in borrowed(project).items() if lender in images}
    return {name: image for name, image in {**images, **lent}.items() if name in services(project)}


def pin(project: Project, images: Mapping[str, Image]) -> Project:
    """The project with every image by digest and nothing that builds or pulls. One-offs stay.

    Raises ConfigurationError when a service's image is not among `images`.
    """
    pinned = deepcopy(project)
    known = every_image(project, images)
    for name, service in services(pinned).items():
        if name not in known:
            raise _wrong(f"services.{name}", "no image by digest is known for it")
        for key in ("build", "pull_policy", "develop"):
            service.pop(key, None)
        service["image"] = known[name].reference
    return pinned


def without_one_offs(project: Project) -> Project:
    """What is brought up: the long-running services, with no edge to a one-off."""
    kept = set(long_running(project))
    remaining = deepcopy(project)
    remaining["services"] = {n: s for n, s in services(remaining).items() if n in kept}
    for service in remaining["services"].values():
        edges = service.pop("depends_on", None) or {}
        edges = _only(edges, kept)
        if edges:
            service["depends_on"] = edges
    return remaining


def _only(edges: Any, names: set[str]) -> Any:
    if isinstance(edges, dict):
        return {name: edge for name, edge in edges.items() if name in names}
    return [name for name in edges if name in names]


def with_one_offs(project: Project, everything: Project) -> Project:
    """`project` and the one-offs that only `everything`, rendered with all profiles, has.

    With each comes what it uses: networks, volumes, secrets and configs.
    """
    whole = deepcopy(project)
    for name, service in services(everything).items():
        if name in services(project) or EXTENSION not in service:
            continue
        whole.setdefault("services", {})[name] = deepcopy(service)
        for section, used in _uses(service):
            if used in (everything.get(section) or {}):
                found = deepcopy(everything[section][used])
                whole.setdefault(section, {}).setdefault(used, found)
    return whole


def _uses(service: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The section and the name of each top-level resource that a service refers to."""
    build = service.get("build") or {}
    for network in service.get("networks") or ():
        yield "networks", network
    for section, holder in (
        ("volumes", service),
        ("secrets", service),
        ("configs", service),
        ("secrets", build),
    ):
        for used in holder.get(section) or ():
            yield section, used.get("source", "")


def validate(project: Project, file: str = FILE_NAME) -> None:
    """Raises ConfigurationError for what Compose allows and shipit cannot carry out."""
    if not services(project):
        raise _wrong("services", "there are no services", file)
    if EXTENSION in project:
        raise _wrong(EXTENSION, "this goes under a service", file)
    for name, service in services(project).items():
        _validate_service(name, service, file)
    _validate_order(project, file)
    _validate_names(project, file)


def _validate_service(name: str, service: dict[str, Any], file: str) -> None:
    path = f"services.{name}"
    if not service.get("build") and not service.get("image"):
        raise _wrong(path, "it has neither build nor image; one of them says what runs", file)
    if service.get("build"):
        try:
            Reference.parse(f"registry.example/{name}")
        except ValueError:
            raise _wrong(
                path,
                "its name becomes its image's name, which is lower-case letters, digits and dashes",
                file,
            ) from None
    if EXTENSION in service:
        _validate_extension(f"{path}.{EXTENSION}", service[EXTENSION], file)


def _validate_extension(path: str, settings: Any, file: str) -> None:
    if not isinstance(settings, dict):
        raise _wrong(path, "expected a mapping, as in {run: before}", file)
    keys = ["run", "schedule", "timezone"]
    for key in settings:
        if key not in keys:
            raise _wrong(f"{path}.{key}", f"unknown key{did_you_mean(str(key), keys)}", file)
    if "schedule" in settings:
        _validate_schedule(path, settings, file)
    elif "timezone" in settings:
        raise _wrong(f"{path}.timezone", "it belongs to a schedule, and there is none", file)
    choices = [str(when) for when in RunWhen]
    if settings.get("run", RunWhen.BEFORE) not in choices:
        said = settings["run"]
        meant = did_you_mean(said, choices) if isinstance(said, str) else ""
        raise _wrong(f"{path}.run", f"expected before or after, found {said!r}{meant}", file)


def _validate_schedule(path: str, settings: dict[str, Any], file: str) -> None:
    if "run" in settings:
        raise _wrong(f"{path}.schedule", "it runs in a deployment or at its times, not both", file)
    try:
        parse_schedule(settings)
    except ValueError as error:
        raise _wrong(f"{path}.schedule", str(error), file) from None


def _validate_order(project: Project, file: str) -> None:
    at_their_times = set(scheduled(project))
    for name, service in services(project).items():
        for needed in dependencies(service):
            if needed not in services(project):
                raise _wrong(
                    f"services.{name}.depends_on.{needed}",
                    "there is no such service here; is its profile active?",
                    file,
                )
            if needed in at_their_times:
                raise _wrong(
                    f"services.{name}.depends_on.{needed}",
                    f"{needed} runs at its times, and nothing can wait for it",
                    file,
                )
    after = set(one_offs(project, RunWhen.AFTER))
    for name in one_offs(project, RunWhen.BEFORE):
        for needed in dependencies(services(project)[name]):
            if needed in after:
                raise _wrong(
                    f"services.{name}.depends_on.{needed}",
                    f"{name} runs before the rollout and {needed} after it",
                    file,
                )


def _validate_names(project: Project, file: str) -> None:
    """One image name stands for one build."""
    names: dict[str, str] = {}
    for name, build in built(project).items():
        image = services(project)[name].get("image")
        if not image:
            continue
        other = names.setdefault(image, name)
        if built(project)[other] != build:
            raise _wrong(
                f"services.{name}.image",
                f"{other} builds an image of this name too, and in another way",
                file,
            )


def one_build(projects: Mapping[str, Project]) -> None:
    """Raises ConfigurationError when a service is not the same image in every environment.

    `projects` by environment. Services may be missing from some of them.
    """
    first: dict[str, tuple[str, Any, Any]] = {}
    for environment, project in projects.items():
        for name, service in services(project).items():
            build = service.get("build")
            image = None if build else service.get("image")
            seen, its_build, its_image = first.setdefault(name, (environment, build, image))
            between = f"between {seen} and {environment}"
            if its_build != build:
                raise _wrong(
                    f"services.{name}.build",
                    f"one build for all environments: service {name}'s build differs {between}",
                )
            if its_image != image:
                raise _wrong(
                    f"services.{name}.image",
                    f"one image for all environments: service {name}'s image differs {between}",
                )


_SECRET_NAME = re.compile(
    r"(PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|PRIVATE_?KEY)(?!.*_FILE$)", re.IGNORECASE
)


def literal_secrets(project: Project) -> list[str]:
    """Paths of variables that look like secrets and have a value, which would enter the release.

    A name that ends in `_FILE` says where a secret is and is none. No value is in the answer.
    """
    return [
        f"services.{name}.environment.{variable}"
        for name, service in services(project).items()
        for variable, value in _variables(service.get("environment"))
        if value and is_secret_name(variable)
    ]


def is_secret_name(variable: str) -> bool:
    """Whether a variable of this name is likely to hold a secret."""
    return _SECRET_NAME.search(variable) is not None


def _variables(environment: Any) -> Iterator[tuple[str, str]]:
    if isinstance(environment, dict):
        for name, value in environment.items():
            yield name, "" if value is None else str(value)
    for entry in environment if isinstance(environment, list) else ():
        name, _, value = str(entry).partition("=")
        yield name, value


def relative_binds(project: Project) -> list[str]:
    """Files of the checkout that containers see, as `path: file`; no release carries them.

    Bind mounts with a relative source, and configs that are read from a relative file.
    """
    binds = [
        (f"services.{name}.volumes[{n}]", volume.get("source", ""))
        for name, service in services(project).items()
        for n, volume in enumerate(service.get("volumes") or ())
        if isinstance(volume, dict) and volume.get("type") == "bind"
    ]
    configs = [
        (f"configs.{name}.file", config.get("file", ""))
        for name, config in (project.get("configs") or {}).items()
        if config
    ]
    return [
        f"{path}: {source}"
        for path, source in (*binds, *configs)
        if source and not source.startswith(("/", "~"))
    ]


def published_ports(project: Project) -> dict[str, str]:
    """The services that publish a port of their host, by `127.0.0.1:8080/tcp`; no ranges."""
    return {
        f"{port.get('host_ip') or '*'}:{port['published']}/{port.get('protocol', 'tcp')}": name
        for name, service in services(project).items()
        for port in service.get("ports") or ()
        if isinstance(port, dict) and str(port.get("published", "")).isdecimal()
    }


def dependencies(service: Mapping[str, Any]) -> tuple[str, ...]:
    """The services that this one's `depends_on` names."""
    return tuple(service.get("depends_on") or ())


def _in_dependency_order(project: Project) -> tuple[str, ...]:
    """Every service after those that it depends on, otherwise as in the file."""
    found = services(project)
    order: dict[str, None] = {}

    def visit(name: str, above: tuple[str, ...]) -> None:
        if name in order or name in above or name not in found:
            return  # Compose itself refuses circles and unknown names
        for needed in dependencies(found[name]):
            visit(needed, (*above, name))
        order[name] = None

    for name in found:
        visit(name, ())
    return tuple(order)


def _wrong(path: str, what: str, file: str = FILE_NAME) -> ConfigurationError:
    return ConfigurationError(what, file=file, path=path)
