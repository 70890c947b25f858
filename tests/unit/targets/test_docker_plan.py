"""What the Docker engine target would change: a case a file, written out in full.

A digest is the SHA-256 of a version's text; `image: registry.test/web@1` stands for that.
`brought_up_as` is the definition whose hash the containers carry; without it they carry none.
"""

from pathlib import Path
from typing import Any

import pytest
import yaml

from shipit import errors
from shipit.model.deployment import Change, Desired, Health, Observed, ObservedService
from shipit.model.digest import Digest
from shipit.model.image import Image
from shipit.targets.docker.plan import plan
from shipit.targets.docker.project import long_running, specs

CASES = sorted((Path(__file__).parent / "cases").glob("*.yaml"))


def digest(version: str) -> Digest:
    return Digest.of(version.encode())


def desired(services: dict[str, Any], sections: dict[str, Any], registry: str) -> Desired:
    images = {n: Image(f"{registry}/{n}", digest(s["version"])) for n, s in services.items()}
    rendered = {
        name: {k: v for k, v in s.items() if k != "version"} | {"image": images[name].reference}
        for name, s in services.items()
    }
    one_off = {name for name, s in services.items() if "x-shipit" in s}
    return Desired(
        app="shop",
        environment="dev",
        release=digest("release"),
        release_id="r1",
        project={"name": "shop-dev", **sections, "services": rendered},
        images=images,
        services=tuple(n for n in services if n not in one_off),
        before=tuple(one_off),
    )


def observed(case: dict[str, Any]) -> Observed:
    services, known = {}, {}
    for name, was in case["observed"].items():
        spec = ""
        if "brought_up_as" in was:
            # All as they were, so that edges between services stay what they were.
            then = {
                n: w["brought_up_as"] for n, w in case["observed"].items() if "brought_up_as" in w
            }
            sections = was.get("sections", case.get("sections", {}))
            before = desired(then, sections, "127.0.0.1:5000/shop")
            spec = specs(before)[name]
            if was.get("known"):
                known[name] = long_running(before)["services"][name]
        services[name] = ObservedService(
            name,
            desired=was.get("desired", 1),
            running=was.get("running", 1),
            health=Health(was.get("health", "healthy")),
            images=tuple(digest(v) for v in was["images"]),
            spec=spec,
        )
    return Observed(services, "as observed", ports=case.get("ports", {}), definitions=known)


def written(change: dict[str, Any]) -> Change:
    name, _, version = change.get("image", "").partition("@")
    image = f"{name}@{digest(version)}" if name else ""
    return Change(
        change["service"], change["action"], change["why"], image, tuple(change.get("diff", ()))
    )


@pytest.mark.parametrize("file", CASES, ids=[c.stem for c in CASES])
def test_case(file: Path) -> None:
    case = yaml.safe_load(file.read_text())
    wanted = desired(case["desired"], case.get("sections", {}), "registry.test")
    if "refused" in case:
        with pytest.raises(getattr(errors, case["refused"]["error"])) as raised:
            plan("default", wanted, observed(case))
        assert str(raised.value).startswith(case["refused"]["says"])
        return
    made = plan("default", wanted, observed(case))
    assert made.changes == tuple(written(c) for c in case["changes"])
    assert list(made.notes) == case["notes"]
    assert (made.target, made.desired, made.fingerprint) == ("default", wanted, "as observed")
