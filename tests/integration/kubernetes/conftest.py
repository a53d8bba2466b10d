"""A cluster of one's own for every test, spoken to over its API."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from one_cluster import HOST, ISSUER, START, TOKEN, Api, OneCluster

from simulator.clock import Clock
from simulator.kubernetes import signing
from simulator.kubernetes.cluster import Cluster


@pytest.fixture(scope="session")
def signing_key() -> str:
    return signing.new_key()


@pytest.fixture
def clock() -> Clock:
    return Clock(start=START)


@pytest.fixture
async def cluster(signing_key: str, clock: Clock) -> AsyncIterator[Cluster]:
    """A running cluster with the namespace ``f1``."""
    cluster = Cluster.new(
        name="testing", fqdn=HOST, issuer=ISSUER, clock=clock, seed=7, keys=[signing_key], static_token=TOKEN
    )
    await cluster.start()
    await cluster.create("namespaces", {"metadata": {"name": "f1"}})
    yield cluster
    await cluster.stop()


@pytest.fixture
def simulation(cluster: Cluster, clock: Clock) -> OneCluster:
    return OneCluster(cluster, clock)


@pytest.fixture
def api(simulation: OneCluster) -> Api:
    """The API server, asked by its local administrator."""
    return Api(simulation)
