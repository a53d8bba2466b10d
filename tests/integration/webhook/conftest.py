"""Fixtures: a cluster whose pods really run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from running_cluster import Running

from simulator.authority import Authority
from simulator.azure.state import AzureState
from simulator.clock import Clock
from simulator.journal import Journal
from simulator.kubernetes import signing
from simulator.kubernetes.cluster import Cluster
from simulator.simulation import Simulation
from simulator.weather import CALM, Weather

SPEED = 1000.0


@pytest.fixture(scope="session")
def signing_key() -> str:
    return signing.new_key()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.open(tmp_path_factory.mktemp("authority"))


async def _no_fetch(url: str) -> Any:
    raise AssertionError(url)


@pytest.fixture
async def running(tmp_path: Path, signing_key: str, authority: Authority) -> AsyncIterator[Running]:
    weather = Weather(Clock(), CALM, SPEED)
    simulation = Simulation(
        directory=tmp_path,
        authority=authority,
        clock=weather.clock,
        weather=weather,
        journal=Journal(),
        azure=AzureState(),
        fetch=_no_fetch,
        proxy_url="http://127.0.0.1:9",
    )
    cluster = Cluster.new(
        name="demo", fqdn="demo.azmk8s.io", issuer="https://issuer/", clock=weather.clock, keys=[signing_key]
    )
    running = Running(cluster, simulation)
    await running.start()
    yield running
    await cluster.stop()
