"""The certificates that the webhook makes for itself."""

from __future__ import annotations

import base64
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from simulator.provenance import Provenance, rule

_AUTHORITY_LIFETIME, _LIFETIME = timedelta(days=3650), timedelta(days=365)


@rule("webhook", "self-made CA and serving certificate", Provenance.RECORDED, "admission.yaml certs")
def server_certificate(host: str, now: datetime) -> dict[str, str]:
    """The data of the webhook's Secret, base64: a new authority and a certificate of it for ``host``."""
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "azure-workload-identity"),
            x509.NameAttribute(NameOID.COMMON_NAME, "azure-workload-identity-ca"),
        ]
    )
    authority = (
        _builder(issuer, authority_key, issuer, now, _AUTHORITY_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    # A common name holds 64 characters; verifiers read the subject alternative name.
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)] if len(host) <= 64 else [])
    certificate = (
        _builder(subject, key, issuer, now, _LIFETIME)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    files = {
        "ca.crt": authority.public_bytes(serialization.Encoding.PEM),
        "ca.key": _key_pem(authority_key),
        "tls.crt": certificate.public_bytes(serialization.Encoding.PEM),
        "tls.key": _key_pem(key),
    }
    return {name: base64.b64encode(content).decode() for name, content in files.items()}


def _builder(
    subject: x509.Name, key: ec.EllipticCurvePrivateKey, issuer: x509.Name, now: datetime, lifetime: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + lifetime)
    )


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
