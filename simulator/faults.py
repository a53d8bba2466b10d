"""What goes wrong with a request before a service has seen it, or after it was carried out and before it is answered.

A request that fails and was carried out all the same is the nasty one: who simply repeats it finds its own work.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.requests import Request

from . import apologies, throttling
from .provenance import Provenance, rule

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from .simulation import Simulation
    from .weather import Weather

ERRORS = (503, 503, 500, 502)
"""A busy service is twice as common as a broken one."""
BUSY_SECONDS = 10.0
"""What a busy service asks to wait; the API server of a cluster asks for one second."""


@dataclass(frozen=True)
class Fault:
    """``status`` 0 cuts the connection, after ``hangs`` real seconds. ``retry_after`` is of the cloud's seconds."""

    status: int = 0
    carried_out: bool = False
    hangs: float = 0.0
    retry_after: float | None = None
    limit: str = ""


class Faults:
    """Decides what befalls each request, and lets it."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation

    def befalling(self, host: str, scope: Scope) -> Fault | None:
        """What goes wrong with this request, or None. What the simulator asks of itself is never touched."""
        weather = self._simulation.weather
        if "hang_up" not in scope or not apologies.knows(host):
            return None
        cluster = self._simulation.cluster_by_host(host)
        if cluster is not None and not cluster.state.reachable:
            return Fault()
        if weather.dials.throttling and (refused := self._throttled(host, scope)):
            return _throttled(weather, host, *refused)
        struck = weather.strikes("busy", "server_errors", "resets", "unanswered")
        return None if struck is None else _drawn(weather, host, scope, struck)

    def _throttled(self, host: str, scope: Scope) -> tuple[throttling.Limit, float] | None:
        return self._simulation.throttle.take(throttling.limits(self._simulation.azure, host, scope))

    async def __call__(self, fault: Fault, service: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the fault befall the request: through the service first where it is carried out."""
        if fault.carried_out:
            await service(scope, receive, _unheard)
        if fault.hangs:
            await asyncio.sleep(fault.hangs)
        if fault.status:
            host = scope.get("simulated_host") or ""
            await apologies.answer(self._simulation, host, Request(scope), fault)(scope, receive, send)
            return
        scope["hang_up"]()
        with contextlib.suppress(asyncio.TimeoutError):
            async with asyncio.timeout(1):
                while (await receive())["type"] != "http.disconnect":
                    pass


async def _unheard(message: Message) -> None:
    """An answer that nobody gets."""


@rule("graph", "a 429 may come below the limits", Provenance.DOCUMENTED, "limits-and-errors E1 Graph units")
@rule("graph", "a 429 may lack Retry-After", Provenance.DOCUMENTED, "limits-and-errors E3 Graph / ARM / KV 429")
def _throttled(weather: Weather, host: str, limit: throttling.Limit, seconds: float) -> Fault:
    return Fault(429, retry_after=_told(weather, host, seconds), limit=limit.name)


def _told(weather: Weather, host: str, seconds: float) -> float | None:
    untold = host == "graph.microsoft.com" and weather.fault().random() < 0.5
    return None if untold else seconds


@rule("weather", "a request may fail and yet have been carried out", Provenance.REPORTED, "limits-and-errors E3")
@rule("weather", "a request without an answer is cut after 4 min", Provenance.DOCUMENTED, "load balancer idle timeout")
def _drawn(weather: Weather, host: str, scope: Scope, struck: str) -> Fault:
    wait = 1.0 if host.endswith(".azmk8s.io") else BUSY_SECONDS
    if struck == "busy":
        return Fault(429, retry_after=_told(weather, host, wait), limit="busy")
    carried_out = weather.fault().random() < weather.dials.carried_out and not _streams(scope)
    if struck == "server_errors":
        status = weather.fault().choice(ERRORS)
        return Fault(status, carried_out, retry_after=wait if status == 503 else None)
    if struck == "resets":
        return Fault(carried_out=carried_out)
    hangs = weather.fault().uniform(*weather.dials.unanswered_for) / weather.speed
    return Fault(carried_out=carried_out, hangs=hangs)


def _streams(scope: Scope) -> bool:
    """Whether the answer has no end of its own, so that it cannot be had before it is lost."""
    query = scope.get("query_string", b"")
    return b"watch=" in query or b"follow=" in query or "websocket" in scope
