"""A real Kubernetes control plane for tests, and a node without containers."""
