"""How to reach a cluster is remembered from run to run, and found out anew where it has changed."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from clients.kubernetes import path_of
from clients.session import Clients, find_tenancy
from fleet.spec import Cluster, Fleet
from simulator.authority import Authority
from tests.conftest import Cloud, demo_cloud_with, running_cloud

AKS = Cluster(name="sysadminas", resource_group="sysadminas-aks")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a user's runs remember."""
    path = tmp_path / "home"
    monkeypatch.setenv("WORKLOAD_IDENTITY_HOME", str(path))
    return path


@pytest.fixture
async def entra(tmp_path: Path, home: Path) -> AsyncIterator[Cloud]:
    """A cloud whose cluster lets users of Entra in."""
    assert not home.exists()
    async with running_cloud(tmp_path / "simulator", cloud=demo_cloud_with(entra_integrated=True)) as cloud:
        yield cloud


async def reached(cloud: Cloud, fleet: Fleet, cluster: Cluster = AKS) -> bool:
    """Reach the cluster in a session of its own; returns whether ARM was asked for a kubeconfig."""
    before = len(cloud.journal.entries)
    async with cloud.clients() as clients:
        await look(clients, fleet, cluster)
    return any(entry.path.endswith("/listClusterUserCredential") for entry in cloud.journal.entries[before:])


async def look(clients: Clients, fleet: Fleet, cluster: Cluster) -> None:
    clients.tenancy = await find_tenancy(clients, fleet.subscription)
    kubernetes = await clients.cluster(cluster)
    assert await kubernetes.list(path_of("Namespace"))


def kept(home: Path) -> list[Path]:
    return sorted((home / "clusters").iterdir()) if (home / "clusters").exists() else []


async def test_only_the_first_run_asks_how_to_reach_a_cluster(entra: Cloud, fleet: Fleet) -> None:
    assert await reached(entra, fleet)
    assert not await reached(entra, fleet)


async def test_what_is_kept_is_nothing_secret_and_for_its_owner_alone(entra: Cloud, fleet: Fleet, home: Path) -> None:
    await reached(entra, fleet)
    (file,) = kept(home)
    assert json.loads(file.read_text(encoding="utf-8")).keys() == {"server", "authority"}
    assert file.stat().st_mode & 0o777 == 0o600


async def test_a_cluster_that_takes_certificates_is_not_remembered(tmp_path: Path, fleet: Fleet, home: Path) -> None:
    async with running_cloud(tmp_path / "simulator", cloud=demo_cloud_with(entra_integrated=False)) as cloud:
        assert await reached(cloud, fleet)
        assert await reached(cloud, fleet)
    assert kept(home) == []


async def test_a_cluster_with_a_new_authority_is_asked_about_once_more(
    entra: Cloud, fleet: Fleet, home: Path, tmp_path: Path
) -> None:
    await reached(entra, fleet)
    (file,) = kept(home)
    right = file.read_text(encoding="utf-8")
    other = Authority.open(tmp_path / "other")
    wrong = {**json.loads(right), "authority": base64.b64encode(other.pem).decode()}
    file.write_text(json.dumps(wrong), encoding="utf-8")
    assert await reached(entra, fleet)
    assert file.read_text(encoding="utf-8") == right
    assert not await reached(entra, fleet)


async def test_many_that_find_out_at_the_same_time_ask_once_and_all_go_on(
    entra: Cloud, fleet: Fleet, home: Path, tmp_path: Path
) -> None:
    await reached(entra, fleet)
    (file,) = kept(home)
    wrong = base64.b64encode(Authority.open(tmp_path / "other").pem).decode()
    file.write_text(json.dumps({**json.loads(file.read_text(encoding="utf-8")), "authority": wrong}), encoding="utf-8")
    before = len(entra.journal.entries)
    async with entra.clients() as clients:
        clients.tenancy = await find_tenancy(clients, fleet.subscription)
        kubernetes = await clients.cluster(AKS)
        found = await asyncio.gather(*(kubernetes.list(path_of("Namespace")) for _ in range(8)))
    assert all(found)
    asked = [entry.path for entry in entra.journal.entries[before:]]
    assert len([path for path in asked if path.endswith("/listClusterUserCredential")]) == 1


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"server": 1}'])
async def test_a_broken_note_is_as_good_as_none(entra: Cloud, fleet: Fleet, home: Path, content: str) -> None:
    await reached(entra, fleet)
    (file,) = kept(home)
    file.write_text(content, encoding="utf-8")
    assert await reached(entra, fleet)


async def test_a_home_that_cannot_be_written_is_no_failure(
    entra: Cloud, fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("WORKLOAD_IDENTITY_HOME", str(tmp_path / "file"))
    assert await reached(entra, fleet)
