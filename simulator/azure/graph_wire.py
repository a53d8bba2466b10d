"""What all of Microsoft Graph's routes share: the table, the envelopes, the caller's permissions, and collections."""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from starlette.responses import JSONResponse, Response

from simulator.provenance import Provenance, doubt, rule
from simulator.routing import Handler, NotSimulated, Refusal, Routes

from . import odata, tokens
from .shapes import Shape, check
from .state import Json
from .wire import bookmark, parsed, position, seconds_z

if TYPE_CHECKING:
    from starlette.requests import Request

    from simulator.simulation import Simulation
    from simulator.throttling import Limit

HOST = "https://graph.microsoft.com"
METADATA = f"{HOST}/v1.0/$metadata#"
READ = "Application.Read.All"
WRITE = "Application.ReadWrite.All"
OWN = "Application.ReadWrite.OwnedBy"

_CONTENT_TYPE = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"
_DIRECTORY = "Directory.Read.All"
_IMPLIES = {
    WRITE: {WRITE, OWN, READ},
    OWN: {OWN, READ},
    "Directory.ReadWrite.All": {READ, _DIRECTORY},
    _DIRECTORY: {READ, _DIRECTORY},
}
_PAGE, _LARGEST_PAGE = 100, 999
_FILTER_TERMS = 15
_OPTIONS = {"$filter", "$select", "$expand", "$top", "$count", "$skiptoken"}
_EXPANDABLE = "federatedidentitycredentials"


def _diagnostics(request: Request) -> dict[str, str]:
    """The headers on every answer."""
    return {
        "cache-control": "no-cache",
        "strict-transport-security": "max-age=31536000",
        "request-id": request.scope.setdefault("graph_request_id", str(uuid.uuid4())),
        "client-request-id": request.headers.get("client-request-id", request.scope["graph_request_id"]),
        "x-ms-ags-diagnostic": '{"ServerInfo":{"DataCenter":"West Europe","Slice":"E","Ring":"5","ScaleUnit":"000",'
        '"RoleInstance":"AM000000"}}',
        "x-ms-resource-unit": _units(request),
    }


@rule("graph", "filtering applications takes 2 units, all else 1", Provenance.RECORDED, "wire/entra-apps.yaml standing")
def _units(request: Request) -> str:
    return "2" if "$filter" in request.query_params and request.url.path.endswith("/applications") else "1"


def envelope(request: Request, refusal: Refusal) -> Response:
    """entra-apps.yaml ``not_found.body``; ``extra`` members stand beside code and message."""
    headers = _diagnostics(request)
    instant = refusal.headers.pop("x-instant", "")
    inner = {"date": instant, "request-id": headers["request-id"], "client-request-id": headers["client-request-id"]}
    error = {"code": refusal.code, "message": refusal.message, **refusal.extra, "innerError": inner}
    return JSONResponse({"error": error}, refusal.status, headers=headers | refusal.headers)


ROUTES = Routes("graph", envelope)


def answer(request: Request, body: Json, status: int = 200, *, location: str = "") -> Response:
    """A body that succeeds."""
    headers = _diagnostics(request) | {"odata-version": "4.0"} | ({"location": location} if location else {})
    return JSONResponse(body, status, headers=headers, media_type=_CONTENT_TYPE)


def nothing(request: Request) -> Response:
    """204, without the headers that only bodies have."""
    return Response(status_code=204, headers=_diagnostics(request))


