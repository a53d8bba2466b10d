"""The simulator's certificate authority: persisted, and constrained to the names that the simulator serves.

A developer's machine may end up trusting this authority, so it must be unable to vouch for anything else: its
certificate carries critical name constraints.
"""

from __future__ import annotations

import ipaddress
import os
import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PERMITTED_NAMES = (
    "login.microsoftonline.com",
    "login.windows.net",
    "graph.microsoft.com",
    "management.azure.com",
    "vault.azure.net",
    "azmk8s.io",
    "oic.prod-aks.azure.com",
    "azure.github.io",
    "azure-workload-identity-system.svc",
    "kube-system.svc",
    "localhost",
)
"""DNS suffixes under which the authority may issue certificates, and no other."""

_LIFETIME = timedelta(days=3650)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


@dataclass
class Authority:
    """A certificate authority in a directory: ``ca.pem`` for clients to trust, ``ca.key`` readable by the owner."""

    directory: Path
    certificate: x509.Certificate
    _key: ec.EllipticCurvePrivateKey
    _contexts: dict[str, ssl.SSLContext] = field(default_factory=dict)

    @classmethod
    def open(cls, directory: Path) -> Authority:
        """Load the authority kept in ``directory``, or make one there.

        Persisting it matters: kubeconfigs embed the certificate, and a new one would break them at every restart.
        """
        certificate_path, key_path = directory / "ca.pem", directory / "ca.key"
        if certificate_path.exists() and key_path.exists():
            key = serialization.load_pem_private_key(key_path.read_bytes(), None)
            assert isinstance(key, ec.EllipticCurvePrivateKey)
            return cls(directory, x509.load_pem_x509_certificate(certificate_path.read_bytes()), key)
        directory.mkdir(parents=True, exist_ok=True)
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _self_signed(key)
        descriptor = os.open(key_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(_key_pem(key))
        certificate_path.write_bytes(_pem(certificate))
        return cls(directory, certificate, key)

    @property
    def bundle(self) -> Path:
        """The file that clients trust (SSL_CERT_FILE, REQUESTS_CA_BUNDLE). It holds this authority alone."""
        return self.directory / "ca.pem"

    @property
    def pem(self) -> bytes:
        """The authority's certificate, PEM."""
        return _pem(self.certificate)

    def server_context(self, host: str) -> ssl.SSLContext:
        """A TLS context that presents a certificate for ``host``; made once per host.

        Client certificates issued by this authority are accepted and verified where a client offers one.
        """
        if host not in self._contexts:
            certificate, key = self.issue(host, server=True)
            path = self.directory / "hosts" / f"{host}.pem"
            path.parent.mkdir(exist_ok=True)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(key + certificate)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(path)
            context.load_verify_locations(cadata=self.pem.decode())
            context.verify_mode = ssl.CERT_OPTIONAL
            context.set_alpn_protocols(["http/1.1"])
            self._contexts[host] = context
        return self._contexts[host]

    def issue(self, name: str, *, server: bool = False, groups: tuple[str, ...] = ()) -> tuple[bytes, bytes]:
        """A certificate and its key, both PEM: for a host name, or for a client's user name with its groups."""
        key = ec.generate_private_key(ec.SECP256R1())
        attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
        if len(name) <= 64:
            attributes.append(x509.NameAttribute(NameOID.COMMON_NAME, name))
        builder = (
            _builder(key, x509.Name(attributes), self.certificate.subject)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH]),
                critical=False,
            )
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if server:
            builder = builder.add_extension(x509.SubjectAlternativeName([_general_name(name)]), critical=False)
        return _pem(builder.sign(self._key, hashes.SHA256())), _key_pem(key)


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _builder(key: ec.EllipticCurvePrivateKey, subject: x509.Name, issuer: x509.Name) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + _LIFETIME)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _self_signed(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "workload-identity simulator, not for real hosts")])
    loopback = x509.IPAddress(ipaddress.ip_network("127.0.0.0/8"))
    permitted = [*(x509.DNSName(suffix) for suffix in PERMITTED_NAMES), loopback]
    return (
        _builder(key, name, name)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.NameConstraints(permitted_subtrees=permitted, excluded_subtrees=None), critical=True)
        .sign(key, hashes.SHA256())
    )
