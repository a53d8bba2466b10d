"""Which service answers under which host name, and the journal of what was asked."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.requests import Request

from . import control
from .azure import arm, entra, graph, key_vault
from .clock import stopwatch
from .faults import Faults
from .journal import Entry
from .kubernetes import oidc
from .kubernetes.api import KubernetesApi
from .routing import Service, unknown
from .webhook import repository

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from .simulation import Simulation

_LOOPBACK = ("127.0.0.1", "localhost")


class Hosts:
    """The whole simulated internet as one ASGI application."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._faults = Faults(simulation)
        entra_service = Service(simulation, entra.ROUTES)
        self._exact: dict[str, ASGIApp] = {
            "login.microsoftonline.com": entra_service,
            "login.windows.net": entra_service,
            "graph.microsoft.com": Service(simulation, graph.ROUTES),
            "management.azure.com": Service(simulation, *arm.TABLES),
            "azure.github.io": Service(simulation, repository.ROUTES),
        }
        self._exact.update(dict.fromkeys(_LOOPBACK, Service(simulation, control.ROUTES)))
        self._suffixes: dict[str, ASGIApp] = {
            ".vault.azure.net": Service(simulation, key_vault.ROUTES),
            ".azmk8s.io": KubernetesApi(simulation),
            ".oic.prod-aks.azure.com": Service(simulation, oidc.ROUTES),
        }

    def resolves(self, host: str) -> bool:
        """Whether the name exists in the simulated DNS; a vault's and a cluster's does only while they do."""
        if host.endswith(".vault.azure.net"):
            return key_vault.resolves(self._simulation, host)
        if host.endswith(".azmk8s.io"):
            cluster = self._simulation.cluster_by_host(host)
            return cluster is not None and cluster.state.reachable
        return self._service(host) is not None

    def _service(self, host: str) -> ASGIApp | None:
        if host in self._exact:
            return self._exact[host]
        return next((service for suffix, service in self._suffixes.items() if host.endswith(suffix)), None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request under the host it asks for, and note it."""
        host = scope.get("simulated_host") or (Request(scope).url.hostname or "")
        started = stopwatch()
        status = 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if self._simulation.after_request is not None and host not in _LOOPBACK:
                    await self._simulation.after_request(self._entry(scope, host, status, stopwatch() - started))
            await send(message)

        if latency := self._simulation.weather.dials.latency:
            await asyncio.sleep(latency)
        service = self._service(host)
        try:
            if service is None:
                await unknown(self._simulation, Request(scope, receive))(scope, receive, sending)
            elif fault := self._faults.befalling(host, scope):
                await self._faults(fault, service, scope, receive, sending)
            else:
                await service(scope, receive, sending)
        finally:
            if host not in _LOOPBACK:
                self._simulation.journal.note(self._entry(scope, host, status, stopwatch() - started))

    def _entry(self, scope: Scope, host: str, status: int, seconds: float) -> Entry:
        return Entry.of(scope, host, status, seconds, self._simulation.clock.now())
