"""A proven deployment leaves tags that keep what runs, and what ran before, from clean-up."""

from shipit.delivery.deploy import deploy
from shipit.delivery.request import Request
from shipit.delivery.verify import verify
from shipit.errors import RemoteError, RolledBackError
from shipit.model.progress import Mark, Reason, Stage
from tests.fakes.project import HOME, FakeProject, environment, fails, run, told


def test_tags_follow_what_runs(project: FakeProject) -> None:
    a = project.release("a", services=("web", "redis"), resolved=("redis",))
    run(deploy(project, Request("dev")))
    assert project.repositories.tagged == {f"{HOME}/web:shipit-dev": a.images["web"]}

    b = project.release("b", services=("web", "redis"), resolved=("redis",))
    run(deploy(project, Request("dev")))
    run(deploy(project, Request("dev")))

    assert project.repositories.tagged == {
        f"{HOME}/web:shipit-dev": b.images["web"],
        f"{HOME}/web:shipit-dev-previous": a.images["web"],
    }


def test_an_environments_own_registry_keeps_every_image(project: FakeProject) -> None:
    own = FakeProject(project.root, environment("dev", registry="registry.example/shop"))
    a = own.release("a", services=("redis", "web"), resolved=("redis",))
    run(deploy(own, Request("dev")))
    assert own.repositories.tagged == {
        f"registry.example/shop/{name}:shipit-dev": a.images[name] for name in ("redis", "web")
    }


def test_a_tag_that_cannot_be_written_fails_no_proven_deployment(project: FakeProject) -> None:
    a = project.release("a")
    project.repositories.errors["tag"] = RemoteError("the registry answered 500")

    said, result = told(deploy(project, Request("dev")))

    assert result.release == a.digest
    (warning,) = [p.message for p in said if p.stage is Stage.RECORD and p.mark is Mark.INFO]
    assert warning == (
        f"{HOME}/web:shipit-dev could not be written, so clean-up may delete what runs: "
        "the registry answered 500"
    )
    proofs = verify(project, "dev").proofs
    assert [p.trouble for p in proofs if p.trouble] == [
        f"the retention tag {HOME}/web:shipit-dev is missing"
    ]


def test_a_way_back_moves_no_tag(project: FakeProject) -> None:
    a = project.release("a")
    run(deploy(project, Request("dev")))
    b = project.release("b")
    project.target().failures[str(b.digest)] = (Reason("web", "exited with 1"),)

    fails(deploy(project, Request("dev")), RolledBackError)

    assert project.repositories.tagged == {f"{HOME}/web:shipit-dev": a.images["web"]}
