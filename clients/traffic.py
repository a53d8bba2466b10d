"""Counts what is sent: the figure that a run reports as its cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace

import aiohttp


@dataclass
class Traffic:
    """Requests of one session, by host."""

    hosts: dict[str, int] = field(default_factory=dict)

    @property
    def requests(self) -> int:
        """All of them, token requests included."""
        return sum(self.hosts.values())

    def note(self, host: str | None) -> None:
        """Count one request."""
        self.hosts[host or ""] = self.hosts.get(host or "", 0) + 1

    def aiohttp_trace(self) -> aiohttp.TraceConfig:
        """For the sessions of the Azure SDKs and of the Kubernetes client."""
        trace = aiohttp.TraceConfig()

        async def started(
            session: aiohttp.ClientSession,  # noqa: ARG001 - aiohttp's signature
            context: SimpleNamespace,  # noqa: ARG001
            parameters: aiohttp.TraceRequestStartParams,
        ) -> None:
            self.note(parameters.url.host)

        trace.on_request_start.append(started)
        return trace
