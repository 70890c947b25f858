"""What it takes to talk to one API server, however it was found."""

import ssl
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from shipit.errors import PreconditionError
from shipit.model.deployment import Finding

# Of repositories in the cloud's own registry, whether the nodes may pull: a finding for each.
Pulls = Callable[[Sequence[str]], Mapping[str, Finding]]


def nobody(fresh: bool) -> str:  # noqa: ARG001 - the shape of `Access.authorization`
    """No Authorization header: a client certificate, or a proxy that says who it is."""
    return ""


class Access(msgspec.Struct, frozen=True):
    """An API server, and who we are to it. Nothing of it is ever written to a kubeconfig.

    `server` is `https://host[:port][/path]`; `name` says in words what was reached (for errors).
    `authorization(fresh)` gives the Authorization header's value, "" for none; `fresh` asks for a
    new one after a 401. It raises PreconditionError when it cannot, and threads may share it.
    `ca` is PEM, empty for the system's roots; `certificate` and `key` are the client's own, PEM.
    `server_name` is what the server's certificate is held against, where that is not the host.
    `headers` come with every request (impersonation). `refused` says what to do about a 401,
    `unreached` what may be in the way when the server does not answer.
    `namespace` is the context's, "" where there is none. `pulls` judges the nodes' own identity,
    where the cloud can be asked about it; it raises nothing.
    """

    server: str
    name: str
    authorization: Callable[[bool], str] = nobody
    namespace: str = ""
    ca: bytes = b""
    certificate: bytes = b""
    key: bytes = b""
    insecure: bool = False
    server_name: str = ""
    proxy: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    refused: str = ""
    unreached: str = ""
    pulls: Pulls | None = None

    def __repr__(self) -> str:
        return f"Access({self.name}, {self.server})"

    def tls(self) -> ssl.SSLContext:
        """The client's side of TLS. Raises PreconditionError for certificates that are none."""
        try:
            context = ssl.create_default_context(cadata=self.ca.decode("ascii") or None)
            if self.insecure:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            if self.certificate:
                _load(context, self.certificate + b"\n" + self.key)
        except (ssl.SSLError, UnicodeDecodeError, OSError) as error:
            reason = getattr(error, "reason", "") or type(error).__name__
            raise PreconditionError(
                f"the certificates of {self.name} cannot be used",
                f"TLS says: {reason}",
                "look at its certificate-authority and client-certificate",
            ) from None
        return context


def _load(context: ssl.SSLContext, pem: bytes) -> None:
    """OpenSSL reads a key from a file alone: this one is ours for the moment that takes."""
    with tempfile.TemporaryDirectory(prefix="shipit-") as folder:  # readable by its owner alone
        path = Path(folder) / "client.pem"
        path.write_bytes(pem)
        context.load_cert_chain(path)
