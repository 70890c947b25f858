"""Who containers run as where nothing but their image says it. Pure.

kubelet, kuberuntime/security_context.go, verifyRunAsNonRoot: with `runAsNonRoot` and no `runAsUser`
an image whose user is root, or no number, is not started ("container has runAsNonRoot and image
will run as root"): its pods would wait until the deployment is given up.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

from shipit.errors import ShipitError
from shipit.model.deployment import Desired, Finding
from shipit.model.image import Image
from shipit.targets.kubernetes.templates import Template

Json = dict[str, Any]
Users = Callable[[Image], Collection[str]]
_SAY_IT = {
    False: 'say the uid that it has in the image: `user: "1000"` in compose.yaml; `user: "0"` where'
    " it has to be root",
    True: "say the uid that it has in the image as runAsUser in its securityContext, or"
    " `runAsNonRoot: false` where it has to be root",
}


def findings(found: Iterable[Template], desired: Desired, users: Users) -> Iterator[Finding]:
    """`users` gives the `config.User` of an image's platforms, and may raise ShipitError."""
    images = {str(image.digest): image for image in desired.images.values()}
    step = _SAY_IT[bool(desired.source)]
    for title, name, digest in _left_to_images(found):
        image = images.get(digest)
        if image is None:
            continue
        try:
            wrong = [said for user in sorted(users(image)) if (said := _refused(user))]
        except ShipitError as error:
            what = f"{title}: not verified whether the image of {name} runs as root: {error.what}"
            yield Finding("warning", "images", what, error.next_step)
            continue
        for said in wrong[:1]:
            what = f"{title}: {said}, and the kubelet does not start {name} so (runAsNonRoot)"
            yield Finding("error", "images", what, step)


def _left_to_images(found: Iterable[Template]) -> Iterator[tuple[str, str, str]]:
    """(the object's title, container, the image's digest)."""
    for one in found:
        pod = one.spec.get("securityContext") or {}
        for container in one.containers:
            own = container.get("securityContext") or {}
            if _said("runAsNonRoot", own, pod) and _said("runAsUser", own, pod) is None:
                yield one.title, str(container["name"]), str(container["image"]).partition("@")[2]


def _said(key: str, container: Mapping[str, Any], pod: Mapping[str, Any]) -> Any:
    """The container's own counts more."""
    own = container.get(key)
    return pod.get(key) if own is None else own


def _refused(user: str) -> str:
    """In words, why the kubelet would not start it; "" where it would. As containerd reads it:
    without the group, a number or a name."""
    name = user.partition(":")[0]
    if not name or (name.isdecimal() and not int(name)):
        return "its image runs as root"
    return "" if name.isdecimal() else f"its image's user is {name}, a name and no number"
