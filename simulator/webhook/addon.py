"""The managed add-on of AKS: the same webhook as the chart's, in kube-system, looked after from outside the cluster."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from simulator.copying import copied
from simulator.kubernetes.encoding import timestamp
from simulator.kubernetes.resources import by_kind
from simulator.provenance import Provenance, rule

from .repository import chart_metadata

if TYPE_CHECKING:
    from simulator.kubernetes.cluster import Cluster
    from simulator.simulation import Simulation

Json = dict[str, Any]

RELEASE = "aks-managed-workload-identity"
NAMESPACE = "kube-system"

_RECORD = f"sh.helm.release.v1.{RELEASE}.v1"
_FIELD_MANAGER = "helm"
_OBJECTS = (Path(__file__).parent / "addon_objects.yaml").read_text(encoding="utf-8")
_TENANT_PLACE = "00000000-0000-0000-0000-000000000000"
_MARKS = {
    "labels": {
        "app": "workload-identity-webhook",
        "azure-workload-identity.io/system": "true",
        "chart": "workload-identity-webhook",
        "release": RELEASE,
        "app.kubernetes.io/managed-by": "Helm",
    },
    "annotations": {"meta.helm.sh/release-name": RELEASE, "meta.helm.sh/release-namespace": NAMESPACE},
}
_REVERTED_AFTER = 90.0
"""Seconds of the real cloud until a change by hand is undone; users say minutes."""


@rule("webhook", "objects of the managed add-on", Provenance.REPORTED, "AKS issues 5472, 5686")
def addon_objects(tenant_id: str) -> list[Json]:
    """The add-on's objects, in the order in which they are applied."""
    objects = copied(_parsed(tenant_id))
    return [obj | {"metadata": obj["metadata"] | copied(_MARKS)} for obj in objects]


@lru_cache(maxsize=8)
def _parsed(tenant_id: str) -> list[Json]:
    return list(yaml.safe_load_all(_OBJECTS.replace(_TENANT_PLACE, tenant_id)))


async def install(cluster: Cluster, tenant_id: str) -> None:
    """Install the add-on, or bring an installed one back to how it should be."""
    cluster.write("secrets", _record(cluster, tenant_id), manager=_FIELD_MANAGER)
    _apply(cluster, tenant_id)


async def remove(cluster: Cluster) -> None:
    """Remove the add-on; nothing if it is not installed."""
    record = cluster.get("secrets", _RECORD, NAMESPACE)
    if record is None:
        return
    # As helm does, so that nobody takes what follows for changes by hand.
    record["metadata"]["labels"]["status"] = "uninstalling"
    cluster.write("secrets", record, manager=_FIELD_MANAGER)
    for obj in reversed(addon_objects("")):
        resource, namespace, name = _place(obj)
        cluster.remove(resource, name, namespace)
    cluster.remove("secrets", _RECORD, NAMESPACE)


@rule("webhook", "hand edits of the add-on are reverted", Provenance.REPORTED, "AKS issues 3286, 5472")
async def keep(cluster: Cluster, simulation: Simulation) -> None:
    """Undo what others do to the add-on's objects, until cancelled."""
    changes = cluster.subscribe()
    watched = {_place(obj) for obj in addon_objects("")}
    record = cluster.get("secrets", _RECORD, NAMESPACE)
    tenant_id = _tenant_id(record) if record else None
    while True:
        kind, resource, obj = await changes.get()
        place = (resource, obj["metadata"].get("namespace", ""), obj["metadata"]["name"])
        if place == ("secrets", NAMESPACE, _RECORD):
            tenant_id = _tenant_id(obj) if kind != "DELETED" else tenant_id
        elif tenant_id and place in watched:
            await asyncio.sleep(simulation.weather.retry_after(_REVERTED_AFTER))
            if not _is_leaving(cluster):
                _apply(cluster, tenant_id)


def _is_leaving(cluster: Cluster) -> bool:
    """Whether the add-on has been removed, or is about to be."""
    record = cluster.get("secrets", _RECORD, NAMESPACE)
    return record is None or record["metadata"]["labels"]["status"] != "deployed"


def _apply(cluster: Cluster, tenant_id: str) -> None:
    for obj in addon_objects(tenant_id):
        cluster.apply_manifest(obj, manager=_FIELD_MANAGER)


def _place(obj: Json) -> tuple[str, str, str]:
    """Resource, namespace ("" for cluster scope) and name."""
    resource = by_kind(obj["apiVersion"], obj["kind"])
    assert resource is not None
    return resource.key, obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


@rule("webhook", "the add-on is a Helm release", Provenance.REPORTED, "AKS issue 5472")
def _record(cluster: Cluster, tenant_id: str) -> Json:
    """The Secret in which helm keeps a release; the tenant is in its configuration."""
    now = timestamp(cluster.clock.now())
    release = {
        "name": RELEASE,
        "namespace": NAMESPACE,
        "version": 1,
        "info": {
            "first_deployed": now,
            "last_deployed": now,
            "description": "Install complete",
            "status": "deployed",
        },
        "chart": {
            "metadata": chart_metadata(),
            "lock": None,
            "templates": [],
            "values": {},
            "schema": None,
            "files": [],
        },
        "config": {"azureTenantID": tenant_id},
        "manifest": yaml.safe_dump_all(addon_objects(tenant_id)),
    }
    packed = base64.b64encode(gzip.compress(json.dumps(release).encode(), mtime=0))
    labels = {"name": RELEASE, "owner": "helm", "status": "deployed", "version": "1"}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "helm.sh/release.v1",
        "metadata": {"name": _RECORD, "namespace": NAMESPACE, "labels": labels},
        "data": {"release": base64.b64encode(packed).decode()},
    }


def _tenant_id(record: Json) -> str | None:
    """The tenant of a recorded release, None if the release is on its way out."""
    if record["metadata"]["labels"]["status"] != "deployed":
        return None
    packed = base64.b64decode(base64.b64decode(record["data"]["release"]))
    return str(json.loads(gzip.decompress(packed))["config"]["azureTenantID"])
