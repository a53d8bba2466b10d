"""How many requests the services take in a time: token buckets at the documented rates, on the simulator's clock.

A bucket holds some tokens and gets new ones at a rate; a request takes one, or its cost. What finds too few is
answered 429. ``speed`` multiplies the rates, as it divides the delays.
"""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from .azure.vault_names import vault_of_host
from .provenance import Provenance, doubt, rule

if TYPE_CHECKING:
    from starlette.types import Scope

    from .azure.state import AzureState
    from .weather import Weather

_READS = ("GET", "HEAD", "OPTIONS")
_IDENTITIES = re.compile(r"/providers/microsoft\.managedidentity/userassignedidentities(/[^/]+)?(/.*)?$")
_BURST_SECONDS = 20.0
"""A rate of less than one in a second must still let the first request pass."""
_ROUNDING = 1e-3
"""Of a token: what seconds since 1970 lose as a floating-point number."""


@dataclass(frozen=True)
class Limit:
    """``tokens`` at once, then ``per_second`` of the cloud's seconds, for everybody who shares ``shared_by``."""

    name: str
    shared_by: str
    tokens: float
    per_second: float
    cost: float = 1.0


@dataclass
class _Bucket:
    tokens: float
    filled_at: float


class Throttle:
    """The buckets of one simulation."""

    def __init__(self, weather: Weather) -> None:
        self._weather = weather
        self._buckets: dict[tuple[str, str], _Bucket] = {}

    def take(self, limits: list[Limit]) -> tuple[Limit, float] | None:
        """Take what one request costs from all its buckets, or nothing from any of them.

        Else the limit that stands in the way is returned, with the cloud's seconds until it will not.
        """
        now = self._weather.clock.seconds()
        buckets = [self._filled(limit, now) for limit in limits]
        for limit, bucket in zip(limits, buckets, strict=True):
            if bucket.tokens + _ROUNDING < limit.cost:
                return limit, (limit.cost - bucket.tokens) / limit.per_second
        for limit, bucket in zip(limits, buckets, strict=True):
            bucket.tokens -= limit.cost
        return None

    def _filled(self, limit: Limit, now: float) -> _Bucket:
        bucket = self._buckets.setdefault((limit.name, limit.shared_by), _Bucket(limit.tokens, now))
        gained = (now - bucket.filled_at) * limit.per_second * self._weather.speed
        bucket.tokens, bucket.filled_at = min(limit.tokens, bucket.tokens + gained), now
        return bucket


def limits(azure: AzureState, host: str, scope: Scope) -> list[Limit]:
    """The limits that a request counts against. One without a token counts against none."""
    who = _principal(_header(scope, b"authorization"))
    if not who:
        return []
    if host == "management.azure.com":
        path = scope["path"].lower()
        return [*_resource_manager(scope["method"], path, who), *_managed_identity(scope["method"], path)]
    if host == "graph.microsoft.com":
        return _graph(scope, who)
    return list(_key_vault(azure, host)) if host.endswith(".vault.azure.net") else []


@rule(
    "arm",
    "per subscription, principal and kind of request: reads 250 + 25/s, writes and deletes 200 + 10/s; of all "
    "principals 15 times that",
    Provenance.DOCUMENTED,
    "limits-and-errors E1, request-limits-and-throttling",
)
def _resource_manager(method: str, path: str, who: str) -> Iterator[Limit]:
    parts = path.split("/")
    subscription = parts[2] if len(parts) > 2 and parts[1] == "subscriptions" else "tenant"
    kind = "read" if method in _READS else "delete" if method == "DELETE" else "write"
    tokens, rate = (250.0, 25.0) if kind == "read" else (200.0, 10.0)
    yield Limit(f"{kind}", f"{subscription} {who}", tokens, rate)
    yield Limit(f"global {kind}", subscription, tokens * 15, rate * 15)


