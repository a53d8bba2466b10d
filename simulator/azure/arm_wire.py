"""What all of Azure Resource Manager's routes share: tables, envelope, the caller and its permissions, answers."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response

from simulator.provenance import Provenance, doubt, rule
from simulator.routing import Handler, NotSimulated, Refusal, Routes

from . import api_versions, odata, roles, tokens
from .state import Json, Subscription

if TYPE_CHECKING:
    from starlette.requests import Request

    from simulator.simulation import Simulation

HOST = "https://management.azure.com"
SUBSCRIPTION = "/subscriptions/{sub}"
GROUP = f"{SUBSCRIPTION}/resourceGroups/{{rg}}"


_REMAINING = {
    "read": {"global-reads": "16499"},
    "write": {"writes": "799", "global-writes": "11999"},
    "delete": {"deletes": "799", "global-deletes": "11999"},
}
"""What is left of the caller's requests, after ``x-ms-ratelimit-remaining-subscription-``, as recorded in 2026."""


class Unwrapped(Refusal):
    """A provider's own refusal, answered without the ``error`` around it that the gateway puts there."""


@rule("arm", "standing headers, remaining requests by kind", Provenance.RECORDED, "wire/00-reading-notes.yaml arm")
@doubt(
    "arm",
    "how many requests are left: the recordings show the first of a kind only",
    "always as many as after one request; the 429 itself goes by the documented rates",
    "wire/00-reading-notes.yaml throttle_headers",
)
def _standing(request: Request) -> dict[str, str]:
    """The headers on every answer."""
    headers = {
        "cache-control": "no-cache",
        "pragma": "no-cache",
        "expires": "-1",
        "strict-transport-security": "max-age=31536000; includeSubDomains",
        "x-content-type-options": "nosniff",
        "x-ms-request-id": str(uuid.uuid4()),
        "x-ms-correlation-request-id": request.headers.get("x-ms-correlation-request-id", str(uuid.uuid4())),
        "x-cache": "CONFIG_NOCACHE",
    }
    kind = {"GET": "read", "HEAD": "read", "DELETE": "delete"}.get(request.method, "write")
    remaining = {f"x-ms-ratelimit-remaining-subscription-{name}": left for name, left in _REMAINING[kind].items()}
    return headers | remaining


def _envelope(request: Request, refusal: Refusal) -> Response:
    error = {"code": refusal.code, "message": refusal.message, **refusal.extra}
    headers = _standing(request) | refusal.headers
    if isinstance(refusal, Unwrapped):
        return JSONResponse(error, refusal.status, headers=headers)
    return JSONResponse({"error": error}, refusal.status, headers=headers, media_type="application/json; charset=utf-8")


def table() -> Routes:
    """A table of ARM routes, whose paths match without regard to case."""
    return Routes("arm", _envelope, ignore_case=True)


class _Pretty(JSONResponse):
    """One more space per level."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, ensure_ascii=False, indent=1).encode()


@rule("arm", "managed clusters answer indented JSON", Provenance.RECORDED, "wire/aks.yaml create.body_text")
def indented(request: Request, body: Json | None, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """As :func:`answer`, in the form of the provider of managed clusters."""
    if body is None:
        return answer(request, None, status, headers)
    return _Pretty(body, status, headers=_standing(request) | (headers or {}))


def answer(request: Request, body: Json | None, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """An answer that succeeds; ``body`` None is an empty one."""
    standing = _standing(request) | (headers or {})
    if body is None:
        return Response(status_code=status, headers=standing)
    return JSONResponse(body, status, headers=standing)


@rule(
    "arm", "clients wait 30 s between polls unless told otherwise", Provenance.RECORDED, "wire/aks.yaml poll, seam.md"
)
def wait(simulation: Simulation, until: datetime) -> dict[str, str]:
    """The header that says when to ask again: after 30 s of the cloud's time, or when ``until`` is reached.

    Under a second it is told in milliseconds: azure-core takes ``Retry-After: 0`` for none, which is 30 s.
    """
    remaining = (until - simulation.clock.now()).total_seconds()
    seconds = min(simulation.weather.retry_after(30), max(remaining, 0.05))
    if seconds >= 1:
        return {"Retry-After": str(round(seconds))}
    return {"x-ms-retry-after-ms": str(round(seconds * 1000))}


@dataclass(frozen=True)
class Caller:
    """Who asks."""

    object_id: str
    client_id: str


@rule("arm", "401 names the tenant to sign in to", Provenance.REPORTED, "azwi.md phase (tenant)")
async def caller(simulation: Simulation, request: Request) -> Caller:
    """Who asks, by the bearer token; a 401 refusal without one."""
    tenant = simulation.azure.tenant_id
    realm = f'Bearer authorization_uri="https://login.windows.net/{tenant}", error="invalid_token", error_description='
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        problem = "The authentication failed because of missing 'Authorization' header."
        message = "Authentication failed. The 'Authorization' header is missing."
        raise Refusal(401, "AuthenticationFailed", message, headers={"WWW-Authenticate": f'{realm}"{problem}"'})
    claims = await tokens.verify(simulation, token, tokens.MANAGEMENT)
    if claims is None:
        problem = "The access token is invalid."
        headers = {"WWW-Authenticate": f'{realm}"{problem}"'}
        raise Refusal(401, "InvalidAuthenticationToken", problem, headers=headers)
    return Caller(claims["oid"], claims["appid"])


def subscription(simulation: Simulation, sub: str) -> Subscription:
    """The subscription, or 404."""
    found = simulation.azure.subscriptions.get(sub.lower())
    if found is None:
        raise Refusal(404, "SubscriptionNotFound", f"The subscription '{sub}' could not be found.")
    return found


def needs(action: str, scope: str, *query: str) -> Callable[[Handler], Handler]:
    """Decorate a handler of those that may do ``action`` at ``scope``, templates over the path's parameters.

    The caller stands in ``request.state.caller``. '' as the action lets everybody in who is signed in. ``query`` are
    the options that the handler knows beside the api-version.
    """

    def guard(handler: Handler) -> Handler:
        @wraps(handler)
        async def guarded(simulation: Simulation, request: Request) -> Response:
            _asked(request, {"api-version", *query})
            request.state.caller = await caller(simulation, request)
            if "sub" in request.path_params:
                subscription(simulation, request.path_params["sub"])
            if action:
                places = request.path_params
                authorize(simulation, request.state.caller, action.format_map(places), scope.format_map(places))
            return await handler(simulation, request)

        return guarded

    return guard


@rule("arm", "every request names an api-version", Provenance.DOCUMENTED, "MissingApiVersionParameter")
def _asked(request: Request, query: set[str]) -> None:
    """Refuse a request without a version; tell of a version or of query options that the simulator does not know."""
    version = request.query_params.get("api-version")
    if not version:
        message = (
            "The api-version query parameter (?api-version=) is required for all requests with the exception of "
            "the deployment template functions."
        )
        raise Refusal(400, "MissingApiVersionParameter", message)
    api_versions.check(request.scope["route_template"], version)
    if unknown := set(request.query_params) - query:
        message = f"the query option {', '.join(sorted(unknown))}"
        raise NotSimulated(message)


def authorize(simulation: Simulation, who: Caller, action: str, scope: str) -> None:
    """403 as role-assignments.yaml ``forbidden`` unless the caller's roles allow it."""
    if not roles.allowed(simulation, who.object_id, action, scope):
        raise forbidden(who, action, scope)


