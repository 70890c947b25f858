"""How a Docker engine is found and spoken to: what every target that runs on one shares.

Its own small client instead of the Docker SDK: importing that takes 100 ms, a fifth of what
`docker compose up --wait` takes over an unchanged project, and its ssh:// needs paramiko.
"""
