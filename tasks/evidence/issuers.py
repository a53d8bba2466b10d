"""What an issuer publishes, and whether the cluster's tokens agree with it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import jwt

from clients.errors import CloudError
from clients.openid import ENTRA, WELL_KNOWN, fetch
from clients.session import Clients
from fleet.diagnosis.evidence import Document


@dataclass(frozen=True)
class Published:
    """The two documents of an issuer. Of the second nothing is known where the first cannot be read."""

    discovery: Document
    keys: Document | None = None


async def published(clients: Clients, issuer: str) -> Published:
    """What Entra finds when it follows the token's issuer."""
    discovery = await _document(clients, issuer.rstrip("/") + WELL_KNOWN)
    if discovery.content is None:
        return Published(discovery)
    return Published(discovery, await _document(clients, str(discovery.content.get("jwks_uri") or "")))


def verifies(keys: Document | None, assertion: str) -> bool | None:
    """Whether a published key verifies the token; None where there are none to try with."""
    if keys is None or keys.content is None:
        return None
    kid = jwt.get_unverified_header(assertion).get("kid")
    for key in keys.content.get("keys") or ():
        if key.get("kid") == kid:
            with suppress(jwt.PyJWTError):
                options = {"verify_aud": False, "verify_exp": False, "verify_nbf": False, "verify_iat": False}
                jwt.decode(assertion, jwt.PyJWK(key).key, algorithms=["RS256"], options=options)  # type: ignore[arg-type]  # its TypedDict is made for literals
                return True
    return False


async def entra_time(clients: Clients) -> datetime:
    """What time it is for Entra; ours where it does not tell."""
    with suppress(CloudError):
        url = f"{ENTRA}/{clients.tenant_id}/v2.0{WELL_KNOWN}"
        answer = await clients.patience.request(lambda: fetch(clients.transport, url))
        if answer.at is not None:
            return answer.at
    return datetime.now(UTC)


async def _document(clients: Clients, url: str) -> Document:
    try:
        answer = await fetch(clients.transport, url)
    except CloudError as error:
        return Document(url, None, error.message)
    return Document(url, answer.content)
