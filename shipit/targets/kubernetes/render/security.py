"""Who a container runs as, and what it may do. Pure.

The default is the restricted profile (kubernetes.io, "Pod Security Standards"): no root, no
privileges to gain, no capabilities, the runtime's seccomp filter. What compose.yaml says otherwise
(`user: "0"`, `cap_add`, `privileged`, `security_opt`) is honoured.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from shipit.errors import ConfigurationError
from shipit.targets.kubernetes.render.text import filled, plain

Json = dict[str, Any]
_USER = re.compile(r"(?P<user>[0-9]+|root)(?::(?P<group>[0-9]+|root))?")


class User(msgspec.Struct, frozen=True):
    """As compose.yaml says; None for what it leaves to the image."""

    user: int | None = None
    group: int | None = None

    @property
    def is_root(self) -> bool:
        return self.user == 0


def user(path: str, definition: Mapping[str, Any]) -> User:
    """Raises ConfigurationError for a name: only the image knows its number."""
    said = plain(definition.get("user") or "")
    if not said:
        return User()
    found = _USER.fullmatch(said)
    if not found:
        raise ConfigurationError(
            f"Kubernetes takes a number here, and not {said}",
            path=f"{path}.user",
            next_step='write the uid, or "uid:gid", that it has in the image',
        )
    return User(_number(found["user"]), _number(found["group"]))


def of_container(path: str, definition: Mapping[str, Any]) -> Json:
    """`securityContext` of a container (core/v1, SecurityContext)."""
    who, options = user(path, definition), _options(path, definition)
    privileged = bool(definition.get("privileged"))
    added = _capabilities(definition.get("cap_add"))
    # With these the API server refuses the promise of no new privileges.
    may_gain = privileged or "SYS_ADMIN" in added or options.get("no-new-privileges") == "false"
    made = filled(
        runAsUser=who.user,
        runAsGroup=who.group,
        privileged=privileged,
        readOnlyRootFilesystem=bool(definition.get("read_only")),
        capabilities={} if privileged else filled(add=added, drop=_dropped(definition, who)),
        seLinuxOptions={key[6:]: v for key, v in options.items() if key.startswith("label:")},
        appArmorProfile=_profile(options.get("apparmor")),
    )
    return {
        **made,
        "runAsNonRoot": not (who.is_root or (privileged and who.user is None)),
        "allowPrivilegeEscalation": may_gain,
        "seccompProfile": _profile(options.get("seccomp")) or {"type": "RuntimeDefault"},
    }


def _dropped(definition: Mapping[str, Any], who: User) -> list[str]:
    """All of them; root, where it is asked for, keeps those that a container engine gives it."""
    said = _capabilities(definition.get("cap_drop"))
    return said if who.is_root else ["ALL"]


def _capabilities(said: Any) -> list[str]:
    return sorted({str(name).upper().removeprefix("CAP_") for name in said or ()})


def _options(path: str, definition: Mapping[str, Any]) -> dict[str, str]:
    """`security_opt` by its words, with either of Docker's separators."""
    found = {}
    for n, option in enumerate(definition.get("security_opt") or ()):
        where = f"{path}.security_opt[{n}]"
        for key, value in _option(where, plain(option)):
            found[key] = value
    return found


def _option(path: str, option: str) -> Iterator[tuple[str, str]]:
    name, _, value = option.replace("=", ":", 1).partition(":")
    if name == "no-new-privileges" and value in ("", "true", "false"):
        yield name, value or "true"
    elif (name == "apparmor" and value) or (name == "seccomp" and value == "unconfined"):
        yield name, value
    elif name == "label" and value.partition(":")[0] in ("user", "role", "type", "level"):
        key, _, word = value.partition(":")
        yield f"label:{key}", word
    else:
        raise ConfigurationError(
            f"Kubernetes cannot honour {option}", path=path, next_step="remove it here"
        )


def _profile(said: str | None) -> Json | None:
    """Of seccomp and AppArmor: none at all, or one that the nodes have under this name."""
    if said is None:
        return None
    if said == "unconfined":
        return {"type": "Unconfined"}
    return {"type": "Localhost", "localhostProfile": said}


def _number(said: str | None) -> int | None:
    return None if said is None else 0 if said == "root" else int(said)
