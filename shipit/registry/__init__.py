"""OCI registries: the distribution client, copy and verify, credentials, the embedded registry.

Nothing is imported here, so that a name can be taken from one module without loading urllib3:
`client.Client`, `keychain.default`, `embedded.server.EmbeddedRegistry`.
"""
