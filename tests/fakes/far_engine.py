"""An engine behind ssh: Debian's sshd, started for each connection in inetd mode, so that it
listens nowhere."""

import os
import shutil
import subprocess
from pathlib import Path

SSHD = shutil.which("sshd") or "/usr/sbin/sshd"


def missing() -> str:
    """Why it cannot run here, empty when it can."""
    return "" if Path(SSHD).exists() and os.geteuid() == 0 else "needs root and sshd"


class FarEngine:
    """`ssh`, first on PATH, reaches this machine as `host`, whoever the user is said to be."""

    def __init__(self, folder: Path, host: str) -> None:
        self.path = folder / "ssh"
        self._host = host
        Path("/run/sshd").mkdir(exist_ok=True)
        self.path.mkdir()
        for name in ("host", "user"):
            keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.path / name)]
            subprocess.run(keygen, check=True)
        (self.path / "sshd").write_text(
            f"HostKey {self.path}/host\nAuthorizedKeysFile {self.path}/user.pub\nStrictModes no\n"
            "PermitRootLogin prohibit-password\nUsePAM no\n"
        )

    def reach(self, *through: str, key: str = "user") -> str:
        """PATH with its ssh; `through` is what starts the sshd."""
        start = " ".join([*through, SSHD, "-i", "-f", str(self.path / "sshd")])
        (self.path / "config").write_text(
            f"Host {self._host}\n  IdentityFile {self.path}/{key}\n  IdentitiesOnly yes\n"
            f"  StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n"
            f"  ProxyCommand {start}\n"
        )
        ssh = self.path / "ssh"
        found = shutil.which("ssh", path=os.environ["PATH"].replace(f"{self.path}:", ""))
        ssh.write_text(f'#!/bin/sh\nexec {found} -F {self.path}/config -o User=root "$@"\n')
        ssh.chmod(0o755)
        return f"{self.path}:{os.environ['PATH']}"
