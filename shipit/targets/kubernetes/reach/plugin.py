"""Exec plugins: programs that print credentials (aws, gke-gcloud-auth-plugin, kubelogin, …).

kubernetes.io/docs/reference/config-api/client-authentication.v1
"""

import time
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from shipit import process
from shipit.errors import PreconditionError, RemoteError
from shipit.targets.kubernetes.reach.access import Access, nobody
from shipit.targets.kubernetes.reach.renewed import Renewed, Token

_GROUP = "client.authentication.k8s.io"
_VERSIONS = (f"{_GROUP}/v1", f"{_GROUP}/v1beta1")
_DEADLINE = 60.0  # seconds; one that opens a browser needs a person's time


class Variable(msgspec.Struct, frozen=True):
    name: str
    value: str


class Plugin(msgspec.Struct, frozen=True, rename="camel"):
    """What a kubeconfig says of it."""

    command: str
    api_version: str = ""
    args: tuple[str, ...] | None = None
    env: tuple[Variable, ...] | None = None
    install_hint: str = ""
    provide_cluster_info: bool = False
    interactive_mode: str = ""


class Status(msgspec.Struct, frozen=True, rename="camel"):
    token: str = ""
    expiration_timestamp: datetime | None = None
    client_certificate_data: str = ""
    client_key_data: str = ""

    def __repr__(self) -> str:
        return "Status(***)"


class Credential(msgspec.Struct, frozen=True, rename="camel"):
    api_version: str = ""
    status: Status = Status()


def identify(access: Access, said: Plugin, file: Path) -> Access:
    """`access` with what the plugin gives: a token, made again when it ends; a client certificate.

    Raises PreconditionError when the plugin is missing, fails, or answers something else.
    """
    if said.api_version not in _VERSIONS:
        raise PreconditionError(
            f"{said.command} of {file} speaks {said.api_version or 'no version'}",
            f"exec plugins speak {' or '.join(_VERSIONS)}",
            "write the kubeconfig again with a newer version of the program that made it",
        )
    if said.interactive_mode == "Always":
        raise PreconditionError(
            f"{said.command} of {file} wants a terminal of its own (interactiveMode: Always)",
            "shipit runs where nobody sits in front of it",
            "use a plugin, or a login of it, that does not ask",
        )
    first = _run(access, said, file)
    answers = [first]

    def make() -> Token:
        status = answers.pop() if answers else _run(access, said, file)
        ends = status.expiration_timestamp
        return Token(status.token, ends.timestamp() if ends else float("inf"))

    return msgspec.structs.replace(
        access,
        authorization=Renewed(make, early=10.0, clock=time.time) if first.token else nobody,
        certificate=first.client_certificate_data.encode() or access.certificate,
        key=first.client_key_data.encode() or access.key,
    )


def _run(access: Access, said: Plugin, file: Path) -> Status:
    command = said.command
    if "/" in command:
        command = str(file.parent / command)
    variables = {v.name: v.value for v in said.env or ()}
    variables["KUBERNETES_EXEC_INFO"] = _question(access, said)
    try:
        done = process.run([command, *(said.args or ())], deadline=_DEADLINE, env=variables)
    except (PreconditionError, RemoteError, OSError) as error:
        why = getattr(error, "what", "") or getattr(error, "strerror", "") or str(error)
        raise PreconditionError(
            f"{said.command} gives no credentials for {access.name}",
            str(why),
            said.install_hint or f"{file} names it: install it, or write the kubeconfig again",
        ) from None
    if done.code:
        raise PreconditionError(
            f"{said.command} gives no credentials for {access.name}",
            done.last_words() or f"it ended with exit code {done.code}",
            "log in again, then run the command again",
        )
    return _answer(done.stdout, said, access)


def _question(access: Access, said: Plugin) -> str:
    spec: dict[str, Any] = {"interactive": False}
    if said.provide_cluster_info:
        import base64

        cluster: dict[str, Any] = {"server": access.server}
        if access.ca:
            cluster["certificate-authority-data"] = base64.b64encode(access.ca).decode()
        if access.server_name:
            cluster["tls-server-name"] = access.server_name
        if access.insecure:
            cluster["insecure-skip-tls-verify"] = True
        if access.proxy:
            cluster["proxy-url"] = access.proxy
        spec["cluster"] = cluster
    question = {"apiVersion": said.api_version, "kind": "ExecCredential", "spec": spec}
    return msgspec.json.encode(question).decode()


def _answer(text: str, said: Plugin, access: Access) -> Status:
    try:
        status = msgspec.json.decode(text, type=Credential).status
    except msgspec.DecodeError:  # its text may hold a secret: nothing of it is shown
        status = Status()
    if not status.token and not status.client_certificate_data:
        raise PreconditionError(
            f"{said.command} gives no credentials for {access.name}",
            "what it printed is no ExecCredential with a token or a client certificate",
            "run it by hand and look",
        )
    return status
