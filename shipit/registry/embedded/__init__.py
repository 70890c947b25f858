"""A registry of our own on loopback, over an OCI image layout: `server.EmbeddedRegistry`."""
