from pathlib import Path

from msgspec.structs import replace

from shipit.cli.present.github import append_summary, job_summary
from shipit.cli.present.matrix import Matrix, build_matrix
from tests.fakes.recorded import Shop


def matrix(shop: Shop) -> Matrix:
    state = shop.state(
        dev=shop.running("r2", web="w2"),
        qa=replace(shop.running("r1", web="w1"), hold=shop.hold("a|b\n<img>")),
    )
    return build_matrix(shop.pipeline(("dev", "qa", "production")), state, shop.now)


def test_the_job_summary_is_the_matrix(shop: Shop) -> None:
    w1, w2 = shop.digest("w1").short, shop.digest("w2").short
    assert job_summary(matrix(shop)).splitlines() == [
        "### shop",
        "",
        "|  | **dev** | **qa** | **production** |",
        "| --- | --- | --- | --- |",
        "| release | `r2` | `r1` | - |",
        "| health | ✅ healthy | ✅ healthy, held | - nothing yet |",
        f"| web | `{w2}` A | `{w1}` B ≠ | - |",
        "",
        "- qa: held by ana (laptop pid 12): a\\|b &lt;img>; lift it with `shipit unfreeze qa`",
    ]


def test_it_is_added_to_the_jobs_page(shop: Shop, tmp_path: Path) -> None:
    page = tmp_path / "summary.md"
    page.write_text("before\n")
    append_summary(matrix(shop), {"GITHUB_STEP_SUMMARY": str(page)})
    assert page.read_text().startswith("before\n### shop\n")


def test_elsewhere_nothing_is_written(shop: Shop) -> None:
    append_summary(matrix(shop), {})
