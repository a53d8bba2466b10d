"""One cluster behind its API server, and how tests talk to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

from simulator.clock import Clock
from simulator.kubernetes.api import KubernetesApi
from simulator.kubernetes.cluster import Cluster

HOST = "testing-dns-1234.hcp.westeurope.azmk8s.io"
ISSUER = "https://westeurope.oic.prod-aks.azure.com/aaaaaaaa-0000-4000-8000-000000000001/bbbbbbbb-0000-4000-8000-000000000002/"
TOKEN = "5" * 128
START = datetime(2026, 6, 1, 12, 0, 0, tzinfo=UTC)


@dataclass
class OneCluster:
    """As much of a simulation as the API server looks at."""

    cluster: Cluster
    clock: Clock
    unknown: list[str] = field(default_factory=list)

    @property
    def clusters(self) -> dict[str, Cluster]:
        return {"only": self.cluster}

    def cluster_by_host(self, host: str) -> Cluster | None:
        return self.cluster if host in (HOST, "localhost") else None


class Api:
    """The API server through HTTP; bodies are JSON unless given as text."""

    def __init__(self, simulation: OneCluster, token: str = TOKEN, app: Any = None) -> None:
        self.simulation = simulation
        app = app or KubernetesApi(simulation)  # type: ignore[arg-type]
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.http = httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url=f"https://{HOST}", headers=headers, timeout=10
        )

    def as_user(self, token: str) -> Api:
        """The same API server with other credentials; without any when the token is empty."""
        return Api(self.simulation, token)

    async def ask(
        self, method: str, path: str, body: Any = None, *, content_type: str = "", accept: str = ""
    ) -> httpx.Response:
        headers = {"Content-Type": content_type} if content_type else {}
        if accept:
            headers["Accept"] = accept
        if isinstance(body, str | bytes):
            return await self.http.request(method, path, content=body, headers=headers)
        return await self.http.request(method, path, json=body, headers=headers)

    async def get(self, path: str, accept: str = "") -> Any:
        response = await self.ask("GET", path, accept=accept)
        assert response.status_code == 200, response.text
        return response.json()

    async def post(self, path: str, body: Any) -> Any:
        response = await self.ask("POST", path, body)
        assert response.status_code == 201, response.text
        return response.json()

    async def merge(self, path: str, patch: Any) -> Any:
        response = await self.ask("PATCH", path, patch, content_type="application/merge-patch+json")
        assert response.status_code == 200, response.text
        return response.json()

    async def apply(self, path: str, body: Any, manager: str, *, force: bool = False) -> httpx.Response:
        query = f"?fieldManager={manager}&force={str(force).lower()}"
        return await self.ask("PATCH", path + query, body, content_type="application/apply-patch+yaml")
