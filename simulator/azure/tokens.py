"""Access tokens of the simulated Entra: RS256 JWTs in the shape of its v1 tokens, really signed, really verified."""

from __future__ import annotations

import uuid
from base64 import urlsafe_b64encode
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from simulator.provenance import Provenance, rule

if TYPE_CHECKING:
    from simulator.simulation import Simulation

    from .directory import Identity

LIFETIME = 3599
"""Seconds that an access token is good for."""

MANAGEMENT = "https://management.azure.com"
GRAPH = "https://graph.microsoft.com"
KEY_VAULT = "https://vault.azure.net"
STORAGE = "https://storage.azure.com"
"""Not simulated itself: Azurite takes these tokens."""
KUBERNETES = "6dae42f8-4368-4678-94ff-3960e28e3630"
"""The AKS server application, audience of Entra tokens for a Kubernetes API server."""

_RESOURCES = {
    MANAGEMENT: MANAGEMENT,
    "https://management.core.windows.net": MANAGEMENT,
    "797f4846-ba00-4fd7-ba43-dac1f8f63013": MANAGEMENT,
    GRAPH: GRAPH,
    "00000003-0000-0000-c000-000000000000": GRAPH,
    KEY_VAULT: KEY_VAULT,
    "cfa8b339-82a2-471a-a3c9-0fc0be7a4093": KEY_VAULT,
    STORAGE: STORAGE,
    "e406a681-f3d4-42a8-90b6-c2b029497af1": STORAGE,
    KUBERNETES: KUBERNETES,
}
"""The services that tokens can be asked for, under every name that each goes by."""


def resource(name: str) -> str:
    """The service that ``name`` (a URI with or without a trailing slash, or a client id) stands for, or ''."""
    return _RESOURCES.get(name.rstrip("/").lower(), "")


@lru_cache(maxsize=8)
def _key(pem: str) -> RSAKey:
    key = RSAKey.import_key(pem)
    return RSAKey.import_key(pem, {"kid": key.thumbprint(), "use": "sig"})


def signing_key(simulation: Simulation) -> RSAKey:
    """The key of this tenant."""
    if not simulation.azure.signing_key:
        simulation.azure.signing_key = RSAKey.generate_key(2048).as_pem(private=True).decode()
    return _key(simulation.azure.signing_key)


@rule("entra", "v1 access tokens: sts.windows.net issuer, appid, oid, idtyp app, 3599 s", Provenance.DOCUMENTED, "seam")
def issue(simulation: Simulation, identity: Identity, audience: str, roles: list[str], *, by_secret: bool) -> str:
    """A token for ``identity`` at ``audience``, which stands in it as it was asked for."""
    now = int(simulation.clock.seconds())
    tenant = simulation.azure.tenant_id
    claims: dict[str, Any] = {
        "aud": audience,
        "iss": f"https://sts.windows.net/{tenant}/",
        "iat": now,
        "nbf": now,
        "exp": now + LIFETIME,
        "appid": identity.client_id,
        "appidacr": "1" if by_secret else "2",
        "idp": f"https://sts.windows.net/{tenant}/",
        "idtyp": "app",
        "oid": identity.object_id,
        "sub": identity.object_id,
        "tid": tenant,
        "uti": urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("="),
        "ver": "1.0",
    }
    if roles:
        claims["roles"] = roles
    key = signing_key(simulation)
    return jwt.encode({"typ": "JWT", "alg": "RS256", "kid": key.kid}, claims, key)


async def verify(simulation: Simulation, token: str, audience: str) -> dict[str, Any] | None:
    """The claims of an access token that this Entra issued for ``audience``, or None if it is not one (any more)."""
    try:
        claims: dict[str, Any] = jwt.decode(token, signing_key(simulation), algorithms=["RS256"]).claims
    except (JoseError, ValueError):
        return None
    now = simulation.clock.seconds()
    meant = resource(audience) or audience
    if (resource(claims["aud"]) or claims["aud"]) != meant or not claims["nbf"] <= now < claims["exp"]:
        return None
    return claims
