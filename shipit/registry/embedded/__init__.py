"""A registry of our own on loopback, over an OCI image layout on disk."""

from shipit.registry.embedded.server import EmbeddedRegistry

__all__ = ["EmbeddedRegistry"]
