"""Where events are kept: a commit log in an object store, checkpoints of its fold, and leases."""

from shipit.ledger.actor import this_actor
from shipit.ledger.lease import Heartbeat, Standing, lease_ttl, take_over, watch
from shipit.ledger.ledger import Ledger

__all__ = ["Heartbeat", "Ledger", "Standing", "lease_ttl", "take_over", "this_actor", "watch"]
