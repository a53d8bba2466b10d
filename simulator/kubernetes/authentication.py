"""Who is asking: from a client certificate, the static token, an Entra token or a ServiceAccount's token."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.x509.oid import NameOID
from starlette.requests import Request

from simulator.azure import tokens as entra_tokens
from simulator.provenance import Provenance, rule

from . import tokens
from .context import ANONYMOUS, AUTHENTICATED, MASTERS, User
from .errors import unauthorized

if TYPE_CHECKING:
    from simulator.simulation import Simulation

    from .cluster import Cluster

Json = dict[str, Any]

ENTRA_AUDIENCE = "6dae42f8-4368-4678-94ff-3960e28e3630"
"""The application id of Azure Kubernetes Service AAD Server, which is the same in every tenant."""

CREDENTIAL_ID = "authentication.kubernetes.io/credential-id"


@rule(
    "kubernetes",
    "bad credentials are 401, none are anonymous",
    Provenance.RECORDED,
    "errors.yaml rules.unauthenticated",
)
async def authenticate(simulation: Simulation, cluster: Cluster, request: Request) -> User:
    """The caller of a request. Refuses with 401 a credential that is not good; without any the caller is anonymous."""
    certificate = request.scope.get("peer_certificate")
    if certificate and cluster.state.local_accounts:
        return _from_certificate(certificate)
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        user = await _from_token(simulation, cluster, token.strip())
        if user is None:
            raise unauthorized()
        return user
    if certificate:
        raise unauthorized()
    return ANONYMOUS


@rule(
    "kubernetes", "a certificate's CN is the user, its O the groups", Provenance.DOCUMENTED, "X.509 client certificates"
)
def _from_certificate(der: bytes) -> User:
    subject = x509.load_der_x509_certificate(der).subject
    names = [str(item.value) for item in subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    groups = [str(item.value) for item in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
    fingerprint = hashlib.sha256(der).hexdigest()
    extra = {CREDENTIAL_ID: (f"X509SHA256={fingerprint}",)}
    return User(names[0] if names else "", groups=(*groups, AUTHENTICATED), extra=extra)


async def _from_token(simulation: Simulation, cluster: Cluster, token: str) -> User | None:
    state = cluster.state
    if state.local_accounts and state.static_token and hmac.compare_digest(token, state.static_token):
        return User("masterclient", groups=(MASTERS, AUTHENTICATED))
    if user := tokens.authenticated(cluster, token, [tokens.api_audience(cluster)]).user:
        return user
    return await _from_entra(simulation, cluster, token) if state.entra_integrated else None


@rule(
    "kubernetes",
    "AKS accepts Entra tokens; the user is the oid",
    Provenance.DOCUMENTED,
    "AKS-managed Entra integration",
)
async def _from_entra(simulation: Simulation, cluster: Cluster, token: str) -> User | None:
    claims = await entra_tokens.verify(simulation, token, ENTRA_AUDIENCE)
    if claims is None:
        return None
    name = str(claims["oid"])
    masters = (MASTERS,) if name in cluster.state.admins else ()
    return User(name, uid=name, groups=(*masters, AUTHENTICATED))
