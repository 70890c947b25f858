"""An authority of one test run, and what it signs for servers and clients."""

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_LIFE = timedelta(days=2)
_NAMES = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")
_USES = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)


class Authority:
    """Writes `<name>.crt` and `<name>.key` (PEM) into its folder; it is `ca` itself."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        made = _begun(self._name, self._name, self._key.public_key()).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        self.certificate = self._write("ca", self._key, made.sign(self._key, hashes.SHA256()))

    def sign(
        self, name: str, *, user: str, group: str = "", addresses: tuple[str, ...] = ()
    ) -> Path:
        """A certificate for both ends of TLS; the path of it, its key beside it."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = [x509.NameAttribute(NameOID.COMMON_NAME, user)]
        if group:
            subject.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, group))
        begun = _begun(x509.Name(subject), self._name, key.public_key())
        begun = begun.add_extension(x509.ExtendedKeyUsage(_USES), critical=False)
        if addresses:
            known = [x509.DNSName(name) for name in _NAMES]
            known_ips = [x509.IPAddress(ipaddress.ip_address(a)) for a in addresses]
            begun = begun.add_extension(
                x509.SubjectAlternativeName([*known, *known_ips]), critical=False
            )
        return self._write(name, key, begun.sign(self._key, hashes.SHA256()))

    def _write(
        self, name: str, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate
    ) -> Path:
        path = self.folder / f"{name}.crt"
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        path.with_suffix(".key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return path


def _begun(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + _LIFE)
    )
