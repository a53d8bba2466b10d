"""One simulated cloud: its state, its clock, its weather, and what was asked of it."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from .authority import Authority
from .clock import Clock
from .journal import Entry, Journal
from .throttling import Throttle
from .weather import Weather

if TYPE_CHECKING:
    from .azure.state import AzureState
    from .kubernetes.cluster import Cluster


@dataclass
class Simulation:
    """Everything a handler may look at or change. Handed to every handler; there is no global state."""

    directory: Path
    """Where pods run and certificates live; private to this simulation."""
    authority: Authority
    clock: Clock
    weather: Weather
    journal: Journal
    azure: AzureState
    fetch: Callable[[str], Awaitable[httpx.Response]]
    """GET a URL as the simulated Entra does: simulated hosts and loopback addresses only, else httpx.ConnectError."""
    clusters: dict[str, Cluster] = field(default_factory=dict)
    """The Kubernetes side of each managed cluster, by its ARM id in lower case."""
    proxy_url: str = ""
    """http://127.0.0.1:PORT, what clients and pods put into HTTPS_PROXY."""
    key: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    """What those know who may see or change everything at once."""
    unknown: list[str] = field(default_factory=list)
    """Requests that no route answered."""
    after_request: Callable[[Entry], Awaitable[None]] | None = None
    """Awaited when a request was handled and before its answer is sent: where a test cuts the line."""

    throttle: Throttle = field(init=False)
    """How much of its limits has been taken."""

    def __post_init__(self) -> None:
        self.throttle = Throttle(self.weather)

    def cluster_by_host(self, host: str) -> Cluster | None:
        """The cluster whose API server has this host name (``<fqdn>``)."""
        return next((cluster for cluster in self.clusters.values() if cluster.state.fqdn == host), None)
