"""TLS as the machine is set up: the system's authorities, SSL_CERT_FILE, and Docker's certs.d.

Docker's `certs.d/HOST[:PORT]` (docs.docker.com, "Verify repository client with certificates"):
`*.crt` are authorities for that registry alone, `NAME.cert` with `NAME.key` a client's certificate.
"""

import os
import ssl
from functools import cache
from pathlib import Path

from shipit.errors import PreconditionError

_SYSTEM_FOLDERS = (Path("/etc/docker/certs.d"), Path("/etc/containers/certs.d"))


def context_for(host: str) -> ssl.SSLContext:
    """For a host with its port, as it is written in a repository's name.

    Raises PreconditionError for a certificate that cannot be read.
    """
    folders = [f for f in certificate_folders(host) if f.is_dir()]
    return _with_folders(tuple(folders)) if folders else _system()


def certificate_folders(host: str) -> list[Path]:
    """Where certificates for this host may be: the user's own folder (of a rootless engine) is
    read too."""
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    own = [home / "docker" / "certs.d", home / "containers" / "certs.d"]
    return [folder / host for folder in (*_SYSTEM_FOLDERS, *own)]


@cache
def _system() -> ssl.SSLContext:
    """Read once for a process: parsing a system's authorities takes 20 ms."""
    return ssl.create_default_context()


@cache
def _with_folders(folders: tuple[Path, ...]) -> ssl.SSLContext:
    context = ssl.create_default_context()
    for folder in folders:
        for file in sorted(folder.iterdir()):
            try:
                if file.suffix == ".crt":
                    context.load_verify_locations(file)
                elif file.suffix == ".cert":
                    context.load_cert_chain(file, file.with_suffix(".key"))
            except (OSError, ssl.SSLError) as error:
                raise PreconditionError(
                    f"{file} cannot be used as a certificate",
                    str(error),
                    "a .crt file is an authority; a .cert file needs its .key beside it",
                ) from error
    return context
