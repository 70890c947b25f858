"""Build a container image once and promote the same digest through every environment."""

__version__ = "0.1.0"