def forbidden(who: Caller, action: str, scope: str) -> Refusal:
    """The 403 of a caller whose roles do not allow the action at the scope."""
    message = (
        f"The client '{who.client_id}' with object id '{who.object_id}' does not have authorization to perform "
        f"action '{action}' over scope '{scope}' or the scope is invalid. If access was recently granted, please "
        "refresh your credentials."
    )
    return Refusal(403, "AuthorizationFailed", message)


def group(simulation: Simulation, request: Request) -> Json:
    """The resource group of the path, or 404."""
    sub, rg = request.path_params["sub"], request.path_params["rg"]
    found = simulation.azure.resource_groups.get(f"/subscriptions/{sub}/resourcegroups/{rg}".lower())
    if found is None:
        raise Refusal(404, "ResourceGroupNotFound", f"Resource group '{rg}' could not be found.")
    return found


def region(sent: Json, otherwise: str) -> str:
    """The short name of the location that a body names, which may be a display name: westeurope, of West Europe."""
    named = str(sent.get("location") or otherwise).replace(" ", "").lower()
    if named and not re.fullmatch("[a-z0-9]{1,40}", named):
        message = f"The provided location '{named}' is not available for the resource."
        raise Refusal(400, "LocationNotAvailableForResourceType", message)
    return named


def resource_not_found(kind: str, name: str, rg: str) -> Refusal:
    """00-reading-notes.yaml ``not_found_resource``: the gateway answers it, alike for every provider."""
    message = (
        f"The Resource '{kind}/{name}' under resource group '{rg}' was not found. For more details please go to "
        "https://aka.ms/ARMResourceNotFoundFix"
    )
    return Refusal(404, "ResourceNotFound", message, headers={"x-ms-failure-cause": "gateway"})


@rule("arm", "writing needs the provider registered", Provenance.REPORTED, "limits-and-errors E1 AKS preview flag")
def registered(simulation: Simulation, request: Request, namespace: str) -> None:
    """409 where the subscription has not registered the provider."""
    provider = subscription(simulation, request.path_params["sub"]).providers.get(namespace.lower())
    if provider is not None and provider.state != "Registered":
        message = (
            f"The subscription is not registered to use namespace '{namespace}'. See https://aka.ms/rps-not-found for "
            "how to register subscriptions."
        )
        raise Refusal(409, "MissingSubscriptionRegistration", message)


def filtered(
    request: Request,
    items: list[Json],
    functions: dict[str, Callable[[Any, str], bool]] | None = None,
) -> list[Json]:
    """The items that ``$filter`` lets through; 400 for a filter that is not understood."""
    text = request.query_params.get("$filter", "")
    if not text:
        return items
    try:
        parsed = odata.parse(text, functions)
    except odata.FilterError as error:
        message = f"Invalid $filter '{text}' specified in the query string: {error}."
        raise Refusal(400, "InvalidFilterInQueryString", message) from None
    if unknown := odata.unheard_of(parsed, items):
        message = f"a $filter over {unknown}"
        raise NotSimulated(message)
    return [item for item in items if parsed.matches(item)]
