"""A taken host port is found before anything changes, and its holder is named."""

import os
import socket
from collections.abc import Callable

import pytest

from shipit.errors import ConfigurationError, PreconditionError
from shipit.model.progress import Succeeded
from shipit.targets.docker.target import DockerEngine
from tests.fakes.engine import Shop, deploy, docker, web

pytestmark = pytest.mark.engine
Engines = Callable[..., DockerEngine]


def test_by_another_project(shop: Shop, engine: Engines, port: int) -> None:
    docker("pull", "--quiet", shop.images["1"].reference)
    name = f"{shop.app}-holder"
    docker(
        *("run", "-d", "--name", name, "--label", "com.docker.compose.project=other"),
        *("-p", f"127.0.0.1:{port}:80", shop.images["1"].reference, "sleep", "1000"),
    )
    target = engine()
    try:
        with pytest.raises(PreconditionError) as raised:
            target.plan(shop.desired({"web": web(port)}), target.observe())
    finally:
        docker("rm", "-f", name)
    assert raised.value.what == f"web cannot publish port {port}: it is taken"
    assert f"the container {name} of the Compose project other" in raised.value.why


def test_by_a_program_of_this_machine(shop: Shop, engine: Engines) -> None:
    target = engine()
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        desired = shop.desired({"web": web(port)})
        plan = target.plan(desired, target.observe())
        with pytest.raises(PreconditionError, match=f"port {port}: it is taken") as raised:
            target.preflight(plan)
        assert f"(pid {os.getpid()})" in raised.value.why
        with pytest.raises(PreconditionError, match=f"port {port}: it is taken"):
            target.apply(plan)
        findings = {f.subject: f for f in target.check(desired)}
    assert findings["plan"].level == "error"
    assert str(port) in findings["plan"].what
    assert target.containers() == []


def test_its_own_port_is_no_obstacle(shop: Shop, engine: Engines, port: int) -> None:
    deploy(engine(), shop.desired({"web": web(port)}))
    _, _, outcome = deploy(engine(), shop.desired({"web": web(port)}, version="2"))
    assert isinstance(outcome, Succeeded)


def test_two_services_that_want_one_port(shop: Shop, engine: Engines, port: int) -> None:
    target = engine()
    desired = shop.desired({"web": web(port), "api": web(port)})
    with pytest.raises(ConfigurationError, match=r"services\.api\.ports: the host's port"):
        target.plan(desired, target.observe())
