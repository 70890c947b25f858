"""How soon the command line answers, against a bare `python -c pass`."""

import tempfile
from pathlib import Path

from bench import ledger
from bench.measure import PYTHON, SHIPIT, Result, against

_PIPELINE = """\
app: shop
ledger: {ledger}
environments:
  dev: {{target: {{docker: {{}}}}}}
  qa: {{after: dev, target: {{docker: {{}}}}}}
  staging: {{after: qa, target: {{docker: {{}}}}}}
  production: {{after: staging, target: {{docker: {{}}}}}}
"""


def run() -> list[Result]:
    bare = [PYTHON, "-c", "pass"]
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        pipeline = _PIPELINE.format(ledger=ledger.built())
        (project / "shipit.yaml").write_text(pipeline, encoding="utf-8")
        return [
            against("shipit --version, ms", [SHIPIT, "--version"], bare, limit=5),
            against("shipit --help, ms", [SHIPIT, "--help"], bare, limit=5),
            against(
                f"shipit status, {ledger.DEPLOYMENTS:,} deployments, ms",
                [SHIPIT, "status"],
                bare,
                limit=20,
                cwd=project,
            ),
        ]
