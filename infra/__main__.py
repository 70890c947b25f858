"""What an account has once: registries, the ledger's bucket, a key, and GitHub's trust.

`shipit provision --infra`. It reads shipit.yaml: which clouds the registry and the ledger are in,
and which environments there are. Its own settings are under `x-infra:` there.
"""

import pulumi
from account import settings

found = settings.load()
outputs = {}
if found.aws:
    from account.aws import build

    outputs |= build(found, found.aws)
if found.gcp:
    from account.gcp import build as build_gcp

    outputs |= build_gcp(found, found.gcp)
for name, value in outputs.items():
    pulumi.export(name, value)
