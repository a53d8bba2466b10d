"""Puts the objects of N workloads on ten clusters into a simulation by its own API, and prints its bytes of memory."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import psutil

from simulator.azure import start
from simulator.clock import Clock
from simulator.hosts import Hosts
from simulator.server import Simulator
from simulator.weather import CALM, Weather
from tests.operator import token_request

# Not from conftest, which imports every SDK.
_CLOUD = Path(__file__).parents[2] / "deployments" / "demo" / "cloud.yaml"
_GRAPH = "https://graph.microsoft.com/v1.0"


class Filler:
    """Makes workloads as a fleet's first reconcile would, without the sockets between."""

    def __init__(self, simulator: Simulator, http: httpx.AsyncClient, token: str) -> None:
        self._clusters = list(simulator.simulation.clusters.values())
        self._http, self._graph = http, {"Authorization": f"Bearer {token}"}

    async def _post(self, url: str, body: dict[str, Any], headers: dict[str, str]) -> dict[str, Any]:
        answer = await self._http.post(url, json=body, headers=headers)
        answer.raise_for_status()
        made: dict[str, Any] = answer.json()
        return made

    async def workload(self, number: int) -> None:
        """An application with its principal and credential, a namespace with its annotated ServiceAccount."""
        cluster = self._clusters[number % len(self._clusters)]
        name = f"workload-{number}"
        app = await self._post(f"{_GRAPH}/applications", {"displayName": name, "uniqueName": name}, self._graph)
        await self._post(f"{_GRAPH}/servicePrincipals", {"appId": app["appId"]}, self._graph)
        trust = {
            "name": name,
            "issuer": cluster.state.issuer,
            "subject": f"system:serviceaccount:{name}:app",
            "audiences": ["api://AzureADTokenExchange"],
        }
        await self._post(f"{_GRAPH}/applications/{app['id']}/federatedIdentityCredentials", trust, self._graph)
        admin = {"Authorization": f"Bearer {cluster.state.static_token}"}
        namespaces = f"https://{cluster.state.fqdn}/api/v1/namespaces"
        await self._post(namespaces, {"metadata": {"name": name}}, admin)
        annotations = {"azure.workload.identity/client-id": app["appId"]}
        account = {"metadata": {"name": "app", "annotations": annotations}}
        await self._post(f"{namespaces}/{name}/serviceaccounts", account, admin)


async def main(count: int) -> None:
    """Fill and print."""
    beginning = start.load(_CLOUD.read_text(encoding="utf-8"), clusters=[f"more/c{number}" for number in range(9)])
    with TemporaryDirectory() as directory:
        weather = Weather(Clock(), CALM)
        simulator = await Simulator.serve(directory=Path(directory), beginning=beginning, weather=weather)
        url, form = token_request(simulator.environment(), "https://graph.microsoft.com")
        async with httpx.AsyncClient(transport=httpx.ASGITransport(Hosts(simulator.simulation))) as http:
            token = (await http.post(url, data=form)).json()["access_token"]
            filler = Filler(simulator, http, token)
            for number in range(count):
                await filler.workload(number)
        print(psutil.Process().memory_info().rss)
        await simulator.stop()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
