"""Ways to reach a cluster. Each gives an `Access`; none writes a kubeconfig."""
