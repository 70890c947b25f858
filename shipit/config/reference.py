"""The reference page of shipit.yaml in Markdown, from the types that it is decoded into."""

from collections.abc import Iterator
from inspect import getdoc

from msgspec import inspect

from shipit.model.pipeline import DURATION_PATTERN, Settings

_HEAD = """\
# shipit.yaml

<!-- Made from shipit/model/pipeline.py by `python -m shipit.config.schema`. -->

One file beside `compose.yaml`. It is looked for in the current folder and the folders above it.
An unknown key is an error, with its line and its path; keys that start with `x-` are yours, at
every level, and a good place for anchors. Editors complete and check the file with the schema that
`shipit schema` prints.

```yaml
"""
EXAMPLE = """\
app: shop
ledger: s3://acme-shipit/shop          # left out: .shipit/ledger
registry: 111122223333.dkr.ecr.eu-west-1.amazonaws.com/shop   # left out: the embedded registry
environments:
  dev:
    target: {docker: {}}
  qa:
    after: dev
    target: {swarm: {host: ssh://deploy@qa.example.com}}
    verify: [{http: "http://qa.example.com/healthz"}]
  staging:
    after: qa
    registry: europe-docker.pkg.dev/acme/shop/shop
    target: {gke: {project: acme, location: europe-west1, cluster: staging, namespace: shop}}
  production:
    after: staging
    gates: {approvals: 2, soak: 24h, freeze: ["Fri 16:00 - Mon 08:00 Europe/Madrid"]}
    strategy: {canary: {steps: [10, 50], bake: 10m}}
    targets:
      eu: {eks: {region: eu-west-1, cluster: prod, namespace: shop}}
      us: {ecs: {region: us-east-1, cluster: prod, launch_type: fargate}}
"""
_RULES = """\
```

Text need not be quoted: `no`, `1:30` and `2024-01-01` are what they look like (YAML 1.2). A
duration is a number and a unit (`ms`, `s`, `m`, `h`, `d`), or several: `1h30m`.

What values must agree in:

- one environment, and only one, comes after nothing; `after` makes no circle;
- an environment has `target` or `targets`, and a target one kind;
- two environments are never the same place (on Docker, Swarm and ECS the environment's name keeps
  them apart: names begin with `<app>-<environment>`);
- `registry` is a repository prefix without a tag; a service's image is `<registry>/<service>`.
"""


_COMPOSE = """\
# compose.yaml

The application is the services of your `compose.yaml` (or `compose.yml`, `docker-compose.yml`,
`docker-compose.yaml`), as Docker Compose itself reads it: interpolation, `env_file`, `.env`,
`extends`, `include` and profiles. This happens when a release is built, once for every
environment, and the result travels with the release.

- `compose.<environment>.yaml` beside it overlays an environment, by Compose's merge rules.
- `${SHIPIT_ENVIRONMENT}` is the environment's name. The project is `<app>-<environment>`.
- A service has the same `build` (or the same `image`) in every environment: one release is the
  same bytes everywhere. What differs goes into `environment`, `ports` and the like.
- A service without `build` that names the `image` of one that is built runs that image.
- Secrets stay references (`file:` or `environment:`). A literal value of a variable that looks
  like a secret, and files that are mounted from the checkout, are warnings of `shipit check`.

## `services.<name>.x-shipit`

Marks a service that is not kept up: one that runs once in a deployment and ends (a migration, a
test), or one that runs at its times. It is part of a release whatever its profile, so that a
profile can keep it out of `docker compose up`.

| key | value | left out | |
|---|---|---|---|
| `run` | `before` or `after` | | Before anything changes, or after the rollout is proven. |
| `schedule` | `rate(1 hour)`, `cron(0 3 * * ? *)`, `at(…)`, `0 3 * * *` | | Run at these times. |
| `timezone` | an IANA name, as in `Europe/Madrid` | UTC | Of the schedule. |

A schedule is written as EventBridge Scheduler has it, or in cron's five fields; a target that has
no words for it, or no scheduler, refuses it. `at(2026-11-24T03:00:00)` is one moment.

One-offs run in the order of `depends_on` between them. A one-off is no part of what is brought up:
a service's `depends_on` on it is taken away there, because it has run already.
"""


