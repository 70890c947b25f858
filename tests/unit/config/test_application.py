"""The application model over Compose projects: one-offs, images by digest, and what is refused."""

from copy import deepcopy
from typing import Any

import pytest

from shipit.errors import ConfigurationError
from shipit.model import application
from shipit.model.application import RunWhen
from shipit.model.digest import Digest
from shipit.model.image import Image
from shipit.model.schedule import FORMS

WEB = Image("registry.example/shop/web", Digest.of(b"web"))
DATABASE = Image("docker.io/library/postgres", Digest.of(b"db"))


def project(**services: dict[str, Any]) -> dict[str, Any]:
    return {"name": "shop-dev", "services": services}


def one_off(when: str, *needs: str) -> dict[str, Any]:
    edges = {name: {"condition": "service_started", "required": True} for name in needs}
    return {"image": "x", "x-shipit": {"run": when}, "depends_on": edges}


@pytest.fixture
def shop() -> dict[str, Any]:
    """A web service and its worker, a database, a migration and a smoke test."""
    return project(
        smoke=one_off("after", "web"),
        web={
            "build": {"context": "."},
            "image": "shop",
            "pull_policy": "always",
            "develop": {"watch": []},
            "depends_on": {
                "migrate": {"condition": "service_completed_successfully"},
                "db": {"condition": "service_healthy"},
            },
        },
        worker={"image": "shop", "depends_on": {"migrate": {"condition": "service_started"}}},
        migrate={
            "build": {"context": "."},
            "image": "shop",
            "x-shipit": {"run": "before"},
            "depends_on": {"db": {"condition": "service_healthy"}, "seed": {}},
        },
        seed={"image": "shop", "x-shipit": {"run": "before"}},
        db={"image": "postgres:16"},
    )


@pytest.fixture
def images() -> dict[str, Image]:
    return {"web": WEB, "migrate": WEB, "db": DATABASE, "smoke": DATABASE}


def test_one_offs_come_in_dependency_order(shop: dict[str, Any]) -> None:
    assert application.one_offs(shop, RunWhen.BEFORE) == ("seed", "migrate")
    assert application.one_offs(shop, RunWhen.AFTER) == ("smoke",)


def test_the_others_are_long_running_in_dependency_order(shop: dict[str, Any]) -> None:
    assert application.long_running(shop) == ("db", "web", "worker")


def test_order_goes_through_services_of_the_other_kind() -> None:
    found = project(
        a=one_off("before", "b"), b={"image": "x", "depends_on": ["c"]}, c=one_off("before")
    )
    assert application.one_offs(found, RunWhen.BEFORE) == ("c", "a")


def test_one_offs_of_other_profiles_come_with_what_they_use() -> None:
    visible = {**project(web={"image": "x", "networks": {"n": None}}), "networks": {"n": {}}}
    everything = deepcopy(visible)
    everything["services"] |= {
        "tool": {"image": "x", "profiles": ["tools"]},
        "migrate": {
            "image": "x",
            "profiles": ["tools"],
            "x-shipit": {"run": "before"},
            "build": {"context": ".", "secrets": [{"source": "key"}]},
            "networks": {"back": None, "n": None},
            "volumes": [{"type": "volume", "source": "v"}, {"type": "bind", "source": "./x"}],
            "secrets": [{"source": "s"}],
            "configs": [{"source": "c"}],
        },
    }
    everything["networks"]["back"] = {"name": "back"}
    everything |= {
        "volumes": {"v": {}, "w": {}},
        "secrets": {"s": {}, "key": {}},
        "configs": {"c": {}},
    }
    whole = application.with_one_offs(visible, everything)
    assert [*visible["services"]] == ["web"]
    assert [*whole["services"]] == ["web", "migrate"]
    assert whole["networks"] == {"n": {}, "back": {"name": "back"}}
    assert whole["volumes"] == {"v": {}}
    assert (whole["secrets"], whole["configs"]) == ({"key": {}, "s": {}}, {"c": {}})


def test_images_are_built_found_or_borrowed(shop: dict[str, Any]) -> None:
    assert application.built(shop) == {"web": {"context": "."}, "migrate": {"context": "."}}
    assert application.image_only(shop) == {"smoke": "x", "db": "postgres:16"}
    assert application.borrowed(shop) == {"worker": "migrate", "seed": "migrate"}


