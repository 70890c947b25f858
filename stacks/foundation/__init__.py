"""What the environments stand on: networks, clusters, identities, edges."""
