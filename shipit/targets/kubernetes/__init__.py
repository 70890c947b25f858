"""Kubernetes, GKE and EKS as a target."""
