"""What each service says when it is too busy or broken: its own envelope, its own codes, or a gateway's page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import HTMLResponse, Response

from .azure import arm, entra, graph, key_vault
from .azure.entra_errors import failure
from .azure.graph_wire import too_many
from .kubernetes import errors
from .provenance import Provenance, rule
from .routing import Refusal

if TYPE_CHECKING:
    from starlette.requests import Request

    from .faults import Fault
    from .simulation import Simulation

_EXACT = ("login.microsoftonline.com", "login.windows.net", "graph.microsoft.com", "management.azure.com")
_SUFFIXES = (".vault.azure.net", ".azmk8s.io")
_AADSTS = {429: 90055, 500: 90033, 503: 90033}


def knows(host: str) -> bool:
    """Whether the service of this host ever has bad weather: not the charts' repository, not the OIDC documents."""
    return host in _EXACT or host.endswith(_SUFFIXES)


def answer(simulation: Simulation, host: str, request: Request, fault: Fault) -> Response:
    """The service's answer to a request that it cannot serve just now."""
    if fault.status == 502:
        return _gateway()
    response = _in_own_words(simulation, host, request, fault)
    if fault.retry_after is not None:
        seconds = simulation.weather.retry_after(fault.retry_after)
        # Whole seconds, which may be none; in milliseconds where the service speaks them.
        if seconds < 1 and (host == "management.azure.com" or host.endswith(".vault.azure.net")):
            response.headers["x-ms-retry-after-ms"] = str(round(seconds * 1000))
        else:
            response.headers["Retry-After"] = str(round(seconds))
    return response


def _in_own_words(simulation: Simulation, host: str, request: Request, fault: Fault) -> Response:
    if host == "management.azure.com":
        return arm.TABLES[0].envelope(request, _resource_manager(request, fault))
    if host == "graph.microsoft.com":
        return graph.ROUTES.envelope(request, _graph(fault, simulation.clock.now().strftime("%Y-%m-%dT%H:%M:%S")))
    if host.endswith(".vault.azure.net"):
        return key_vault.ROUTES.envelope(request, _key_vault(fault))
    if host.endswith(".azmk8s.io"):
        return errors.answer(_kubernetes(fault))
    refusal = failure(_AADSTS[fault.status], simulation.clock.now())
    refusal.status = fault.status
    return entra.ROUTES.envelope(request, refusal)


@rule("weather", "a gateway's 502 is a page of HTML", Provenance.REPORTED, "what proxies before the services send")
def _gateway() -> Response:
    page = (
        "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>"
    )
    return HTMLResponse(f"{page}\r\n</body>\r\n</html>\r\n", 502)


@rule("arm", "429 SubscriptionRequestsThrottled", Provenance.REPORTED, "azure-docs#105248")
@rule("arm", "503 ServerTimeout, 500 InternalServerError", Provenance.DOCUMENTED, "common API error codes")
def _resource_manager(request: Request, fault: Fault) -> Refusal:
    if fault.status == 429:
        parts = request.url.path.split("/")
        subscription = parts[2] if len(parts) > 2 else ""
        wait = max(round(fault.retry_after or 0), 1)
        message = (
            f"Number of '{fault.limit}' requests for subscription '{subscription}' exceeded. Please try again after "
            f"'{wait}' seconds."
        )
        return Refusal(429, "SubscriptionRequestsThrottled", message)
    if fault.status == 503:
        message = "The request timed out. Please try again later."
        return Refusal(503, "ServerTimeout", message, headers={"x-ms-failure-cause": "service"})
    return Refusal(500, "InternalServerError", "An unexpected error occurred while processing the request.")


@rule("graph", "503 serviceNotAvailable, 500 generalException", Provenance.DOCUMENTED, "graph/errors")
def _graph(fault: Fault, now: str) -> Refusal:
    if fault.status == 429:
        return too_many({"x-instant": now})
    code, message = {
        503: ("Service_ServiceUnavailable", "Service is temporarily unavailable. Please wait and retry again."),
    }.get(fault.status, ("Service_InternalServerError", "Encountered an internal server error."))
    return Refusal(fault.status, code, message, headers={"x-instant": now})


@rule("key vault", "429 Throttled", Provenance.REPORTED, "AzureSignTool#219, dotnet/sign#403")
@rule("key vault", "503 and 500 in the vault's envelope", Provenance.ASSUMED, "the codes are not told")
def _key_vault(fault: Fault) -> Refusal:
    code, message = {
        429: (
            "Throttled",
            "Request was not processed because too many requests were received. Reason: VaultRequestTypeLimitReached",
        ),
        503: ("ServiceUnavailable", "The service is unavailable."),
    }.get(fault.status, ("InternalServerError", "An internal error has occurred."))
    return Refusal(fault.status, code, message)


@rule("kubernetes", "429, 503 and 500 as a Status", Provenance.DOCUMENTED, "apimachinery StatusReason...")
def _kubernetes(fault: Fault) -> Refusal:
    wait = {"retryAfterSeconds": max(round(fault.retry_after or 1), 1)}
    if fault.status == 429:
        message = "The server has received too many requests and has asked us to try again later"
        return errors.refuse(429, "TooManyRequests", message, wait)
    if fault.status == 503:
        message = "The server is currently unable to handle the request"
        return errors.refuse(503, "ServiceUnavailable", message, wait)
    return errors.internal("etcdserver: request timed out")
