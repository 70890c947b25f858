"""The runbooks: what happens, in which order. Each yields progress until its end."""
