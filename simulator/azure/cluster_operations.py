"""Long-running operations on managed clusters: how they begin, what they do when they end, how they are polled."""

from __future__ import annotations

import asyncio
import secrets
import uuid
from functools import partial
from typing import TYPE_CHECKING

from simulator.kubernetes import workloads
from simulator.kubernetes.cluster import Cluster
from simulator.provenance import Provenance, doubt, rule
from simulator.routing import Refusal
from simulator.webhook import addon, backend

from . import authorization, cluster_body
from .arm_wire import HOST, SUBSCRIPTION, needs, table, wait
from .arm_wire import indented as answer
from .state import Json, ManagedCluster, Operation
from .wire import trimmed_z

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from simulator.simulation import Simulation

TABLE = table()

_LOOK_SECONDS = 0.25
"""How often, in real seconds, a running cluster looks whether its operation has ended."""
_LOCATION = f"{SUBSCRIPTION}/providers/Microsoft.ContainerService/locations/{{location}}"
_SIGNATURE = ("t", "c", "s", "h")
_SOURCE = "wire/aks.yaml async_operation"


def begin(simulation: Simulation, record: ManagedCluster, kind: str) -> Operation:
    """Start an operation; what it brings about takes place when it ends."""
    signature = f"&t={uuid.uuid4().int % 10**18}&c={secrets.token_urlsafe(96)}&s={secrets.token_urlsafe(64)}"
    operation = Operation(
        id=str(uuid.uuid4()),
        kind=kind,
        query=f"api-version=2025-03-01{signature}&h={secrets.token_urlsafe(32)}",
        started_at=simulation.clock.now(),
        ends_at=simulation.weather.after("cluster_update"),
        fails=simulation.weather.dials.cluster_failures > 0 and simulation.weather.happens("cluster_failures"),
    )
    record.operation = operation
    simulation.azure.operations[operation.id] = operation
    return operation


@rule("arm", "Azure-AsyncOperation carries a signed query that is part of it", Provenance.RECORDED, f"{_SOURCE} quirk")
def poll_headers(simulation: Simulation, record: ManagedCluster) -> dict[str, str]:
    """Where to poll the operation, and how soon."""
    assert record.operation is not None
    parts = record.body["id"].split("/")
    where = _LOCATION.format(sub=parts[2], location=record.body["location"])
    url = f"{HOST}{where}/operations/{record.operation.id}?{record.operation.query}"
    return {"Azure-AsyncOperation": url} | wait(simulation, record.operation.ends_at)


def busy(simulation: Simulation, record: ManagedCluster) -> bool:
    """Whether an operation on the cluster has not ended."""
    return record.operation is not None and simulation.clock.now() < record.operation.ends_at


async def settle(simulation: Simulation) -> None:
    """Bring about what the operations that have ended were for."""
    for key, record in list(simulation.azure.clusters.items()):
        if _due(simulation, record):
            await _bring_about(simulation, key, record)


def _due(simulation: Simulation, record: ManagedCluster) -> bool:
    return record.operation is not None and not record.operation.settled and not busy(simulation, record)


async def _bring_about(simulation: Simulation, key: str, record: ManagedCluster) -> None:
    assert record.operation is not None
    record.operation.settled = True
    if record.operation.fails:
        record.body["properties"]["provisioningState"] = "Failed"
        return
    if record.operation.kind == "Deleting":
        del simulation.azure.clusters[key]
        authorization.forget_scope(simulation, record.body["id"])
        if cluster := simulation.clusters.pop(key, None):
            await cluster.stop()
        return
    if key not in simulation.clusters:
        simulation.clusters[key] = _kubernetes(simulation, record.body)
        await attach(simulation, simulation.clusters[key])
    await _conform(simulation, simulation.clusters[key], record.body)


def _kubernetes(simulation: Simulation, body: Json) -> Cluster:
    """The Kubernetes side of a cluster that comes up."""
    fqdn = body["properties"]["fqdn"]
    cluster = Cluster.new(
        name=body["name"],
        fqdn=fqdn,
        issuer=f"https://{fqdn}",
        clock=simulation.clock,
        seed=simulation.weather.seed,
        ca=simulation.authority.pem.decode(),
    )
    cluster.state.admins = [one.object_id for one in simulation.azure.operators if one.cluster_admin]
    return cluster


