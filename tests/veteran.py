"""A cluster that lives on AAD Pod Identity, as deployments/migration describes it."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import yaml

from clients.kubernetes import path_of
from fleet import naming
from simulator.kubernetes.cluster import Cluster
from simulator.weather import CALM, Dials
from tests.conftest import ROOT, Cloud, running_cloud
from tests.end_to_end.command import eventually

FOLDER = ROOT / "deployments" / "migration"
CLOUD = (FOLDER / "cloud.yaml").read_text(encoding="utf-8")
DEFINITIONS = [*yaml.safe_load_all((FOLDER / "definitions.yaml").read_text(encoding="utf-8"))]
OBJECTS = [*yaml.safe_load_all((FOLDER / "pod-identity.yaml").read_text(encoding="utf-8"))]
BILLING = "b1111111-0000-4000-8000-000000000001"
WRITER = "b1111111-0000-4000-8000-000000000003"
AGENT = "b1111111-0000-4000-8000-000000000004"

Json = dict[str, Any]


def cluster_of(cloud: Cloud) -> Cluster:
    """The only cluster."""
    return next(iter(cloud.simulator.simulation.clusters.values()))


def on(cloud: Cloud, path: str) -> str:
    """The address of a path of the cluster's API."""
    return f"https://{cluster_of(cloud).state.fqdn}{path}"


def path(kind: str, namespace: str = "", name: str = "") -> str:
    """Where objects of a kind are."""
    if kind == "CustomResourceDefinition":
        return "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    return path_of(kind, namespace, name)


async def install(cloud: Cloud, documents: Iterable[Json]) -> None:
    """Create objects as kubectl does, each by a POST."""
    for document in documents:
        where = path(document["kind"], document["metadata"].get("namespace", ""))
        await cloud.by_hand("POST", on(cloud, f"{where}?fieldManager=kubectl-create"), document)


async def get(cloud: Cloud, kind: str, namespace: str, name: str) -> Json:
    """One object."""
    found: Json = await cloud.by_hand("GET", on(cloud, path_of(kind, namespace, name)))
    return found


async def pods(cloud: Cloud, app: str) -> list[Json]:
    """The pods of an application that are not ending."""
    listed = await cloud.by_hand("GET", on(cloud, f"/api/v1/pods?labelSelector=app%3D{app}"))
    return [item for item in listed["items"] if not item["metadata"].get("deletionTimestamp")]


@asynccontextmanager
async def veteran(
    directory: Path,
    *,
    definitions: Iterable[Json] = DEFINITIONS,
    objects: Iterable[Json] = OBJECTS,
    dials: Dials = CALM,
    speed: float = 1.0,
    seed: int = 0,
) -> AsyncIterator[Cloud]:
    """The cloud with its old set-up, every pod made."""
    async with running_cloud(directory, dials, speed, seed, CLOUD) as cloud:
        definitions = list(definitions)
        await install(cloud, definitions)
        await eventually(lambda: _served(cloud, len(definitions)), "the serving of the definitions")
        await install(cloud, objects)
        yield cloud


async def _served(cloud: Cloud, number: int) -> bool | None:
    found = cluster_of(cloud).list("customresourcedefinitions.apiextensions.k8s.io")
    return sum(bool((item.get("status") or {}).get("conditions")) for item in found) == number or None


async def admin_kubeconfig(cloud: Cloud, directory: Path) -> Path:
    """A kubeconfig of the cluster's administrator, by another name."""
    subscription = next(iter(cloud.simulator.simulation.azure.subscriptions))
    cluster = naming.cluster_id(subscription, "veteran-aks", "veteran")
    url = f"https://management.azure.com{cluster}/listClusterAdminCredential?api-version=2025-01-01"
    answer = await cloud.by_hand("POST", url)
    config = yaml.safe_load(base64.b64decode(answer["kubeconfigs"][0]["value"]))
    config["contexts"][0]["name"] = config["current-context"] = "My_Context"
    path = directory / "kubeconfig"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path
