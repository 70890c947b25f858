"""Why a release may or may not enter an environment, gate by gate."""

from datetime import UTC, datetime

import msgspec

from shipit.delivery import choose
from shipit.delivery.project import Project
from shipit.model.digest import Digest
from shipit.policy.gates import ask_gates, holding
from shipit.policy.verdict import Verdict


class Explanation(msgspec.Struct, frozen=True):
    environment: str
    release: Digest
    release_id: str
    allowed: bool
    verdicts: tuple[Verdict, ...]


def explain(project: Project, release: str, environment: str) -> Explanation:
    """Every gate is asked, also after one that holds."""
    wanted = project.environment(environment)
    state = project.ledger.read()
    found = choose.by_name(state, release) if release else choose.default(state, wanted)
    verdicts = ask_gates(found, wanted, state, datetime.now(UTC))
    return Explanation(environment, found.digest, found.id, not holding(verdicts), verdicts)
