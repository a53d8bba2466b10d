"""Signatures of ServiceAccount tokens: RS256 JWTs with the key id that Kubernetes derives from the public key."""

from __future__ import annotations

import base64
import hashlib
import json
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from simulator.provenance import Provenance, rule

Json = dict[str, Any]


def new_key() -> str:
    """A new RSA-2048 private key, PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


@lru_cache(maxsize=64)
def _private(pem: str) -> rsa.RSAPrivateKey:
    # Our own keys need no proof that they are sound, which takes 25 ms of each.
    key = serialization.load_pem_private_key(pem.encode(), None, unsafe_skip_rsa_key_validation=True)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@rule("kubernetes", "kid = base64url(sha256(SPKI))", Provenance.RECORDED, "kubernetes/tokens-and-oidc.yaml jwt.header")
@lru_cache(maxsize=64)
def key_id(pem: str) -> str:
    """The ``kid`` of a private key given as PEM."""
    der = (
        _private(pem)
        .public_key()
        .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return _encoded(hashlib.sha256(der).digest())


def public_jwk(pem: str) -> Json:
    """The public half of a private key, as a JSON web key set lists it."""
    numbers = _private(pem).public_key().public_numbers()

    def number(value: int) -> str:
        return _encoded(value.to_bytes((value.bit_length() + 7) // 8, "big"))

    names = {"use": "sig", "kty": "RSA", "kid": key_id(pem), "alg": "RS256"}
    return names | {"n": number(numbers.n), "e": number(numbers.e)}


@rule("kubernetes", "tokens: RS256, claims in order", Provenance.RECORDED, "kubernetes/tokens-and-oidc.yaml jwt")
def sign(pem: str, claims: Json) -> str:
    """A JWT over the claims, which are written in alphabetical order."""
    header = json.dumps({"alg": "RS256", "kid": key_id(pem)}, separators=(",", ":"))
    payload = json.dumps(claims, separators=(",", ":"), sort_keys=True)
    signed = f"{_encoded(header.encode())}.{_encoded(payload.encode())}"
    signature = _private(pem).sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{signed}.{_encoded(signature)}"


def verified(token: str, keys: list[str]) -> Json | None:
    """The claims of a token that one of the keys (private, PEM) signed, else None. Looks at no claim."""
    try:
        header_text, payload_text, signature_text = token.split(".")
        header = json.loads(_decoded(header_text))
        signature = _decoded(signature_text)
        claims = json.loads(_decoded(payload_text))
    except ValueError:
        return None
    pem = next((key for key in keys if isinstance(header, dict) and key_id(key) == header.get("kid")), None)
    if pem is None or header.get("alg") != "RS256" or not isinstance(claims, dict):
        return None
    try:
        signed = f"{header_text}.{payload_text}".encode()
        _private(pem).public_key().verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return None
    return claims
