"""A running simulator: the simulation behind its proxy, and the environment that brings clients to it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from pydantic import TypeAdapter

from .authority import Authority
from .azure import start
from .azure.cluster_operations import attach
from .azure.state import AzureState
from .clock import Clock
from .hosts import Hosts
from .journal import Journal
from .kubernetes.cluster import Cluster, ClusterState
from .proxy import Proxy
from .simulation import Simulation
from .weather import Weather

_AZURE = TypeAdapter(AzureState)
_CLUSTERS = TypeAdapter(dict[str, ClusterState])


@dataclass
class Simulator:
    """A simulation that is being served."""

    simulation: Simulation
    proxy: Proxy
    _client: httpx.AsyncClient

    @classmethod
    async def serve(
        cls,
        *,
        directory: Path,
        beginning: start.Start,
        weather: Weather | None = None,
        port: int = 0,
        journal: Path | None = None,
        snapshot: Path | None = None,
    ) -> Simulator:
        """Serve on 127.0.0.1 what ``beginning`` describes, or what an existing ``snapshot`` file holds.

        ``directory`` keeps the certificate authority and the pods' files. Raises OSError where the port is taken.
        """
        directory.mkdir(parents=True, exist_ok=True)
        weather = weather or Weather(Clock())
        simulation = Simulation(
            directory=directory,
            authority=Authority.open(directory),
            clock=weather.clock,
            weather=weather,
            journal=Journal(journal),
            azure=AzureState(),
            fetch=_nothing_to_fetch,
        )
        hosts = Hosts(simulation)
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(hosts),
            mounts={f"all://{host}": httpx.AsyncHTTPTransport() for host in ("127.0.0.1", "localhost")},
            headers={"User-Agent": "Entra"},
            timeout=10,
        )

        async def fetch(url: str) -> httpx.Response:
            host = httpx.URL(url).host
            if not hosts.resolves(host):
                message = f"{host} has no address"
                raise httpx.ConnectError(message)
            return await client.get(url)

        simulation.fetch = fetch
        proxy = Proxy(hosts, simulation.authority, hosts.resolves)
        simulation.proxy_url = f"http://127.0.0.1:{await proxy.start(port)}"
        if snapshot is not None and snapshot.exists():
            await _restore(simulation, snapshot)
        else:
            await start.begin(simulation, beginning)
        return cls(simulation, proxy, client)

    async def stop(self, snapshot: Path | None = None) -> None:
        """Stop serving and end the pods; with ``snapshot`` keep the state in that file."""
        for cluster in self.simulation.clusters.values():
            await cluster.stop()
        await self.proxy.stop()
        await self._client.aclose()
        if snapshot is not None:
            snapshot.write_text(_frozen(self.simulation), encoding="utf-8")

    def environment(self) -> dict[str, str]:
        """The variables that bring unmodified clients here, signed in as the first operator.

        Both CA variables are needed: requests reads one of them, aiohttp and httpx the other. NO_PROXY keeps what
        runs on this machine, Prefect's own API among it, off the simulator.
        """
        bundle = str(self.simulation.authority.bundle)
        proxy = self.simulation.proxy_url
        azure = self.simulation.azure
        operator = azure.operators[0]
        return {
            "HTTPS_PROXY": proxy,
            "HTTP_PROXY": proxy,
            "https_proxy": proxy,
            "http_proxy": proxy,
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
            "SSL_CERT_FILE": bundle,
            "REQUESTS_CA_BUNDLE": bundle,
            "CURL_CA_BUNDLE": bundle,
            "NODE_EXTRA_CA_CERTS": bundle,
            "AZURE_TENANT_ID": azure.tenant_id,
            "AZURE_CLIENT_ID": operator.client_id,
            "AZURE_CLIENT_SECRET": operator.client_secret,
            "AZURE_SUBSCRIPTION_ID": next(iter(azure.subscriptions)),
        }


async def _nothing_to_fetch(url: str) -> httpx.Response:
    raise httpx.ConnectError(url)


def _frozen(simulation: Simulation) -> str:
    clusters = {key: cluster.state for key, cluster in simulation.clusters.items()}
    return json.dumps(
        {
            "azure": _AZURE.dump_python(simulation.azure, mode="json"),
            "clusters": _CLUSTERS.dump_python(clusters, mode="json"),
        }
    )


async def _restore(simulation: Simulation, snapshot: Path) -> None:
    kept: Mapping[str, Any] = json.loads(snapshot.read_text(encoding="utf-8"))
    simulation.azure = _AZURE.validate_python(kept["azure"])
    for key, state in _CLUSTERS.validate_python(kept["clusters"]).items():
        simulation.clusters[key] = Cluster(state, simulation.clock)
        await attach(simulation, simulation.clusters[key])
