"""Managed clusters: read, created, updated and deleted through ARM, and their credentials."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.provenance import Provenance, doubt, rule

from . import arm_bodies, cluster_body, features, kubeconfig
from .arm_wire import (
    GROUP,
    SUBSCRIPTION,
    Unwrapped,
    group,
    needs,
    registered,
    resource_not_found,
    subscription,
    table,
)
from .arm_wire import indented as answer
from .cluster_body import KIND, shown
from .cluster_operations import attach, begin, busy, poll_headers, settle
from .state import Json, ManagedCluster
from .wire import json_object

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from simulator.kubernetes.cluster import Cluster
    from simulator.simulation import Simulation

__all__ = ["TABLE", "add_cluster", "attach"]

TABLE = table()

_ALL = f"/providers/{KIND}"
_ONE = f"{GROUP}{_ALL}/{{name}}"
_PREVIEW = "Microsoft.ContainerService/EnableOIDCIssuerPreview"


async def add_cluster(
    simulation: Simulation,
    *,
    subscription: str,
    resource_group: str,
    name: str,
    location: str = "",
    version: str = "",
    oidc_issuer: bool = True,
    workload_identity: bool = False,
    entra_integrated: bool = False,
    local_accounts: bool = True,
) -> Cluster:
    """A cluster that is there already, in a resource group that is: its ARM body, and its Kubernetes side running.

    ``location`` '' is the group's, ``version`` '' the latest. Returns the Kubernetes side.
    """
    azure = simulation.azure
    place = azure.resource_groups[f"/subscriptions/{subscription}/resourcegroups/{resource_group}".lower()]
    properties: Json = {
        "kubernetesVersion": version,
        "agentPoolProfiles": [{"name": "nodepool1", "count": 1}],
        "oidcIssuerProfile": {"enabled": oidc_issuer},
        "disableLocalAccounts": not local_accounts,
    }
    if workload_identity:
        properties["securityProfile"] = {"workloadIdentity": {"enabled": True}}
    if entra_integrated:
        properties["aadProfile"] = {"managed": True, "enableAzureRBAC": False, "tenantID": azure.tenant_id}
    sent = {"location": location or place["location"], "properties": properties}
    record = ManagedCluster(cluster_body.new(azure.tenant_id, place, name, sent))
    begin(simulation, record, "Creating").ends_at = simulation.clock.now()
    key = record.body["id"].lower()
    azure.clusters[key] = record
    await settle(simulation)
    return simulation.clusters[key]


def _key(request: Request) -> str:
    places = request.path_params
    return f"/subscriptions/{places['sub']}/resourcegroups/{places['rg']}{_ALL}/{places['name']}".lower()


async def _find(simulation: Simulation, request: Request) -> ManagedCluster:
    group(simulation, request)
    await settle(simulation)
    found = simulation.azure.clusters.get(_key(request))
    if found is None:
        raise resource_not_found(KIND, request.path_params["name"], request.path_params["rg"])
    return found


async def _listed(simulation: Simulation, request: Request, prefix: str) -> Response:
    await settle(simulation)
    found = [one for key, one in simulation.azure.clusters.items() if key.startswith(prefix.lower())]
    return answer(request, {"value": [shown(one, busy=busy(simulation, one)) for one in found]})


@TABLE.add("GET", f"{SUBSCRIPTION}{_ALL}", Provenance.DOCUMENTED, "bulk-reads.md clusters")
@needs(f"{KIND}/read", SUBSCRIPTION)
async def list_by_subscription(simulation: Simulation, request: Request) -> Response:
    """All of a subscription, whole."""
    return await _listed(simulation, request, f"/subscriptions/{request.path_params['sub']}/")


@TABLE.add("GET", f"{GROUP}{_ALL}", Provenance.DOCUMENTED, "bulk-reads.md clusters")
@needs(f"{KIND}/read", GROUP)
async def list_by_group(simulation: Simulation, request: Request) -> Response:
    """All of a resource group, whole."""
    return await _listed(simulation, request, group(simulation, request)["id"] + "/")


@TABLE.add("GET", _ONE, Provenance.RECORDED, "wire/aks.yaml az_update_sequence")
@needs(f"{KIND}/read", _ONE)
async def get_cluster(simulation: Simulation, request: Request) -> Response:
    """One."""
    found = await _find(simulation, request)
    return answer(request, shown(found, busy=busy(simulation, found)))


@TABLE.add("PUT", _ONE, Provenance.RECORDED, "wire/aks.yaml create, update_oidc")
@rule(
    "arm", "the request header AKSHTTPCustomFeatures is ignored after GA", Provenance.RECORDED, "wire/aks.yaml create"
)
@needs(f"{KIND}/write", _ONE)
async def put_cluster(simulation: Simulation, request: Request) -> Response:
    """Create: 201; update: 200. Both are long-running."""
    registered(simulation, request, "Microsoft.ContainerService")
    place = group(simulation, request)
    await settle(simulation)
    azure, key = simulation.azure, _key(request)
    sent = await json_object(request, arm_bodies.CLUSTER)
    existing = azure.clusters.get(key)
    _matched(request, existing)
    _previewed(simulation, request, existing, sent)
    if existing is not None:
        _idle(simulation, existing)
        existing.body = cluster_body.merged(azure.tenant_id, existing.body, sent)
        return await _begun(simulation, request, existing, "Updating", 200)
    record = ManagedCluster(cluster_body.new(azure.tenant_id, place, request.path_params["name"], sent))
    azure.clusters[key] = record
    return await _begun(simulation, request, record, "Creating", 201)


@TABLE.add("PATCH", _ONE, Provenance.DOCUMENTED, "managed clusters update tags")
@needs(f"{KIND}/write", _ONE)
async def patch_cluster(simulation: Simulation, request: Request) -> Response:
    """Replace the tags; long-running too."""
    found = await _find(simulation, request)
    _matched(request, found)
    _idle(simulation, found)
    sent = {"tags": (await json_object(request, arm_bodies.TAGS)).get("tags") or {}}
    found.body = cluster_body.merged(simulation.azure.tenant_id, found.body, sent)
    return await _begun(simulation, request, found, "Updating", 200)


@TABLE.add("DELETE", _ONE, Provenance.DOCUMENTED, "managed clusters delete")
@needs(f"{KIND}/delete", _ONE)
async def delete_cluster(simulation: Simulation, request: Request) -> Response:
    """202 and long-running, 204 when it was gone already."""
    await settle(simulation)
    found = simulation.azure.clusters.get(_key(request))
    _matched(request, found)
    if found is None:
        return answer(request, None, 204)
    _idle(simulation, found)
    begin(simulation, found, "Deleting")
    headers = poll_headers(simulation, found)
    headers["Location"] = headers["Azure-AsyncOperation"].replace("/operations/", "/operationresults/")
    return answer(request, None, 202, headers)


async def _begun(simulation: Simulation, request: Request, record: ManagedCluster, kind: str, status: int) -> Response:
    """The answer to a write, which says that it has begun however soon it ends."""
    begin(simulation, record, kind)
    response = answer(request, shown(record, busy=True), status, poll_headers(simulation, record))
    await settle(simulation)
    return response


@rule("arm", "one operation on a cluster at a time", Provenance.REPORTED, "limits-and-errors E3 AKS PUT")
def _idle(simulation: Simulation, record: ManagedCluster) -> None:
    if not busy(simulation, record):
        return
    assert record.operation is not None
    message = (
        f"Operation is not allowed: Another operation ({record.operation.kind}) is in progress, please wait for it to "
        "finish before starting a new operation. See https://aka.ms/aks-pending-operation for more details"
    )
    raise Unwrapped(409, "OperationNotAllowed", message)


@doubt(
    "arm",
    "whether a stale eTag is a 412 (documentation) or a 409 EtagMismatch (reports)",
    "412 EtagMismatch",
    "limits-and-errors E3 AKS PUT",
)
@rule("arm", "If-Match and If-None-Match guard a cluster's eTag: 412", Provenance.DOCUMENTED, "aks use-etags")
def _matched(request: Request, record: ManagedCluster | None) -> None:
    wanted, unwanted = request.headers.get("if-match", ""), request.headers.get("if-none-match", "")
    current = record.body["eTag"] if record else None
    missed = wanted and (current is None or wanted.strip('"') not in ("*", current))
    if missed or (unwanted == "*" and current is not None):
        message = (
            f"Operation is not allowed: the eTag '{wanted or unwanted}' does not match the resource's '{current}'."
        )
        raise Unwrapped(412, "EtagMismatch", message)


@doubt("arm", "the status of OIDCIssuerFeatureFlagNotEnabled", "400", "wire/aks.yaml errors.oidc_preview_flag")
@rule("arm", "while the issuer is a preview its flag must be registered", Provenance.REPORTED, "wire/aks.yaml preview")
def _previewed(simulation: Simulation, request: Request, existing: ManagedCluster | None, sent: Json) -> None:
    """Only where the start file says that the flag is enforced."""
    flag = subscription(simulation, request.path_params["sub"]).features.get(_PREVIEW.lower())
    wanted = ((sent.get("properties") or {}).get("oidcIssuerProfile") or {}).get("enabled")
    has = existing is not None and existing.body["properties"]["oidcIssuerProfile"]["enabled"]
    if flag is None or not flag.enforced or not wanted or has:
        return
    if features.state_of(flag, simulation.clock.now()) != "Registered":
        message = (
            f"Enabling OIDC issuer is not allowed since feature '{_PREVIEW}' is not enabled. Please see "
            "https://aka.ms/aks/previews for how to enable features."
        )
        raise Unwrapped(400, "OIDCIssuerFeatureFlagNotEnabled", message)


async def _running(simulation: Simulation, request: Request) -> Cluster:
    await _find(simulation, request)
    cluster = simulation.clusters.get(_key(request))
    if cluster is None:
        message = "Operation is not allowed: the cluster is being created."
        raise Unwrapped(409, "OperationNotAllowed", message)
    return cluster


@TABLE.add("POST", f"{_ONE}/listClusterUserCredential", Provenance.RECORDED, "wire/aks.yaml kubeconfig.user")
@needs(f"{KIND}/listClusterUserCredential/action", _ONE)
async def user_credential(simulation: Simulation, request: Request) -> Response:
    """A kubeconfig for everybody with the role: with kubelogin where the cluster goes by Entra."""
    cluster = await _running(simulation, request)
    user = f"clusterUser_{request.path_params['rg']}_{request.path_params['name']}"
    make = kubeconfig.entra if cluster.state.entra_integrated else kubeconfig.local
    value = make(simulation, cluster.state, user)
    return answer(request, {"kubeconfigs": [{"name": "clusterUser", "value": value}]})


@TABLE.add("POST", f"{_ONE}/listClusterAdminCredential", Provenance.DOCUMENTED, "wire/aks.yaml kubeconfig.admin")
@needs(f"{KIND}/listClusterAdminCredential/action", _ONE)
async def admin_credential(simulation: Simulation, request: Request) -> Response:
    """A kubeconfig with local accounts, where there are any."""
    cluster = await _running(simulation, request)
    if not cluster.state.local_accounts:
        message = (
            "Getting static credential is not allowed because this cluster is set to disable local accounts. "
            "[For more details, see https://learn.microsoft.com/en-us/azure/aks/manage-local-accounts-managed-azure-ad]"
        )
        raise Unwrapped(400, "BadRequest", message)
    user = f"clusterAdmin_{request.path_params['rg']}_{request.path_params['name']}"
    value = kubeconfig.local(simulation, cluster.state, user)
    return answer(request, {"kubeconfigs": [{"name": "clusterAdmin", "value": value}]})
