"""Whose credentials pull the images: what can be known of it without a node. Pure.

For each pod template and repository: by what pods of ours have pulled already, by the Secrets that
it names, or by the nodes' own identity. What is not seen is "not verified".
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from shipit.model.deployment import Finding
from shipit.targets.kubernetes.pull_secrets import Held, names_in
from shipit.targets.kubernetes.templates import Template

Json = dict[str, Any]
Key = tuple[str, str]  # namespace, name
_LOOPBACK = re.compile(r"(?:localhost|127\.[\d.]+|\[::1\])(?::\d+)?")
# Registries whose own clusters' nodes have an identity there: host, cluster, what it needs.
_BY_IDENTITY = (
    (re.compile(r"\d{12}\.dkr[.-]ecr[^/]*"), "eks", "AmazonEC2ContainerRegistryPullOnly"),
    (
        re.compile(r"(?:[a-z0-9-]+-docker\.pkg\.dev|(?:[a-z]+\.)?gcr\.io)"),
        "gke",
        "roles/artifactregistry.reader",
    ),
)
_EVERYBODYS = re.compile(
    r"(?:docker\.io/library|public\.ecr\.aws|registry\.k8s\.io|mcr\.microsoft\.com)/.*"
)
NAME_ONE = (
    "`kubectl create secret docker-registry` makes one; x-kubernetes.pull_secrets in compose.yaml"
    " names it, or imagePullSecrets in manifests of your own"
)
_NAMED = 3  # titles in a line


class Pod(NamedTuple):
    """A pod template: what it pulls, and the Secrets that it names. `account` is the ServiceAccount
    whose Secrets count where it names none."""

    title: str
    namespace: str
    repositories: tuple[str, ...]
    secrets: tuple[str, ...]
    account: str


class Known(msgspec.Struct, frozen=True):
    """`accounts`: the Secrets that ServiceAccounts name, None where that may not be read. `pulled`:
    what pods of ours have pulled (repository, its Secrets). `cloud` says of repositories in the
    nodes' own cloud whether they may pull; `where` is `provider`'s."""

    where: str
    secrets: Mapping[Key, Held] = {}
    accounts: Mapping[Key, tuple[str, ...] | None] = {}
    pulled: frozenset[tuple[str, frozenset[str]]] = frozenset()
    cloud: Mapping[str, Finding] = {}

    def named(self, pod: Pod) -> tuple[str, ...]:
        return pod.secrets or self.accounts.get((pod.namespace, pod.account)) or ()


def provider(server: str, kind: str) -> str:
    """`eks`, `gke` or "": a kubeconfig may lead to one of theirs, too."""
    host = urlsplit(server).hostname or ""
    if kind == "eks" or re.search(r"\.eks\.amazonaws\.com(\.cn)?$", host):
        return "eks"
    return "gke" if kind == "gke" or host.endswith(".gke.goog") else ""


def is_own_cloud(where: str, repository: str) -> bool:
    """Whether it is in a registry of the nodes' own cloud."""
    host = _host(repository)
    return any(cluster == where and one.fullmatch(host) for one, cluster, _ in _BY_IDENTITY)


def pods(found: Iterable[Template], home: str) -> list[Pod]:
    return [
        Pod(
            one.title,
            one.namespace or home,
            tuple(dict.fromkeys(repository(str(c["image"])) for c in one.containers)),
            names_in(one.spec),
            str(one.spec.get("serviceAccountName") or "default"),
        )
        for one in found
    ]


def repository(image: str) -> str:
    """Of an image by digest, which may have a tag beside it."""
    path, slash, last = image.partition("@")[0].rpartition("/")
    return f"{path}{slash}{last.partition(':')[0]}"


def findings(several: Sequence[Pod], known: Known) -> Iterator[Finding]:
    """One for each thing that there is to say, with the pods that it is about."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for pod in several:
        for one in (*_absent(pod, known), *(_judged(pod, r, known) for r in pod.repositories)):
            found.setdefault((one.level, one.what, one.next_step), []).append(pod.title)
    for (level, what, next_step), titles in found.items():
        about = list(dict.fromkeys(titles))
        more = f" and {len(about) - _NAMED} more" if len(about) > _NAMED else ""
        pods = f"({', '.join(about[:_NAMED])}{more})"
        yield Finding(level, "images", f"{what} {pods}", next_step)


def _absent(pod: Pod, known: Known) -> Iterator[Finding]:
    for name in known.named(pod):
        if not known.secrets[pod.namespace, name].is_there:
            what = f"there is no Secret {name} to pull with"
            yield Finding("error", "images", what, NAME_ONE)


def _judged(pod: Pod, repository: str, known: Known) -> Finding:
    host, named = _host(repository), known.named(pod)
    if _LOOPBACK.fullmatch(host):
        what = f"{host} is an address of this machine's own: nodes do not pull from it"
        return Finding("warning", "images", what, "give the environment a `registry:`")
    if (repository, frozenset(named)) in known.pulled:
        return Finding("ok", "images", f"{repository}: nodes have pulled it for what runs now")
    held = {name: known.secrets[pod.namespace, name] for name in named}
    return (
        _by_secrets(host, repository, held)
        or _by_others(host, repository, known)
        or _without(pod, host, held, known)
    )


def _by_secrets(host: str, repository: str, held: Mapping[str, Held]) -> Finding | None:
    having = [name for name, one in held.items() if one.covers(repository)]
    if having:
        return Finding("ok", "images", f"{host}: nodes pull with {', '.join(having)}")
    unread = [name for name, one in held.items() if one.is_there and one.registries is None]
    if unread:
        what = f"whether {', '.join(unread)} has credentials for it, as it may not be read"
        return _unseen(host, what, f"see that its `docker-server` is {host}")
    return None


def _by_others(host: str, repository: str, known: Known) -> Finding | None:
    """The nodes' own identity, or everybody."""
    if is_own_cloud(known.where, repository):
        return known.cloud.get(repository) or _by_identity(host)
    if _EVERYBODYS.fullmatch(repository):
        return Finding("ok", "images", f"{host}: everybody may pull from it")
    return None


def _by_identity(host: str) -> Finding:
    needs = next(needs for one, _, needs in _BY_IDENTITY if one.fullmatch(host))
    what = f"whether the nodes' own identity, which pulls from it, has {needs}"
    return _unseen(host, what, f"see that it has {needs}")


def _without(pod: Pod, host: str, held: Mapping[str, Held], known: Known) -> Finding:
    """Nothing that is known has credentials for it: it has to be everybody's."""
    if held:
        others = sorted({r for one in held.values() for r in one.registries or ()})
        what = (
            f"{host}: {', '.join(held)} has nothing for it, but for {', '.join(others) or 'none'}"
        )
        return Finding("warning", "images", what, NAME_ONE)
    for registry, cluster, _ in _BY_IDENTITY:
        if registry.fullmatch(host):
            what = f"{host}: nodes outside of {cluster.upper()} have no credentials of their own"
            return Finding("warning", "images", f"{what}, and no pull secret is named", NAME_ONE)
    if known.accounts.get((pod.namespace, pod.account), ()) is None:
        what = f"whether the ServiceAccount {pod.account} names a pull secret, or everybody may"
        return _unseen(host, f"{what} pull", NAME_ONE)
    what = "whether everybody may pull, as no pull secret is named"
    return _unseen(host, what, f"where it is private: {NAME_ONE}")


def _unseen(host: str, what: str, next_step: str) -> Finding:
    return Finding("warning", "images", f"{host}: not verified {what}", next_step)


def _host(repository: str) -> str:
    return repository.partition("/")[0]