def test_every_image_adds_the_borrowed_and_leaves_out_strangers(
    shop: dict[str, Any], images: dict[str, Image]
) -> None:
    everything = application.every_image(shop, {**images, "gone": WEB})
    assert everything == {**images, "worker": WEB, "seed": WEB}


def test_pinned_is_by_digest_with_nothing_that_builds(
    shop: dict[str, Any], images: dict[str, Image]
) -> None:
    before = deepcopy(shop)
    pinned = application.pin(shop, images)
    assert shop == before
    assert pinned["services"]["web"] == {
        "image": f"registry.example/shop/web@{WEB.digest}",
        "depends_on": shop["services"]["web"]["depends_on"],
    }
    assert {n: s["image"] for n, s in pinned["services"].items()} == {
        "smoke": DATABASE.reference,
        "web": WEB.reference,
        "worker": WEB.reference,
        "migrate": WEB.reference,
        "seed": WEB.reference,
        "db": DATABASE.reference,
    }
    assert pinned["services"]["seed"]["x-shipit"] == {"run": "before"}


def test_an_unknown_image_is_never_left_by_tag(shop: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=r"services\.db: no image by digest is known"):
        application.pin(shop, {"web": WEB, "migrate": WEB, "smoke": WEB})


def test_what_is_brought_up_has_no_edges_to_one_offs(shop: dict[str, Any]) -> None:
    before = deepcopy(shop)
    brought_up = application.without_one_offs(shop)
    assert shop == before
    assert [*brought_up["services"]] == ["web", "worker", "db"]
    assert brought_up["services"]["web"]["depends_on"] == {"db": {"condition": "service_healthy"}}
    assert "depends_on" not in brought_up["services"]["worker"]
    assert brought_up["name"] == "shop-dev"


REFUSED = [
    ({}, "services: there are no services"),
    ({"services": {}}, "services: there are no services"),
    (
        project(web={"command": "x"}),
        "services.web: it has neither build nor image; one of them says what runs",
    ),
    (
        project(web={"image": "x", "x-shipit": {"schedule": "hourly"}}),
        f"services.web.x-shipit.schedule: expected {FORMS}, found 'hourly'",
    ),
    (
        project(web={"image": "x", "x-shipit": {"schedule": "rate(1 hour)", "run": "before"}}),
        "services.web.x-shipit.schedule: it runs in a deployment or at its times, not both",
    ),
    (
        project(web={"image": "x", "x-shipit": {"timezone": "Europe/Madrid"}}),
        "services.web.x-shipit.timezone: it belongs to a schedule, and there is none",
    ),
    (
        project(
            web={"image": "x", "depends_on": {"report": {}}},
            report={"image": "x", "x-shipit": {"schedule": "rate(1 hour)"}},
        ),
        "services.web.depends_on.report: report runs at its times, and nothing can wait for it",
    ),
    (
        project(web={"image": "x", "x-shipit": {"rum": "before"}}),
        "services.web.x-shipit.rum: unknown key; did you mean run?",
    ),
    (
        project(web={"image": "x", "x-shipit": {"run": "befor"}}),
        "services.web.x-shipit.run: expected before or after, found 'befor'; did you mean before?",
    ),
    (
        project(web={"image": "x", "x-shipit": {"run": None}}),
        "services.web.x-shipit.run: expected before or after, found None",
    ),
    (
        project(web={"image": "x", "x-shipit": {"run": ["before"]}}),
        "services.web.x-shipit.run: expected before or after, found ['before']",
    ),
    (
        project(web={"image": "x", "x-shipit": "before"}),
        "services.web.x-shipit: expected a mapping, as in {run: before}",
    ),
    (
        {**project(web={"image": "x"}), "x-shipit": {"run": "before"}},
        "x-shipit: this goes under a service",
    ),
    (
        project(Web={"build": {"context": "."}}),
        (
            "services.Web: its name becomes its image's name,"
            " which is lower-case letters, digits and dashes"
        ),
    ),
    (
        project(
            a={"build": {"context": "a"}, "image": "shop"},
            b={"build": {"context": "b"}, "image": "shop"},
        ),
        "services.b.image: a builds an image of this name too, and in another way",
    ),
    (
        project(a=one_off("before", "b")),
        "services.a.depends_on.b: there is no such service here; is its profile active?",
    ),
    (
        project(a=one_off("before", "b"), b=one_off("after")),
        "services.a.depends_on.b: a runs before the rollout and b after it",
    ),
]


