"""A gate's answer."""

from datetime import datetime

import msgspec


class Allowed(msgspec.Struct, frozen=True, tag="allowed", tag_field="verdict", omit_defaults=True):
    """`why` is the evidence: where and since when it is verified, who approved."""

    gate: str
    why: str = ""


class Held(msgspec.Struct, frozen=True, tag="held", tag_field="verdict", omit_defaults=True):
    """`until` is when it will pass by itself, where time alone does it. `overridable` gates give
    way to a reason that is put on record."""

    gate: str
    reason: str
    how_to_pass: str
    until: datetime | None = None
    overridable: bool = False


Verdict = Allowed | Held