@rule("arm", "enabling the issuer changes what tokens say; the add-on comes and goes", Provenance.DOCUMENTED, "E1 OIDC")
async def _conform(simulation: Simulation, cluster: Cluster, body: Json) -> None:
    """Make the Kubernetes side what the body says."""
    properties = body["properties"]
    state = cluster.state
    state.issuer = properties["oidcIssuerProfile"].get("issuerURL") or f"https://{state.fqdn}"
    state.version = f"v{properties['currentKubernetesVersion']}"
    state.entra_integrated = bool(properties.get("aadProfile"))
    state.local_accounts = not properties["disableLocalAccounts"]
    if cluster_body.workload_identity(body):
        await addon.install(cluster, simulation.azure.tenant_id)
    elif "workloadIdentity" in properties["securityProfile"]:
        await addon.remove(cluster)


async def attach(simulation: Simulation, cluster: Cluster) -> None:
    """Give a cluster, new or from a snapshot, what runs in it, and start it."""
    backend.attach(cluster, simulation)
    cluster.controllers.append(partial(workloads.run, simulation=simulation))
    cluster.controllers.append(partial(_follow, simulation))
    await cluster.start()


async def _follow(simulation: Simulation, cluster: Cluster) -> None:
    """Bring about what an operation was for even when nobody polls it, for those who watch the cluster itself."""
    key = next(key for key, one in simulation.clusters.items() if one is cluster)
    while key in simulation.azure.clusters:
        record = simulation.azure.clusters[key]
        deleting = record.operation is not None and record.operation.kind == "Deleting"
        if not deleting and _due(simulation, record):
            await _bring_about(simulation, key, record)
        await asyncio.sleep(_LOOK_SECONDS)


@TABLE.add("GET", f"{_LOCATION}/operations/{{operation}}", Provenance.RECORDED, f"{_SOURCE} in_progress, succeeded")
@rule("arm", "a failed operation is a 200 too, with its error", Provenance.DOCUMENTED, f"{_SOURCE} failed")
@doubt(
    "arm",
    "the code and the words of an operation that failed",
    "InternalOperationError, and nothing of what it was for has happened",
    f"{_SOURCE} failed",
)
@doubt(
    "arm",
    "whether the name of an operation is the guid of its URL (2026) or that with its groups' bytes swapped (2022-23)",
    "the guid of the URL",
    f"{_SOURCE} quirk_name_2022_2023",
)
@needs("Microsoft.ContainerService/locations/operations/read", SUBSCRIPTION, *_SIGNATURE)
async def poll(simulation: Simulation, request: Request) -> Response:
    """200 in any case; only the very URL that the operation was announced with finds it."""
    found = await _announced(simulation, request)
    ended = simulation.clock.now() >= found.ends_at
    body: Json = {
        "name": found.id,
        "status": _ending(found) if ended else "InProgress",
        "startTime": trimmed_z(found.started_at),
    }
    if ended and found.fails:
        body["error"] = {"code": "InternalOperationError", "message": "Internal server error. Please retry later."}
    if ended:
        return answer(request, body | {"endTime": trimmed_z(found.ends_at)})
    return answer(request, body, headers=wait(simulation, found.ends_at))


@TABLE.add(
    "GET", f"{_LOCATION}/operationresults/{{operation}}", Provenance.DOCUMENTED, "ARM async operations, Location"
)
@needs("Microsoft.ContainerService/locations/operationresults/read", SUBSCRIPTION, *_SIGNATURE)
async def result(simulation: Simulation, request: Request) -> Response:
    """A deletion polled by its ``Location``: 202 until it has ended, then 204."""
    found = await _announced(simulation, request)
    if simulation.clock.now() >= found.ends_at:
        return answer(request, None, 204)
    return answer(request, None, 202, {"Location": str(request.url)} | wait(simulation, found.ends_at))


def _ending(operation: Operation) -> str:
    return "Failed" if operation.fails else "Succeeded"


async def _announced(simulation: Simulation, request: Request) -> Operation:
    await settle(simulation)
    name = request.path_params["operation"]
    found = simulation.azure.operations.get(name)
    if found is None or request.url.query != found.query:
        raise Refusal(404, "NotFound", f"The operation '{name}' was not found.")
    return found


@TABLE.add("GET", f"{_LOCATION}/kubernetesVersions", Provenance.RECORDED, "wire/aks.yaml versions")
@needs("", SUBSCRIPTION)
async def versions(simulation: Simulation, request: Request) -> Response:  # noqa: ARG001
    """What can be installed; the key is ``values``."""
    alias = ".".join(cluster_body.LATEST.split(".")[:2])
    plan = {"supportPlan": ["KubernetesOfficial"]}
    patches: Json = {cluster_body.LATEST: {"upgrades": []}}
    latest = {"version": alias, "isDefault": True, "capabilities": plan, "patchVersions": patches}
    return answer(request, {"values": [latest]})
