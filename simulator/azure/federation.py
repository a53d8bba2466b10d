"""Federated identity credentials: what a written one must look like, and how the token endpoint holds an assertion
against them. The assertion is really checked: its issuer's keys are fetched over HTTP, as Entra does."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from simulator.provenance import Provenance, doubt, rule

from .entra_errors import failure
from .state import FederatedCredential, Trust
from .wire import ticks_z

if TYPE_CHECKING:
    from simulator.simulation import Simulation

    from .directory import Identity

LIMIT = 20
"""Federated credentials per application, and per managed identity."""
LONGEST = 600
"""Characters of an issuer, a subject, an audience or a description."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{2,119}")
_YOUNG = timedelta(minutes=5)
_LAST_INSTANT = datetime.max.replace(tzinfo=UTC).timestamp() - 1
_DISCOVERY = "/.well-known/openid-configuration"


@rule("entra", "name 3-120 of A-Za-z0-9_-, 600 characters, one audience", Provenance.DOCUMENTED, "E1 FIC name, issuer")
def shortcoming(name: str, trust: Trust, description: str | None) -> str:
    """What is wrong with a federated credential on its own, as ``property: reason``, or ''."""
    if not _NAME.fullmatch(name):
        return "name: must be 3 to 120 characters long, of letters, digits, - and _, and begin with a letter or digit"
    if len(trust.audiences) != 1:
        return "audiences: must have exactly one audience"
    values = {"issuer": trust.issuer, "subject": trust.subject, "audiences": trust.audiences[0]}
    for member, value in values.items():
        if not value:
            return f"{member}: must not be empty"
    for member, value in (values | {"description": description or ""}).items():
        if len(value) > LONGEST:
            return f"{member}: must be at most {LONGEST} characters long"
    return ""


def twin(credentials: Iterable[FederatedCredential], name: str, trust: Trust) -> FederatedCredential | None:
    """Another credential with the same issuer and subject, which its owner may have only once."""
    pair = (trust.issuer, trust.subject)
    return next(
        (one for one in credentials if (one.trust.issuer, one.trust.subject) == pair and one.name != name), None
    )


@doubt(
    "graph",
    "with which code and words the 21st credential is refused",
    "400 Directory_ResourceSizeExceeded in words of our own; of a managed identity 400 BadRequest",
    "wire/federated-credentials.yaml more_than_20",
)
def full(credentials: Sequence[FederatedCredential]) -> bool:
    """Whether there is no room for another one."""
    return len(credentials) >= LIMIT


def by_name(credentials: Sequence[FederatedCredential], key: str) -> FederatedCredential | None:
    """The credential with this name or id."""
    return next((one for one in credentials if key in (one.name, one.id)), None)


@doubt(
    "graph",
    "how long, and to which readers, a credential that was written is missing: a read after the write may be a 404",
    "every reader sees it at once; only the token endpoint is late",
    "wire/federated-credentials.yaml eventual_consistency, azurerm#31729",
)
@rule("entra", "a written credential is honoured seconds to minutes later", Provenance.REPORTED, "E1 FIC propagation")
def write(
    simulation: Simulation, credentials: list[FederatedCredential], name: str, trust: Trust, description: str | None
) -> FederatedCredential:
    """Create or update the credential called ``name``; it is honoured when the weather says."""
    now, honoured_at = simulation.clock.now(), simulation.weather.after("federation_propagation")
    existing = by_name(credentials, name)
    if existing is None:
        created = FederatedCredential(str(uuid.uuid4()), name, trust, description, now, honoured_at)
        credentials.append(created)
        return created
    if trust != existing.trust:
        existing.former = _honoured(existing, now)
        existing.trust, existing.written_at, existing.honoured_at = trust, now, honoured_at
    existing.description = description
    return existing


def _honoured(credential: FederatedCredential, now: datetime) -> Trust | None:
    return credential.trust if credential.honoured_at <= now else credential.former


@rule("entra", "a young credential is not seen by every request", Provenance.REPORTED, "E1 FIC flapping, keda#8152")
def _seen(simulation: Simulation, credentials: Iterable[FederatedCredential]) -> list[Trust]:
    """What this one request to the token endpoint goes by."""
    now, weather = simulation.clock.now(), simulation.weather
    trusts = []
    for credential in credentials:
        trust = _honoured(credential, now)
        young = now - credential.written_at < _YOUNG / weather.speed
        if trust is not None and not (young and weather.happens("federation_flapping")):
            trusts.append(trust)
    return trusts