@rule("graph", "a member of another type is a 400 that names it", Provenance.REPORTED, "msgraph-sdk-dotnet threads")
@doubt(
    "graph",
    "what is said to a member that Graph does not know (400, as far as threads tell) or that is known to beta alone",
    "501 and noted for every member that the simulator does not know: Graph may",
    "microsoftgraph threads, Request_BadRequest Invalid property",
)
async def received(request: Request, shape: Shape) -> Json:
    """The request's object without OData's annotations, which msgraph-sdk puts at every level."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: plain(each) for name, each in value.items() if "@odata." not in name}
        return [plain(each) for each in value] if isinstance(value, list) else value

    def wrong(path: str, expected: str) -> Refusal:
        return bad_request(f"Invalid value specified for property '{path}': {expected} is expected.")

    result: Json = plain(await parsed(request, "Request_BadRequest"))
    check(result, shape, wrong)
    return result


def entity(request: Request, kind: str, body: Json) -> Json:
    """``body`` with its OData context, cut to ``$select``; ``kind`` as in ``applications/$entity``."""
    return {"@odata.context": f"{METADATA}{kind}", **selected(request, body)}


def selected(request: Request, body: Mapping[str, Any]) -> Json:
    """``body`` cut to ``$select`` and what ``$expand`` added."""
    wanted = [name.strip() for name in request.query_params.get("$select", "").split(",") if name.strip()]
    if not wanted or "*" in wanted:
        return dict(body)
    names = {name.lower() for name in wanted}
    if unknown := names - {name.lower() for name in body}:
        message = f"$select={','.join(sorted(unknown))}"
        raise NotSimulated(message)
    names.add(request.query_params.get("$expand", "").lower())
    return {name: value for name, value in body.items() if name.lower() in names}


def _asked(request: Request) -> None:
    """Tell of query options that the simulator does not know."""
    unknown = set(request.query_params) - _OPTIONS
    expanded = request.query_params.get("$expand", "")
    if expanded and (expanded.lower() != _EXPANDABLE or "/applications" not in request.url.path):
        unknown.add(f"$expand={expanded}")
    if unknown:
        message = f"the query option {', '.join(sorted(unknown))}"
        raise NotSimulated(message)


def not_found(key: str) -> Refusal:
    """What is missing, deleted or not yet replicated."""
    message = f"Resource '{key}' does not exist or one of its queried reference-property objects are not present."
    return Refusal(404, "Request_ResourceNotFound", message)


@rule("graph", "429 TooManyRequests, Please retry again later.", Provenance.DOCUMENTED, "graph/throttling sample")
def too_many(headers: Mapping[str, str] | None = None) -> Refusal:
    """A limit has been reached."""
    return Refusal(429, "TooManyRequests", "Please retry again later.", headers=headers)


def take(simulation: Simulation, limits: list[Limit]) -> None:
    """Take from limits that are known only now; the 429 that says how long to wait where one is reached."""
    if not simulation.weather.dials.throttling or not (refused := simulation.throttle.take(limits)):
        return
    seconds = simulation.weather.retry_after(refused[1])
    raise too_many({"Retry-After": str(math.ceil(seconds))})


def bad_request(message: str, **extra: Any) -> Refusal:
    """The general 400."""
    return Refusal(400, "Request_BadRequest", message, extra=extra)


@rule("graph", "application permissions decide: 401 without a token, 403 without the role", Provenance.DOCUMENTED, "E3")
async def _roles(simulation: Simulation, request: Request) -> set[str]:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Refusal(401, "InvalidAuthenticationToken", "Access token is empty.")
    claims = await tokens.verify(simulation, token, tokens.GRAPH)
    if claims is None:
        raise Refusal(401, "InvalidAuthenticationToken", "Access token validation failure. Invalid audience or token.")
    request.scope["graph_caller"] = claims["oid"]
    roles: set[str] = set()
    for role in claims.get("roles", ()):
        roles |= _IMPLIES.get(role, set()) | {role}
    request.scope["graph_roles"] = roles
    return roles


def needs(*permissions: str) -> Callable[[Handler], Handler]:
    """Decorate a handler that any one of these application permissions lets in; none given: any token does."""

    def guard(handler: Handler) -> Handler:
        @wraps(handler)
        async def guarded(simulation: Simulation, request: Request) -> Response:
            _asked(request)
            try:
                roles = await _roles(simulation, request)
                if permissions and roles.isdisjoint(permissions):
                    raise denied()
                return await handler(simulation, request)
            except Refusal as refusal:
                refusal.headers["x-instant"] = seconds_z(simulation.clock.now())[:-1]
                raise

        return guarded

    return guard


def denied() -> Refusal:
    """The caller's token lacks the permission."""
    return Refusal(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")


def caller(request: Request) -> str:
    """The caller's object id."""
    return str(request.scope["graph_caller"])


def may_change(request: Request, owner: str) -> None:
    """Refuse a caller who may change only what it owns and does not own this."""
    if WRITE not in request.scope["graph_roles"] and owner != caller(request):
        raise denied()


def collection(request: Request, kind: str, items: Iterable[Json], shown: Callable[[Json], Json]) -> Response:
    """One page of a collection: ``$filter``, ``$count``, ``$top`` and the skip token of the page before.

    ``items`` are filtered as they are, then each is ``shown``.
    """
    query = request.query_params
    items = _filtered(request, items)
    first = _offset(query.get("$skiptoken", ""))
    size = _size(query.get("$top", ""))
    body: Json = {"@odata.context": f"{METADATA}{kind}"}
    if query.get("$count") == "true" and _eventual(request):
        body["@odata.count"] = len(items)
    if first + size < len(items):
        body["@odata.nextLink"] = _next_link(request, first + size)
    body["value"] = [selected(request, shown(item)) for item in items[first : first + size]]
    return answer(request, body)


@rule("graph", "advanced filters need ConsistencyLevel: eventual and $count", Provenance.DOCUMENTED, "bulk-reads.md")
@rule(
    "graph", "a filter has at most 15 terms in an in or a chain of or", Provenance.DOCUMENTED, "bulk-reads.md appId in"
)
@doubt(
    "graph",
    "how much later than a plain read an advanced query, which reads an index, sees a write",
    "as soon as a plain read",
    "bulk-reads.md applications that trust a subject",
)
@doubt("graph", "what is said to a filter of more than 15 terms", "400 Request_UnsupportedQuery", "bulk-reads.md")
def _filtered(request: Request, items: Iterable[Json]) -> list[Json]:
    text = request.query_params.get("$filter", "")
    if not text:
        return list(items)
    try:
        parsed = odata.parse(text)
    except odata.FilterError as error:
        raise bad_request(f"Invalid filter clause: {error}.") from None
    items = list(items)
    if unknown := odata.unheard_of(parsed, items):
        message = f"a $filter over {unknown}"
        raise NotSimulated(message)
    if parsed.terms > _FILTER_TERMS:
        message = (
            "Too many child clauses specified in search filter expression containing 'OR' operators: "
            f"{parsed.terms}. Max allowed: {_FILTER_TERMS}."
        )
        raise Refusal(400, "Request_UnsupportedQuery", message)
    if parsed.advanced and not (_eventual(request) and request.query_params.get("$count") == "true"):
        raise Refusal(400, "Request_UnsupportedQuery", "Unsupported query.")
    return [item for item in items if parsed.matches(item)]


def _eventual(request: Request) -> bool:
    return request.headers.get("consistencylevel", "").lower() == "eventual"


def _size(top: str) -> int:
    if not top:
        return _PAGE
    if not top.isdecimal() or not 1 <= int(top) <= _LARGEST_PAGE:
        raise bad_request(f"Invalid page size specified: '{top}'. Must be between 1 and {_LARGEST_PAGE} inclusive.")
    return int(top)


def _offset(token: str) -> int:
    if not token:
        return 0
    try:
        return position(token)
    except ValueError:
        raise Refusal(400, "Directory_ExpiredPageToken", "The specified page token value has expired.") from None


def _next_link(request: Request, offset: int) -> str:
    kept = {name: value for name, value in request.query_params.items() if name != "$skiptoken"}
    token = bookmark(offset)
    query = urlencode(kept | {"$skiptoken": token}, safe="$'()/:,", quote_via=quote)
    path = re.sub(r"/{2,}", "/", request.url.path)
    return f"{HOST}{path}?{query}"