def reference() -> str:
    """The whole page."""
    return "\n".join([_HEAD + EXAMPLE + _RULES, *_sections(), _COMPOSE])


def _sections() -> Iterator[str]:
    """A section for every class of the model, in the order in which the file meets them."""
    waiting = [("", inspect.type_info(Settings))]
    shown: set[type] = set()
    while waiting:
        path, kind = waiting.pop(0)
        fields: tuple[inspect.Field, ...] = getattr(kind, "fields", ())
        cls = getattr(kind, "cls", type(None))
        if cls not in shown:
            shown.add(cls)
            yield _section(path, cls, fields)
            waiting += [inner for field in fields for inner in _classes(path, field)]


def _section(path: str, cls: type, fields: tuple[inspect.Field, ...]) -> str:
    title = f"`{path}`" if path else "The whole"
    head = "| key | value | left out | |\n|---|---|---|---|"
    rows = "\n".join(_row(field) for field in fields)
    said = getdoc(cls)
    return f"## {title}\n\n{said}\n\n{head}\n{rows}\n"


def _classes(path: str, field: inspect.Field) -> Iterator[tuple[str, inspect.Type]]:
    """The class that a field holds, if it does, and the path under which it is found there."""
    kind, _, steps = _under(field.type)
    if isinstance(kind, inspect.StructType):
        yield f"{path}.{field.name}{steps}".lstrip("."), kind


def _under(kind: inspect.Type) -> tuple[inspect.Type, str, str]:
    """What is held in the end, the outermost description, and the steps to it: `.<name>`, `[n]`."""
    said, steps = "", ""
    while True:
        match kind:
            case inspect.Metadata():
                said = said or str((kind.extra_json_schema or {}).get("description", ""))
                kind = kind.type
            case inspect.UnionType():
                kind = next(t for t in kind.types if not isinstance(t, inspect.NoneType))
            case inspect.DictType() if not isinstance(kind.value_type, inspect.AnyType):
                kind, steps = kind.value_type, f"{steps}.<name>"
            case inspect.VarTupleType():
                kind, steps = kind.item_type, f"{steps}[]"
            case _:
                return kind, said, steps


_WORDS: dict[type, str] = {
    inspect.StrType: "text",
    inspect.IntType: "number",
    inspect.BoolType: "true or false",
    inspect.DictType: "mapping",
    inspect.StructType: "mapping",
}


_MORE: dict[type, str] = {inspect.VarTupleType: "a list", inspect.DictType: "several by name"}


def _others(kind: inspect.Type) -> list[inspect.Type]:
    """The other forms in which a value may be written."""
    while isinstance(kind, inspect.Metadata):
        kind = kind.type
    types = kind.types if isinstance(kind, inspect.UnionType) else ()
    return [t for t in types if type(t) in _MORE]


def _row(field: inspect.Field) -> str:
    kind, said, steps = _under(field.type)
    if isinstance(kind, inspect.StructType):
        said = said or " ".join(str(getdoc(kind.cls)).split())
    value = _WORDS[type(kind)]
    if getattr(kind, "pattern", None) == DURATION_PATTERN:
        value = "duration"
    if steps == "[]":
        value = f"list of {value}s"
    elif steps:
        value = f"{value}s by name"
    for other in _others(field.type):
        value += f", or {_MORE[type(other)]}"
    return f"| `{field.name}` | {value} | {_left_out(field)} | {said.replace('|', chr(92) + '|')} |"


def _left_out(field: inspect.Field) -> str:
    if field.required:
        return "**required**"
    return f"`{field.default}`" if isinstance(field.default, str | int) and field.default else ""