@pytest.mark.parametrize(("found", "said"), REFUSED, ids=[said for _, said in REFUSED])
def test_what_shipit_cannot_carry_out(found: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        application.validate(found)
    assert str(raised.value) == f"compose.yaml: {said}"
    assert raised.value.path == said.partition(":")[0]


def test_the_shop_is_sound(shop: dict[str, Any]) -> None:
    application.validate(shop)


DIFFERENT = [
    (
        {"build": {"context": ".", "args": {"DEBUG": "1"}}},
        {"build": {"context": "."}},
        "services.web.build: one build for all environments: service web's build",
    ),
    (
        {"build": {"context": "."}},
        {"image": "shop"},
        "services.web.build: one build for all environments: service web's build",
    ),
    (
        {"image": "shop:1"},
        {"image": "shop:2"},
        "services.web.image: one image for all environments: service web's image",
    ),
]


@pytest.mark.parametrize(("dev", "production", "said"), DIFFERENT)
def test_one_build_for_all_environments(
    dev: dict[str, Any], production: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigurationError) as raised:
        application.one_build(
            {"dev": project(web=dev), "qa": project(), "production": project(web=production)}
        )
    assert str(raised.value) == f"compose.yaml: {said} differs between dev and production"


def test_settings_may_differ_and_services_may_be_missing() -> None:
    build = {"context": "."}
    application.one_build(
        {
            "dev": project(web={"build": build, "image": "a"}, mail={"image": "mailpit"}),
            "qa": project(web={"build": {**build}, "image": "b", "environment": {"A": "1"}}),
        }
    )


def test_literal_secrets_are_named_and_never_shown() -> None:
    found = project(
        web={
            "image": "x",
            "environment": {
                "DB_PASSWORD": "hush",
                "db_passwd": "hush",
                "JWT_SECRET": "hush",
                "GITHUB_TOKEN": "hush",
                "STRIPE_API_KEY": "hush",
                "APIKEY": "hush",
                "TLS_PRIVATE_KEY": "hush",
                "POSTGRES_PASSWORD_FILE": "/run/secrets/db",
                "EMPTY_PASSWORD": "",
                "UNSET_TOKEN": None,
                "LOG_LEVEL": "info",
            },
        },
        worker={"image": "x", "environment": ["A_SECRET=hush", "B_SECRET", "C=1"]},
    )
    assert application.literal_secrets(found) == [
        "services.web.environment.DB_PASSWORD",
        "services.web.environment.db_passwd",
        "services.web.environment.JWT_SECRET",
        "services.web.environment.GITHUB_TOKEN",
        "services.web.environment.STRIPE_API_KEY",
        "services.web.environment.APIKEY",
        "services.web.environment.TLS_PRIVATE_KEY",
        "services.worker.environment.A_SECRET",
    ]


def test_files_that_do_not_travel_with_a_release() -> None:
    found = project(
        web={
            "image": "x",
            "volumes": [
                {"type": "bind", "source": "./data", "target": "/data"},
                {"type": "bind", "source": "/etc/hosts", "target": "/h"},
                {"type": "volume", "source": "named", "target": "/n"},
                {"type": "tmpfs", "target": "/t"},
                {"type": "bind", "source": "../up", "target": "/up"},
            ],
        }
    )
    found["configs"] = {"a": {"file": "./a.conf"}, "b": {"content": "x"}, "c": {"external": True}}
    assert application.relative_binds(found) == [
        "services.web.volumes[0]: ./data",
        "services.web.volumes[4]: ../up",
        "configs.a.file: ./a.conf",
    ]


def test_what_runs_at_its_times_is_neither_kept_up_nor_a_one_off() -> None:
    nightly = {"image": "x", "x-shipit": {"schedule": "0 3 * * *", "timezone": "Europe/Madrid"}}
    found = project(web={"image": "x"}, nightly=nightly)
    application.validate(found)
    assert application.scheduled(found) == ("nightly",)
    assert application.long_running(found) == ("web",)
    assert application.one_offs(found, "before") == ()
    assert [*application.without_one_offs(found)["services"]] == ["web"]
