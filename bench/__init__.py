"""The speed promises, measured as ratios against a peer in the same run."""