@rule(
    "arm",
    "managed identities in a second, of the tenant, a subscription, one identity: write and delete 10, 2, 0.25; get "
    "30, 10, 0.5; list 15, 5, 0.25",
    Provenance.DOCUMENTED,
    "limits-and-errors E1 UAMI REST throttling",
)
@rule("arm", "of these rates 20 s may come at once", Provenance.ASSUMED, "the documentation gives rates alone")
def _managed_identity(method: str, path: str) -> Iterator[Limit]:
    found = _IDENTITIES.search(path)
    if found is None:
        return
    kind = {"GET": "get", "DELETE": "delete"}.get(method, "write")
    if kind == "get" and (found.group(1) is None or (found.group(2) or "").endswith("/federatedidentitycredentials")):
        kind = "list"
    rates = {"get": (30.0, 10.0, 0.5), "list": (15.0, 5.0, 0.25)}.get(kind, (10.0, 2.0, 0.25))
    shares = ("tenant", path.split("/")[2], "/".join(path.split("/")[:9]) if found.group(1) else "")
    for rate, shared_by in zip(rates, shares, strict=True):
        if shared_by:
            yield Limit(f"managed identity {kind}", shared_by, max(rate * _BURST_SECONDS, 1), rate)


@rule(
    "graph",
    "writes 3,000 in 150 s of an application; 3,500 units in 10 s of a small tenant, a list of applications costs 2, "
    "with $select or a $top below 20 one less each, with $expand one more, at least 1; "
    "writes of a tenant 18,000 in 300 s",
    Provenance.DOCUMENTED,
    "limits-and-errors E1 Graph writes, Graph units",
)
@rule("graph", "a batch itself takes nothing, each of its steps what it costs", Provenance.DOCUMENTED, "json-batching")
def _graph(scope: Scope, who: str) -> list[Limit]:
    if scope["path"].endswith("/$batch"):
        return []
    query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
    cost = 2 if scope["method"] == "GET" and scope["path"].rstrip("/").endswith("/applications") else 1
    top = query.get("$top", [""])[0]
    cost += ("$expand" in query) - ("$select" in query) - (top.isdecimal() and int(top) < 20)
    units = [Limit("units", "tenant", 3500, 350, max(cost, 1))]
    if scope["method"] in _READS:
        return units
    return [*units, Limit("writes", who, 3000, 20), Limit("writes", "tenant", 18_000, 60)]


@rule(
    "graph",
    "applications for personal accounts too are written 60 times in a minute",
    Provenance.DOCUMENTED,
    "limits-and-errors E1 Graph writes on apps",
)
@doubt(
    "graph",
    "among whom the 60 writes are shared, and whether a federated credential is such a write",
    "each principal has its own 60; only the application itself counts",
    "limits-and-errors E1 Graph writes on apps",
)
def personal(who: str) -> list[Limit]:
    """The limit of writes on applications that people with personal accounts can sign in to."""
    return [Limit("writes for personal accounts", who, 60, 1)]


@rule(
    "key vault",
    "4,000 requests in 10 s of a vault, five times that of a subscription's vaults; what is refused does not count",
    Provenance.DOCUMENTED,
    "limits-and-errors E1 Key Vault",
)
@doubt(
    "key vault",
    "the rate of secrets is remembered, not read; which requests count together",
    "as the documented rate of keys, all kinds of requests alike",
    "limits-and-errors E1 Key Vault",
)
def _key_vault(azure: AzureState, host: str) -> Iterator[Limit]:
    yield Limit("transactions", host, 4000, 400)
    if vault := vault_of_host(azure, host):
        yield Limit("transactions of a subscription", vault.body["id"].split("/")[2], 20_000, 2000)


def _header(scope: Scope, wanted: bytes) -> str:
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == wanted), "")


@lru_cache(maxsize=1024)
def _principal(authorization: str) -> str:
    """The object id that a bearer token names; only told apart here, believed elsewhere."""
    payload = authorization.partition(" ")[2].split(".")
    try:
        claims = json.loads(urlsafe_b64decode(payload[1] + "=" * (-len(payload[1]) % 4)))
        return str(claims["oid"])
    except (IndexError, KeyError, TypeError, ValueError):
        return ""
