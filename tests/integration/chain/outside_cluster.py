"""A cluster on this machine that the simulated cloud knows nothing of, as kind or a bare kube-apiserver would be.

Its API server listens on loopback under a certificate of its own authority, and issues tokens under its own address,
where its discovery document and its keys are open to everybody.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn
import yaml
from starlette.responses import JSONResponse

from simulator.azure import start
from simulator.clock import Clock
from simulator.kubernetes import oidc
from simulator.kubernetes.api import KubernetesApi
from simulator.server import Simulator
from simulator.weather import CALM, Weather
from tests.conftest import DEMO_CLOUD

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from simulator.kubernetes.cluster import Cluster


@dataclass(frozen=True)
class OutsideCluster:
    """How to reach it."""

    context: str
    issuer: str
    kubeconfig: Path
    authority: Path
    """PEM of who vouches for it."""


class _Server(uvicorn.Server):
    """Leaves the process's signals alone."""

    # The ignore: uvicorn annotates its own as the generator that it is written as, not as the context manager it gives.
    def capture_signals(self) -> contextlib.AbstractContextManager[None]:  # type: ignore[override]
        return contextlib.nullcontext()


class _Front:
    """The API server, with the issuer's two documents open to everybody."""

    def __init__(self, simulator: Simulator, cluster: Cluster) -> None:
        self._api, self._cluster = KubernetesApi(simulator.simulation), cluster

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/.well-known/openid-configuration":
            await oidc.own_configuration(self._cluster)(scope, receive, send)
        elif scope["path"] == "/openid/v1/jwks":
            await JSONResponse(self._cluster.jwks())(scope, receive, send)
        else:
            await self._api({**scope, "simulated_host": self._cluster.state.fqdn}, receive, send)


@asynccontextmanager
async def outside_cluster(directory: Path) -> AsyncIterator[OutsideCluster]:
    """Run one, with a kubeconfig of its administrator."""
    beginning = start.load(DEMO_CLOUD.read_text(encoding="utf-8"))
    simulator = await Simulator.serve(directory=directory, beginning=beginning, weather=Weather(Clock(), CALM))
    (cluster,) = simulator.simulation.clusters.values()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"https://localhost:{listener.getsockname()[1]}"
        cluster.state.issuer = address
        authority = simulator.simulation.authority
        authority.server_context("localhost")  # writes the certificate down, which uvicorn reads
        certificate = directory / "hosts" / "localhost.pem"
        config = uvicorn.Config(
            _Front(simulator, cluster), ssl_certfile=certificate, lifespan="off", log_config=None, access_log=False
        )
        server = _Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            kubeconfig = directory / "kubeconfig"
            kubeconfig.write_text(_kubeconfig(cluster, address, authority.pem), encoding="utf-8")
            yield OutsideCluster("outside", address, kubeconfig, directory / "ca.pem")
        finally:
            server.should_exit = True
            await serving
            await simulator.stop()


def _kubeconfig(cluster: Cluster, address: str, authority: bytes) -> str:
    ca = base64.b64encode(authority).decode()
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "elsewhere",
            "clusters": [{"name": "outside", "cluster": {"server": address, "certificate-authority-data": ca}}],
            "users": [{"name": "admin", "user": {"token": cluster.state.static_token}}],
            "contexts": [{"name": "outside", "context": {"cluster": "outside", "user": "admin"}}],
        }
    )
