"""A Docker engine: one Compose project per environment, brought up by the real Compose."""
