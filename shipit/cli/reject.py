"""`shipit reject`: a person's no to exactly this release."""

from shipit.cli.deciding import deciding

command = deciding("reject", "Reject release R for an environment. Tied to its digest.")
