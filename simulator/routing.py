"""From a request to the function that answers it.

Every service is a table of routes; a route names its method, its path, and where its behaviour is known from. What no
route serves is answered with a loud 501 that says what was asked: a silent 200 would hide that the simulator does not
know something.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from .provenance import LEDGER, Provenance, Rule

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from .simulation import Simulation

Handler = Callable[["Simulation", Request], Awaitable[Response]]


class Refusal(Exception):
    """An error answer of a service, thrown from anywhere below a handler.

    ``code`` and ``message`` go into the service's own error envelope; ``extra`` are further members of it.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status, self.code, self.message = status, code, message
        self.headers, self.extra = dict(headers or {}), dict(extra or {})


class NotSimulated(Exception):
    """Thrown from anywhere below a handler for what the real service may know and the simulator does not.

    ``what`` names it: an api-version, a member of the body, a query option. Answered by a 501, as an unknown route.
    """

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


@dataclass(frozen=True)
class Route:
    """One row of a service's table."""

    method: str
    template: str
    pattern: re.Pattern[str]
    handler: Handler


def _compile(template: str, *, ignore_case: bool) -> re.Pattern[str]:
    """``/a/{x}/b/{rest:path}`` as a regular expression; ``{x}`` is one segment, ``:path`` is any rest."""
    expression = ""
    for literal, name, kind in re.findall(r"([^{]*)(?:\{(\w+)(:path)?\})?", template):
        expression += re.escape(literal)
        if name:
            expression += f"(?P<{name}>{'.*' if kind else '[^/]+'})"
    return re.compile(expression + "/?$", re.IGNORECASE if ignore_case else 0)


@dataclass
class Routes:
    """The table of one service. ``envelope`` turns a refusal into the service's own error answer."""

    area: str
    envelope: Callable[[Request, Refusal], Response]
    ignore_case: bool = False
    table: list[Route] = field(default_factory=list)

    def add(self, method: str, template: str, provenance: Provenance, source: str) -> Callable[[Handler], Handler]:
        """Decorate the handler of ``METHOD /path/{with}/{parameters}``; the first matching row answers."""

        def enter(handler: Handler) -> Handler:
            route = Route(method, template, _compile(template, ignore_case=self.ignore_case), handler)
            LEDGER[Rule(self.area, f"{method} {template}", provenance, source)] = route
            self.table.append(route)
            return handler

        return enter

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        """The row that answers, with the path's parameters, or None."""
        for route in self.table:
            if route.method == method and (match := route.pattern.match(path)):
                return route, match.groupdict()
        return None


class Service:
    """A table of routes bound to a simulation, as an ASGI application."""

    def __init__(self, simulation: Simulation, *tables: Routes) -> None:
        self._simulation = simulation
        self._tables = tables

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        try:
            response = await self._answer(request)
        except ClientDisconnect:
            return
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        path = re.sub(r"/{2,}", "/", request.url.path)  # msgraph-sdk sends /v1.0//applications
        for table in self._tables:
            if found := table.find(request.method, path):
                route, parameters = found
                request.scope["path_params"] = parameters
                request.scope["route_template"] = f"{route.method} {route.template}"
                try:
                    return await route.handler(self._simulation, request)
                except Refusal as refusal:
                    return table.envelope(request, refusal)
                except NotSimulated as unheard_of:
                    return unknown(self._simulation, request, unheard_of.what)
        return unknown(self._simulation, request)


def unknown(simulation: Simulation, request: Request, what: str = "") -> Response:
    """The 501 for what the simulator does not know, noted so that a test suite can assert that there was none."""
    asked = f"{request.method} {request.url.hostname}{request.url.path}" + (f" with {what}" if what else "")
    simulation.unknown.append(asked)
    message = f"The simulator does not know {asked}. Nothing was done."
    return JSONResponse({"error": {"code": "NotSimulated", "message": message}}, status_code=501)
