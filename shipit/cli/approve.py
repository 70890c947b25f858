"""`shipit approve`: a person's yes to exactly this release."""

from shipit.cli.deciding import deciding

command = deciding("approve", "Approve release R for an environment. Tied to its digest.")
