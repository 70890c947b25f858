"""A cluster that a kubeconfig knows; the pod's own service account where there is no kubeconfig.

Read by ourselves, as client-go does (kubernetes.io/docs/concepts/configuration/
organize-cluster-access-kubeconfig): several files in KUBECONFIG are one, and nothing that a file
says about reaching the server is passed over. lightkube's reader takes one file, and drops
`tls-server-name`, `proxy-url`, `as` and version 1 of exec plugins without a word.
"""

import base64
import binascii
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from shipit.errors import PreconditionError, UnknownNameError, did_you_mean
from shipit.model.pipeline import KubernetesTarget
from shipit.targets.kubernetes.reach import plugin
from shipit.targets.kubernetes.reach.access import Access, nobody
from shipit.targets.kubernetes.reach.renewed import Renewed, Token

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class Cluster(msgspec.Struct, frozen=True, rename="kebab"):
    server: str = ""
    certificate_authority: str = ""
    certificate_authority_data: str = ""
    insecure_skip_tls_verify: bool = False
    tls_server_name: str = ""
    proxy_url: str = ""


class User(msgspec.Struct, frozen=True, rename="kebab"):
    client_certificate: str = ""
    client_certificate_data: str = ""
    client_key: str = ""
    client_key_data: str = ""
    token: str = ""
    token_file: str = msgspec.field(default="", name="tokenFile")
    username: str = ""
    password: str = ""
    as_: str = msgspec.field(default="", name="as")
    as_uid: str = ""
    as_groups: tuple[str, ...] = ()
    as_user_extra: dict[str, tuple[str, ...]] = {}
    auth_provider: dict[str, Any] | None = None
    exec: plugin.Plugin | None = None

    def __repr__(self) -> str:
        return "User(***)"


class Context(msgspec.Struct, frozen=True, rename="kebab"):
    cluster: str = ""
    user: str = ""
    namespace: str = ""


S = TypeVar("S", Cluster, User, Context)


class Entry(msgspec.Struct, frozen=True):
    """A named part of a kubeconfig, and the file that it stands in."""

    file: Path
    body: dict[str, Any]


class Known(msgspec.Struct):
    """All files as one. The first to name a thing decides (client-go, tools/clientcmd)."""

    files: list[Path] = []
    current: str = ""
    clusters: dict[str, Entry] = {}
    users: dict[str, Entry] = {}
    contexts: dict[str, Entry] = {}


def access(settings: KubernetesTarget, root: str, *, pod: Path = SERVICE_ACCOUNT) -> Access:
    """Raises PreconditionError, and UnknownNameError for a context that is not there."""
    files = list(_files(settings, root))
    found = [file for file in files if file.is_file()]
    named = settings.kubeconfig or settings.context
    if not found and not named and (pod / "token").is_file():
        return _in_cluster(pod)
    if not found:
        raise PreconditionError(
            f"there is no kubeconfig: {', '.join(map(str, files))}",
            "target.kubernetes reaches its cluster through one",
            "name it as target.kubernetes.kubeconfig, or set KUBECONFIG",
        )
    return _of_context(_read(found), settings.context)


