"""Which stacks there are: one of each environment, and one that an account has once."""

from pathlib import Path

from shipit.delivery.project import Project
from shipit.delivery.provisioning import Provisioning
from shipit.delivery.relocating import Relocating
from shipit.errors import UsageError
from shipit.model.pipeline import Environment
from shipit.provision import home, program

_STACKS, _INFRA = "stacks", "infra"
_ACCOUNT = "account"  # infra/ has one stack: there is one of it in an account


def of_environment(project: Project, environment: str) -> Provisioning:
    """Its stack goes by the name that the target's `stack:` has, else by the environment's."""
    found = project.environment(environment)
    folder = program.project(project.root, _STACKS)
    secrets = str(found.stack.get("secrets", ""))
    return _opened(project, environment, folder, _name(found), secrets)


def of_account(project: Project) -> Provisioning:
    """Registries, the ledger's bucket, keys, trust."""
    folder = program.project(project.root, _INFRA)
    return _opened(project, "", folder, _ACCOUNT, "")


def _opened(
    project: Project, environment: str, folder: Path, name: str, secrets: str
) -> Provisioning:
    from shipit.provision.stack import Stack

    kept = home.home(project.pipeline.ledger, project.root, folder, secrets)
    there = Stack(folder, name, kept, environment)
    if not kept.in_the_ledgers_bucket:
        return Provisioning(project, environment, there)
    here = Stack(folder, name, home.on_this_machine(project.root, secrets), environment)
    return Relocating(project, environment, there, here, there)


def _name(environment: Environment) -> str:
    names = {getattr(t.settings, "stack", "") for t in environment.targets.values()} - {""}
    if len(names) > 1:
        raise UsageError(
            f"{environment.name} has targets of several stacks: {', '.join(sorted(names))}",
            "an environment has one stack of its own",
            "name the same one in each, or take the others' settings by hand",
        )
    return names.pop() if names else environment.name