@doubt(
    "entra",
    "in which order an assertion is checked: only that a wrong issuer is told as such is known",
    "tenant, application, whether it trusts anybody, time, issuer, signature, audience, subject",
    "wire/token-endpoint.yaml check_order_guess",
)
async def prove(simulation: Simulation, identity: Identity, assertion: str) -> None:
    """Return when ``assertion`` proves that its bearer is ``identity``; else the :class:`Refusal` that says why not.

    The order of the checks is that of token-endpoint.yaml ``check_order_guess``.
    """
    now = simulation.clock.now()
    claims = _claims(assertion, now)
    trusts = _seen(simulation, identity.federated)
    if not trusts:
        raise failure(70025, now, client=identity.client_id, name=identity.name)
    _within_time(claims, now)
    issuer, subject = str(claims.get("iss", "")), str(claims.get("sub", ""))
    trusts = [trust for trust in trusts if trust.issuer == issuer]
    if not trusts:
        raise failure(700211, now, issuer=issuer)
    _signed(assertion, await _keys(simulation, issuer), now)
    _matched(trusts, claims.get("aud"), subject, now)


def _claims(assertion: str, now: datetime) -> dict[str, Any]:
    """What the assertion says, its signature not looked at yet."""
    try:
        claims = json.loads(jws.extract_compact(assertion.encode()).payload)
    except (JoseError, ValueError, RecursionError):
        raise failure(50027, now) from None
    times = (claims.get("nbf", 0), claims.get("exp", 0)) if isinstance(claims, dict) else ("",)
    if not all(isinstance(instant, int | float) and 0 <= instant <= _LAST_INSTANT for instant in times):
        raise failure(50027, now)
    result: dict[str, Any] = claims
    return result


def _within_time(claims: dict[str, Any], now: datetime) -> None:
    begins, ends = claims.get("nbf", 0), claims.get("exp", 0)
    if not begins <= now.timestamp() + 300 or not now.timestamp() < ends:
        bounds = (datetime.fromtimestamp(instant, UTC) for instant in (begins, ends))
        first, last = (ticks_z(bound) for bound in bounds)
        raise failure(700024, now, current=ticks_z(now), begins=first, ends=last)


@doubt(
    "entra",
    "which of 90061 and 50166 is for the discovery document and which for the keys, and their statuses",
    "400 each: 90061 for the discovery document, 50166 for the keys",
    "limits-and-errors E3 STS 90061 / 50166",
)
async def _keys(simulation: Simulation, issuer: str) -> KeySet:
    """The issuer's published keys, found through its discovery document."""
    now = simulation.clock.now()
    try:
        document = await simulation.fetch(issuer.rstrip("/") + _DISCOVERY)
        location = document.raise_for_status().json()["jwks_uri"]
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError, RecursionError):
        raise failure(90061, now) from None
    try:
        published = await simulation.fetch(str(location))
        return KeySet.import_key_set(published.raise_for_status().json())
    except (httpx.HTTPError, httpx.InvalidURL, JoseError, ValueError, KeyError, TypeError, RecursionError):
        raise failure(50166, now) from None


@rule("entra", "only RS256 assertions are accepted", Provenance.DOCUMENTED, "E1 Signing alg")
def _signed(assertion: str, keys: KeySet, now: datetime) -> None:
    try:
        jwt.decode(assertion, keys, algorithms=["RS256"])
    except (JoseError, ValueError) as error:
        reason = "The key was not found." if isinstance(error, ValueError) else "The signature is not valid."
        raise failure(50013, now, reason=reason) from None


@rule(
    "entra", "issuer, subject and audience match as exact strings", Provenance.REPORTED, "azure-workload-identity#340"
)
def _matched(trusts: list[Trust], audience: object, subject: str, now: datetime) -> None:
    audiences = audience if isinstance(audience, list) else [audience]
    trusts = [trust for trust in trusts if trust.audiences[0] in audiences]
    if not trusts:
        raise failure(700212, now, audience=",".join(map(str, audiences)))
    subjects = {trust.subject for trust in trusts}
    if subject in subjects:
        return
    alike = subject.casefold() in {one.casefold() for one in subjects}
    raise failure(7002138 if alike else 700213, now, subject=subject)
