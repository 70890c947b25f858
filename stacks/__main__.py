"""The stack of one environment: `pulumi up -s staging`, or `shipit provision --env staging`.

The stack's name is the environment's. Its settings are under `stack:` in shipit.yaml, and its
outputs are the settings that a target leaves out (`target: {ecs: {stack: staging}}`).
"""

import pulumi
from foundation import settings

found = settings.load(pulumi.get_stack())
match found.kind:
    case "ecs":
        from foundation.ecs import build
    case "eks":
        from foundation.eks import build
    case _:
        from foundation.gke import build

for name, value in build(found).items():
    pulumi.export(name, value)
