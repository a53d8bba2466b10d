"""Subscriptions, tenants, resource groups, and the thin list of all resources."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response

from simulator.provenance import Provenance, doubt, rule
from simulator.routing import Refusal

from . import arm_bodies, roles
from .arm_wire import GROUP, SUBSCRIPTION, answer, filtered, forbidden, group, needs, region, subscription, table
from .state import AzureState, Json, Subscription
from .wire import json_object

if TYPE_CHECKING:
    from starlette.requests import Request

    from simulator.simulation import Simulation

TABLE = table()

_GROUPS = "Microsoft.Resources/subscriptions/resourceGroups"


def _body(azure: AzureState, one: Subscription) -> Json:
    return {
        "id": f"/subscriptions/{one.id}",
        "authorizationSource": "RoleBased",
        "managedByTenants": [],
        "subscriptionId": one.id,
        "tenantId": azure.tenant_id,
        "displayName": one.name,
        "state": "Enabled",
        "subscriptionPolicies": {
            "locationPlacementId": "Public_2014-09-01",
            "quotaId": "MSDN_2014-09-01",
            "spendingLimit": "On",
        },
    }


@rule("arm", "a subscription is listed to those with a role in it", Provenance.DOCUMENTED, "subscriptions list")
def _seen(simulation: Simulation, request: Request, one: Subscription) -> bool:
    inside = f"/subscriptions/{one.id}"
    return any(
        roles.reaches(inside, scope) or roles.reaches(scope, inside)
        for assignment in roles.of_principal(simulation.azure, request.state.caller.object_id)
        for scope in [assignment.body["properties"]["scope"]]
    )


@TABLE.add("GET", "/subscriptions", Provenance.DOCUMENTED, "subscriptions list")
@needs("", "/")
async def list_subscriptions(simulation: Simulation, request: Request) -> Response:
    """Those in which the caller has any role."""
    azure = simulation.azure
    value = [_body(azure, one) for one in azure.subscriptions.values() if _seen(simulation, request, one)]
    count = {"type": "Total", "value": len(value)}
    return answer(request, {"value": value, "count": count})


@TABLE.add("GET", "/tenants", Provenance.DOCUMENTED, "tenants list")
@needs("", "/")
async def list_tenants(simulation: Simulation, request: Request) -> Response:
    """The one tenant."""
    azure = simulation.azure
    tenant = {
        "id": f"/tenants/{azure.tenant_id}",
        "tenantId": azure.tenant_id,
        "displayName": azure.tenant_name,
        "defaultDomain": azure.tenant_domain,
        "domains": [azure.tenant_domain],
        "tenantCategory": "Home",
    }
    return answer(request, {"value": [tenant]})


@TABLE.add("GET", SUBSCRIPTION, Provenance.DOCUMENTED, "subscriptions get, azwi.md phase (tenant)")
@needs("", SUBSCRIPTION)
async def get_subscription(simulation: Simulation, request: Request) -> Response:
    """One, to those with any role in it. Asked without a token, the 401 tells its tenant."""
    found = subscription(simulation, request.path_params["sub"])
    if not _seen(simulation, request, found):
        scope = f"/subscriptions/{found.id}"
        raise forbidden(request.state.caller, "Microsoft.Resources/subscriptions/read", scope)
    return answer(request, _body(simulation.azure, found))


@TABLE.add("GET", f"{SUBSCRIPTION}/resourcegroups", Provenance.DOCUMENTED, "resource groups list")
@needs("", SUBSCRIPTION, "$filter")
async def list_groups(simulation: Simulation, request: Request) -> Response:
    """Those that the caller may read."""
    prefix = f"/subscriptions/{request.path_params['sub']}/".lower()
    who = request.state.caller.object_id
    value = [
        body
        for key, body in simulation.azure.resource_groups.items()
        if key.startswith(prefix) and roles.allowed(simulation, who, f"{_GROUPS}/read", key)
    ]
    return answer(request, {"value": filtered(request, value)})


@TABLE.add("GET", GROUP, Provenance.RECORDED, "wire/managed-identity.yaml preflight_by_az")
@needs(f"{_GROUPS}/read", GROUP)
async def get_group(simulation: Simulation, request: Request) -> Response:
    """One."""
    return answer(request, group(simulation, request))


@TABLE.add("HEAD", GROUP, Provenance.DOCUMENTED, "resource groups check existence")
@needs(f"{_GROUPS}/read", GROUP)
async def group_exists(simulation: Simulation, request: Request) -> Response:
    """204, or 404 without a body."""
    try:
        group(simulation, request)
    except Refusal as refusal:
        return answer(request, None, refusal.status)
    return answer(request, None, 204)


@TABLE.add("PUT", GROUP, Provenance.DOCUMENTED, "resource groups create or update")
@needs(f"{_GROUPS}/write", GROUP)
async def put_group(simulation: Simulation, request: Request) -> Response:
    """Create: 201; update the tags of an existing one: 200."""
    sub, rg = subscription(simulation, request.path_params["sub"]).id, request.path_params["rg"]
    sent = await json_object(request, arm_bodies.GROUP)
    key = f"/subscriptions/{sub}/resourcegroups/{rg}".lower()
    existing = simulation.azure.resource_groups.get(key)
    location = region(sent, "")
    if not location:
        raise Refusal(400, "LocationRequired", "The location property is required for this definition.")
    if existing is None:
        body = new_group(sub, rg, location)
        simulation.azure.resource_groups[key] = body
    elif existing["location"] != location:
        message = (
            f"Invalid resource group location '{location}'. The Resource group already exists in location "
            f"'{existing['location']}'."
        )
        raise Refusal(409, "InvalidResourceGroupLocation", message)
    else:
        body = existing
    if "tags" in sent:
        body["tags"] = sent["tags"]
    return answer(request, body, 200 if existing else 201)


def new_group(sub: str, name: str, location: str) -> Json:
    """A resource group as ARM answers it."""
    return {
        "id": f"/subscriptions/{sub}/resourceGroups/{name}",
        "name": name,
        "type": "Microsoft.Resources/resourceGroups",
        "location": location,
        "tags": {},
        "properties": {"provisioningState": "Succeeded"},
    }


@TABLE.add("GET", f"{SUBSCRIPTION}/resources", Provenance.RECORDED, "wire/keyvault-management.yaml resources_list")
@TABLE.add("GET", f"{GROUP}/resources", Provenance.DOCUMENTED, "resources list by resource group")
@doubt(
    "arm",
    "the instants that $expand=createdTime,changedTime adds to the thin list",
    "the option is taken, and adds nothing",
    "az resource list",
)
@needs("", SUBSCRIPTION, "$filter", "$expand")
async def list_resources(simulation: Simulation, request: Request) -> Response:
    """Thin items, without properties, of what the caller may read."""
    prefix = f"/subscriptions/{request.path_params['sub']}/".lower()
    if "rg" in request.path_params:
        prefix += f"resourcegroups/{request.path_params['rg']}/".lower()
    who = request.state.caller.object_id
    azure = simulation.azure
    bodies = [one.body for one in azure.vaults.values() if one.deleted_at is None]
    bodies += [one.body for one in azure.clusters.values()]
    bodies += [one.body for one in azure.identities.values()]
    value = [
        {"id": body["id"], "name": body["name"], "type": body["type"], "location": body["location"]}
        | {"tags": body.get("tags") or {}}
        for body in bodies
        if body["id"].lower().startswith(prefix) and roles.allowed(simulation, who, f"{body['type']}/read", body["id"])
    ]
    places = {item["id"]: {"resourceType": item["type"], "resourceGroup": item["id"].split("/")[4]} for item in value}
    found = filtered(request, [item | places[item["id"]] for item in value])
    return answer(
        request, {"value": [{k: v for k, v in item.items() if k not in places[item["id"]]} for item in found]}
    )