def _files(settings: KubernetesTarget, root: str) -> Iterator[Path]:
    if settings.kubeconfig:
        yield Path(root) / Path(settings.kubeconfig).expanduser()
        return
    listed = [Path(part) for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    yield from listed or [Path.home() / ".kube" / "config"]


def _read(files: list[Path]) -> Known:
    known = Known(files=files)
    for file in files:
        document = _document(file)
        known.current = known.current or str(document.get("current-context") or "")
        for section, key in (("clusters", "cluster"), ("users", "user"), ("contexts", "context")):
            for item in document.get(section) or ():
                entry = Entry(file, item.get(key) or {})
                getattr(known, section).setdefault(str(item.get("name", "")), entry)
    return known


def _document(file: Path) -> dict[str, Any]:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        document = yaml.load(file.read_text(encoding="utf-8"), Loader=loader)  # noqa: S506 - both are safe loaders
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise PreconditionError(f"{file} is no YAML{line}: {error.problem}") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise PreconditionError(f"{file} cannot be read: {reason}") from None
    if document is not None and not isinstance(document, dict):
        raise PreconditionError(f"{file} is no kubeconfig", "it does not hold a mapping")
    return document or {}


def _of_context(known: Known, asked: str) -> Access:
    where = ", ".join(str(file) for file in known.files)
    name = asked or known.current
    if not name:
        raise PreconditionError(
            f"no context is chosen in {where}",
            f"it has: {', '.join(sorted(known.contexts)) or 'none'}",
            "name one as target.kubernetes.context",
        )
    if name not in known.contexts:
        raise UnknownNameError(
            f"there is no context {name} in {where}{did_you_mean(name, known.contexts)}",
            f"there are: {', '.join(sorted(known.contexts)) or 'none'}",
            "name one of them as target.kubernetes.context",
        )
    context = _convert(known.contexts[name], Context, f"context {name}")
    cluster_entry = _referred(known.clusters, context.cluster, f"cluster of the context {name}")
    cluster = _convert(cluster_entry, Cluster, f"cluster {context.cluster}")
    if not cluster.server:
        raise PreconditionError(f"the cluster {context.cluster} in {where} has no server")
    user_entry = Entry(cluster_entry.file, {})
    if context.user:
        user_entry = _referred(known.users, context.user, f"user of the context {name}")
    user = _convert(user_entry, User, f"user {context.user}")
    return _with_user(user, user_entry.file, context, name, _of_cluster(cluster, cluster_entry))


def _of_cluster(cluster: Cluster, entry: Entry) -> Access:
    kind, spoken, _ = cluster.proxy_url.partition("://")
    if spoken and kind not in ("http", "https"):  # its address may hold a password
        raise PreconditionError(
            f"proxy-url in {entry.file} is of the kind {kind}://",
            "shipit goes through proxies that are spoken to by http:// or https://",
            "name such a one",
        )
    authority = _pem(
        cluster.certificate_authority_data, cluster.certificate_authority, entry.file, "CA"
    )
    return Access(
        server=cluster.server.rstrip("/"),
        name="",
        ca=authority,
        insecure=cluster.insecure_skip_tls_verify,
        server_name=cluster.tls_server_name,
        proxy=cluster.proxy_url,
    )


def _with_user(user: User, file: Path, context: Context, name: str, server: Access) -> Access:
    if user.auth_provider:
        raise PreconditionError(
            f"the user {context.user} in {file} has an auth-provider",
            "Kubernetes took them away in 1.26 for exec plugins",
            "write the kubeconfig again (gcloud container clusters get-credentials, az aks …)",
        )
    known = msgspec.structs.replace(
        server,
        name=f"the context {name}",
        namespace=context.namespace,
        certificate=_pem(
            user.client_certificate_data, user.client_certificate, file, "client certificate"
        ),
        key=_pem(user.client_key_data, user.client_key, file, "client key"),
        headers=tuple(_impersonation(user)),
        refused=f"log in again as {context.user or 'somebody'}, or look at {file}",
    )
    if user.exec:
        return plugin.identify(known, user.exec, file)
    return msgspec.structs.replace(known, authorization=_authorization(user, file))


def _authorization(user: User, file: Path) -> Any:
    """client-go's order: a token's file before the token, both before a password."""
    if user.token_file:
        path = file.parent / user.token_file
        return Renewed(lambda: Token(_text(path, "token"), 0.0))  # it is replaced while we run
    if user.token:
        return Renewed(lambda: Token(user.token))
    if user.username:
        basic = base64.b64encode(f"{user.username}:{user.password}".encode()).decode()
        return lambda _: f"Basic {basic}"
    return nobody


def _impersonation(user: User) -> Iterator[tuple[str, str]]:
    """kubernetes.io/docs/reference/access-authn-authz/authentication, "User impersonation"."""
    if user.as_:
        yield "Impersonate-User", user.as_
    if user.as_uid:
        yield "Impersonate-Uid", user.as_uid
    for group in user.as_groups:
        yield "Impersonate-Group", group
    for key, values in user.as_user_extra.items():
        for value in values:
            yield f"Impersonate-Extra-{key}", value


def _in_cluster(pod: Path) -> Access:
    host = os.environ.get("KUBERNETES_SERVICE_HOST", "")
    port = os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        raise PreconditionError(
            "there is no kubeconfig, and KUBERNETES_SERVICE_HOST is not set",
            f"{pod} has a service account's token, but nothing says which server it is for",
            "set KUBECONFIG",
        )
    namespace = pod / "namespace"
    return Access(
        server=f"https://{f'[{host}]' if ':' in host else host}:{port}",
        name="the cluster that this pod runs in",
        authorization=Renewed(lambda: Token(_text(pod / "token", "token"), 0.0)),
        namespace=_text(namespace, "namespace") if namespace.is_file() else "",
        ca=_pem("", str(pod / "ca.crt"), pod, "CA"),
        refused="look at the pod's service account",
    )


def _referred(among: dict[str, Entry], name: str, what: str) -> Entry:
    if name not in among:
        raise PreconditionError(f"the {what}, {name or 'unnamed'}, is in no kubeconfig")
    return among[name]


def _convert(entry: Entry, kind: type[S], what: str) -> S:
    try:
        return msgspec.convert(entry.body, kind)
    except msgspec.ValidationError as error:
        raise PreconditionError(
            f"{entry.file}: the {what} is not as it should be: {error}"
        ) from None


def _pem(data: str, path: str, file: Path, what: str) -> bytes:
    """The data where there is some; a path starts at the kubeconfig's folder."""
    if data:
        try:
            return base64.b64decode(data, validate=True)
        except binascii.Error:
            raise PreconditionError(f"the {what} in {file} is not base64") from None
    return _bytes(file.parent / path, what) if path else b""


def _bytes(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise PreconditionError(f"the {what} {path} cannot be read: {error.strerror}") from None


def _text(path: Path, what: str) -> str:
    return _bytes(path, what).decode(errors="replace").strip()
