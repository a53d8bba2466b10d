"""The simulated cloud for tests: one certificate authority per session, a fresh world where a test asks for one.

aiohttp reads SSL_CERT_FILE when it is imported, so the authority exists before anything else is.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from simulator.authority import Authority

_DIRECTORY = Path(tempfile.mkdtemp(prefix="workload-identity-tests-"))
_AUTHORITY = Authority.open(_DIRECTORY / "authority")
os.environ["SSL_CERT_FILE"] = os.environ["REQUESTS_CA_BUNDLE"] = str(_AUTHORITY.bundle)
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
os.environ.pop("SSL_CERT_DIR", None)
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

# E402: what follows imports aiohttp, and must find the environment as it is set above.
from collections.abc import AsyncIterator, Iterator, Sequence  # noqa: E402
from contextlib import asynccontextmanager  # noqa: E402
from dataclasses import dataclass  # noqa: E402
from typing import Any  # noqa: E402
from unittest import mock  # noqa: E402

import httpx  # noqa: E402
import pytest  # noqa: E402
import yaml  # noqa: E402 - as above

from clients.kubernetes import AKS_SERVER_APPLICATION  # noqa: E402
from clients.session import Clients, open_clients  # noqa: E402
from clients.waiting import Patience  # noqa: E402
from fleet.changes import Plan  # noqa: E402
from fleet.files import load  # noqa: E402
from fleet.observed import Observed  # noqa: E402
from fleet.plan import plan  # noqa: E402
from fleet.spec import Fleet  # noqa: E402
from flows.observing import observe  # noqa: E402
from simulator.azure import start  # noqa: E402
from simulator.clock import Clock  # noqa: E402
from simulator.server import Simulator  # noqa: E402
from simulator.weather import CALM, Dials, Weather  # noqa: E402
from tasks import chain  # noqa: E402
from tests.carrying_out import carry_out  # noqa: E402 - as above
from tests.operator import token_request  # noqa: E402

ROOT = Path(__file__).parent.parent
DEMO_CLOUD = ROOT / "deployments" / "demo" / "cloud.yaml"
DEMO_FLEET = ROOT / "deployments" / "demo" / "fleet.yaml"
CANARY = "canary-5f2b7c-do-not-print"
"""The demo secret's value in tests; it must turn up nowhere."""


def demo_cloud_with(**cluster: Any) -> str:
    """The demo's cloud, its cluster with other settings."""
    described = yaml.safe_load(DEMO_CLOUD.read_text(encoding="utf-8"))
    described["subscriptions"][0]["clusters"][0].update(cluster)
    text: str = yaml.safe_dump(described)
    return text


@dataclass
class Cloud:
    """A simulated cloud with the operator signed in, and a second pair of hands that works around our tool."""

    simulator: Simulator
    http: httpx.AsyncClient
    patience: Patience | None = None
    """How the clients wait; in real seconds where none is given."""

    @property
    def journal(self) -> Any:
        """What was asked."""
        return self.simulator.simulation.journal

    @asynccontextmanager
    async def clients(self) -> AsyncIterator[Clients]:
        """The operator's clients, as a flow opens them."""
        async with open_clients(self.patience) as clients:
            yield clients

    def unheard_of(self) -> list[str]:
        """What was asked so far that the simulator does not know; it is expected, and forgotten here."""
        simulation = self.simulator.simulation
        asked, simulation.unknown = simulation.unknown, []
        return asked

    async def observe(self, fleet: Fleet, *, beyond: bool = False, pods: bool = False) -> Observed:
        """One look at the world."""
        async with self.clients() as clients:
            return await observe(clients, fleet, beyond=beyond, pods=pods)

    async def plan(self, fleet: Fleet, *, prune: bool = False, heal: bool = False) -> Plan:
        """What reconcile would do now."""
        return plan(fleet, await self.observe(fleet, beyond=prune, pods=heal), prune=prune, heal=heal)

    async def apply(self, fleet: Fleet, *, prune: bool = False, heal: bool = False) -> Plan:
        """Reconcile without Prefect: plan, then carry out the changes in their order. Returns the plan."""
        async with self.clients() as clients:
            observed = await observe(clients, fleet, beyond=prune, pods=heal)
            planned = plan(fleet, observed, prune=prune, heal=heal)
            outputs: dict[str, dict[str, str]] = {}
            for change in planned.changes:
                outputs[change.key] = await chain.apply(clients, fleet, change, outputs)
        return planned

    async def apply_at_once(self, fleet: Fleet) -> Plan:
        """Reconcile without Prefect as wide as the plan allows, as the flow does. Returns the plan."""
        async with self.clients() as clients:
            planned = plan(fleet, await observe(clients, fleet))
            await carry_out(clients, fleet, planned.changes)
        return planned

    async def sign_in(self, resource: str) -> str:
        """A token of the operator for a resource."""
        url, form = token_request(self.simulator.environment(), resource)
        return str((await self.http.post(url, data=form)).json()["access_token"])

    async def by_hand(self, method: str, url: str, body: Any = None, **headers: str) -> Any:
        """A request of somebody else, signed in as the operator. Returns the answer's JSON; asserts success."""
        host = httpx.URL(url).host
        resources = {name: f"https://{name}" for name in ("management.azure.com", "graph.microsoft.com")}
        vault = "https://vault.azure.net" if host.endswith("vault.azure.net") else AKS_SERVER_APPLICATION
        token = await self.sign_in(resources.get(host, vault))
        answer = await self.http.request(
            method, url, json=body, headers={"Authorization": f"Bearer {token}", **headers}
        )
        assert answer.is_success, f"{method} {url}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None


@asynccontextmanager
async def running_cloud(
    directory: Path,
    dials: Dials = CALM,
    speed: float = 1.0,
    seed: int = 0,
    cloud: str | None = None,
    snapshot: Path | None = None,
    issuer_authorities: Sequence[Path] = (),
    clock: Clock | None = None,
) -> AsyncIterator[Cloud]:
    """Serve a cloud, with this process signed in to it; nothing may be asked of it that it does not know."""
    weather = Weather(clock or Clock(), dials, speed, seed)
    directory.mkdir(parents=True, exist_ok=True)
    for name in ("ca.pem", "ca.key"):
        (directory / name).write_bytes((_DIRECTORY / "authority" / name).read_bytes())
    beginning = start.load(cloud or DEMO_CLOUD.read_text(encoding="utf-8"))
    simulator = await Simulator.serve(
        directory=directory,
        beginning=beginning,
        weather=weather,
        journal=directory / "requests.jsonl",
        snapshot=snapshot,
        issuer_authorities=issuer_authorities,
    )
    environment = {**simulator.environment(), "KEYVAULT_SECRET_VALUE": CANARY}
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        environment[name] = str(_AUTHORITY.bundle)
    try:
        with mock.patch.dict(os.environ, environment):
            async with httpx.AsyncClient(timeout=30) as http:
                yield Cloud(simulator, http)
        assert simulator.simulation.unknown == []
    finally:
        await simulator.stop()


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[Cloud]:
    """A fresh cloud in calm weather, as the demo's begins."""
    async with running_cloud(tmp_path / "simulator") as running:
        yield running


@pytest.fixture(scope="session")
def fleet() -> Fleet:
    """The demo's fleet."""
    return load(DEMO_FLEET.read_text(encoding="utf-8"))


@pytest.fixture(scope="session", autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing of the user's own configuration is read or written, nor of another process forked from the same one."""
    home = tmp_path_factory.mktemp("home")
    with mock.patch.dict(os.environ, {"HOME": str(home), "WORKLOAD_IDENTITY_HOME": str(home / "state")}):
        yield
