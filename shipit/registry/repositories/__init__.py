"""Repositories that have to be made before they can be pushed to: ECR's and Artifact Registry's.

Elsewhere the first push makes them. A new kind is a module here and a line in `kinds`.
"""
