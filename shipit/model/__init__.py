"""Frozen values and pure functions over them. Nothing here reads, writes or waits."""
