"""Compose services in their rendered form, as objects that Kubernetes's own schemas hold valid."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import kubernetes_validate
import pytest

from shipit.errors import ConfigurationError
from shipit.model import application
from shipit.model.deployment import Desired
from shipit.model.digest import Digest
from shipit.model.image import Image, Platform, PlatformImage
from shipit.targets.kubernetes.render import Rendered, Setting, job, render

Json = dict[str, Any]
VERSIONS = ("1.30", "1.36")
SETTING = Setting(namespace="shop")
# No schema of a cluster's own: a Gateway's kinds come with its controller.
_WITHOUT_SCHEMA = frozenset({"HTTPRoute"})


def image(name: str, platforms: Sequence[str] = ()) -> Image:
    children = tuple(
        PlatformImage(Platform.parse(p), Digest.of(p.encode()), Digest.of(b"config " + p.encode()))
        for p in platforms
    )
    return Image(f"registry.test/shop/{name}", Digest.of(name.encode()), children)


def desired(
    services: Mapping[str, Json | None],
    *,
    platforms: Mapping[str, Sequence[str]] | None = None,
    deployment: str = "",
    **sections: Any,
) -> Desired:
    """`sections` are the project's others: volumes, configs, networks."""
    images = {name: image(name, (platforms or {}).get(name, ())) for name in services}
    project = {
        "name": "shop-dev",
        **sections,
        "services": {
            name: {"networks": {"default": None}, **(said or {}), "image": images[name].reference}
            for name, said in services.items()
        },
    }
    return Desired(
        app="shop",
        environment="dev",
        release=Digest.of(b"release"),
        release_id="r1",
        project=project,
        images=images,
        services=application.long_running(project),
        before=application.one_offs(project, "before"),
        after=application.one_offs(project, "after"),
        scheduled=application.scheduled(project),
        deployment=deployment,
    )


def valid(objects: Sequence[Json]) -> None:
    for one in objects:
        for version in VERSIONS if one["kind"] not in _WITHOUT_SCHEMA else ():
            kubernetes_validate.validate(one, version, strict=True)


class Cluster:
    """What a project is rendered to."""

    def __init__(self, rendered: Rendered) -> None:
        self.rendered = rendered
        self.notes = rendered.notes

    def of(self, kind: str, name: str = "") -> Json:
        """The object, the only one of its kind where no name is given."""
        found = [o for o in self.rendered.objects if o["kind"] == kind]
        found = [o for o in found if name in ("", o["metadata"]["name"])]
        assert len(found) == 1, [o["metadata"]["name"] for o in found]
        return found[0]

    def names(self, kind: str) -> list[str]:
        return [o["metadata"]["name"] for o in self.rendered.objects if o["kind"] == kind]

    @property
    def kinds(self) -> list[str]:
        return [o["kind"] for o in self.rendered.objects]

    def pod(self, service: str = "web") -> Json:
        found: Json = self.rendered.workloads[service]["spec"]["template"]["spec"]
        return found

    def container(self, service: str = "web") -> Json:
        found: Json = next(c for c in self.pod(service)["containers"] if c["name"] == service)
        return found


Render = Callable[..., Cluster]
Refused = Callable[..., ConfigurationError]


@pytest.fixture
def rendered() -> Render:
    """`rendered({"web": {…}}, volumes={…})`; for one service called web its keys are enough."""

    def make(services: Mapping[str, Any] | None = None, /, **sections: Any) -> Cluster:
        found = render(desired(services or {"web": {}}, **sections), SETTING)
        valid(found.objects)
        return Cluster(found)

    return make


@pytest.fixture
def web(rendered: Render) -> Render:
    """A service called web, with these keys."""

    def make(**definition: Any) -> Cluster:
        return rendered({"web": definition})

    return make


@pytest.fixture
def refused() -> Refused:
    """The error, which names a key by its path."""

    def make(services: Mapping[str, Any], /, **sections: Any) -> ConfigurationError:
        with pytest.raises(ConfigurationError) as caught:
            render(desired(services, **sections), SETTING)
        return caught.value

    return make


@pytest.fixture
def one_job() -> Callable[..., Json]:
    def make(services: Mapping[str, Any], service: str, /, **more: Any) -> Json:
        command = more.pop("command", ())
        key = more.pop("key", "k1")
        made = job(desired(services, **more), service, SETTING, key=key, command=command)
        valid([made])
        return made

    return make
