"""User-assigned managed identities and their federated credentials."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from simulator.provenance import Provenance, doubt, rule
from simulator.routing import Refusal

from . import arm_bodies, authorization, federation
from .arm_wire import (
    GROUP,
    SUBSCRIPTION,
    answer,
    group,
    needs,
    region,
    registered,
    resource_not_found,
    table,
)
from .graph_service_principals import body_of
from .state import FederatedCredential, Json, ManagedIdentity, ServicePrincipal, Trust
from .wire import json_object, sole_writer

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from simulator.simulation import Simulation

TABLE = table()

_NAMESPACE = "Microsoft.ManagedIdentity"
_KIND = f"{_NAMESPACE}/userAssignedIdentities"
_FIC = "federatedIdentityCredentials"
_ALL = f"/providers/{_KIND}"
_ONE = f"{GROUP}{_ALL}/{{identity}}"
_CREDENTIALS = f"{_ONE}/{_FIC}"
_CREDENTIAL = f"{_CREDENTIALS}/{{name}}"
_SOURCE = "wire/managed-identity.yaml"
_FIC_SOURCE = "wire/federated-credentials.yaml arm_managed_identity_fic"
_SCOPED_SINCE = "2024-11-30"
_WITHOUT_FEDERATION = ("malaysiasouth", "newzealandnorth")


def _key(request: Request) -> str:
    places = request.path_params
    return f"/subscriptions/{places['sub']}/resourcegroups/{places['rg']}{_ALL}/{places['identity']}".lower()


def _find(simulation: Simulation, request: Request) -> ManagedIdentity:
    group(simulation, request)
    found = simulation.azure.identities.get(_key(request))
    if found is None:
        raise resource_not_found(_KIND, request.path_params["identity"], request.path_params["rg"])
    return found


def _shown(request: Request, one: ManagedIdentity) -> Json:
    """Since api-version 2024-11-30 with an isolation scope."""
    if request.query_params["api-version"] < _SCOPED_SINCE:
        return one.body
    return one.body | {"properties": {"isolationScope": "None"} | one.body["properties"]}


@TABLE.add("GET", f"{SUBSCRIPTION}{_ALL}", Provenance.DOCUMENTED, f"{_SOURCE} list_by_group")
@needs(f"{_KIND}/read", SUBSCRIPTION)
async def list_by_subscription(simulation: Simulation, request: Request) -> Response:
    """All of a subscription."""
    return _listed(simulation, request, f"/subscriptions/{request.path_params['sub']}/")


@TABLE.add("GET", f"{GROUP}{_ALL}", Provenance.RECORDED, f"{_SOURCE} list_by_group")
@needs(f"{_KIND}/read", GROUP)
async def list_by_group(simulation: Simulation, request: Request) -> Response:
    """All of a resource group; no nextLink."""
    return _listed(simulation, request, group(simulation, request)["id"] + "/")


def _listed(simulation: Simulation, request: Request, prefix: str) -> Response:
    found = [one for key, one in simulation.azure.identities.items() if key.startswith(prefix.lower())]
    return answer(request, {"value": [_shown(request, one) for one in found]})


@TABLE.add("GET", _ONE, Provenance.RECORDED, f"{_SOURCE} create.body")
@needs(f"{_KIND}/read", _ONE)
async def get_identity(simulation: Simulation, request: Request) -> Response:
    """One."""
    return answer(request, _shown(request, _find(simulation, request)))


@TABLE.add("PUT", _ONE, Provenance.RECORDED, f"{_SOURCE} create")
@doubt(
    "arm",
    "what creating a managed identity of an existing name answers: the specification says 200, no recording does",
    "200 with the identity as it is, its tags replaced where some are sent",
    f"{_SOURCE} same_name_again",
)
@needs(f"{_KIND}/write", _ONE)
async def put_identity(simulation: Simulation, request: Request) -> Response:
    """Create: 201 with its principal and client id, at once; the same name again: 200."""
    registered(simulation, request, _NAMESPACE)
    place = group(simulation, request)
    sent = await json_object(request, arm_bodies.IDENTITY)
    existing = simulation.azure.identities.get(_key(request))
    if existing is not None:
        existing.body["tags"] = sent.get("tags") or existing.body["tags"]
        return answer(request, _shown(request, existing))
    name = request.path_params["identity"]
    location = region(sent, place["location"])
    made = add_identity(simulation, place, name, location, sent.get("tags") or {})
    return answer(request, _shown(request, made), 201, {"location": made.body["id"]})


@rule("arm", "a managed identity's principal is replicated later", Provenance.REPORTED, f"{_SOURCE} replication")
def add_identity(
    simulation: Simulation, place: Json, name: str, location: str, tags: dict[str, str], client_id: str = ""
) -> ManagedIdentity:
    """A new identity in a resource group, by its body, with a client id of its own if none is given."""
    azure, now = simulation.azure, simulation.clock.now()
    visible_at = simulation.weather.after("directory_replication")
    identity = f"{place['id'].replace('/resourceGroups/', '/resourcegroups/')}{_ALL}/{name}"
    app = {"appId": client_id or str(uuid.uuid4()), "displayName": name, "identifierUris": []}
    principal = body_of(azure, app, "ManagedIdentity", now)
    principal["alternativeNames"] = ["isExplicit=True", identity]
    azure.service_principals[principal["id"]] = ServicePrincipal(principal, visible_at)
    body = {
        "location": location,
        "tags": tags,
        "id": identity,
        "name": name,
        "type": _KIND,
        "properties": {"tenantId": azure.tenant_id, "principalId": principal["id"], "clientId": app["appId"]},
    }
    made = ManagedIdentity(body, visible_at)
    azure.identities[identity.lower()] = made
    return made


@TABLE.add("PATCH", _ONE, Provenance.DOCUMENTED, f"{_SOURCE} create")
@needs(f"{_KIND}/write", _ONE)
async def patch_identity(simulation: Simulation, request: Request) -> Response:
    """Replace the tags."""
    found = _find(simulation, request)
    found.body["tags"] = (await json_object(request, arm_bodies.IDENTITY)).get("tags") or {}
    return answer(request, _shown(request, found))


@TABLE.add("DELETE", _ONE, Provenance.RECORDED, f"{_SOURCE} delete")
@needs(f"{_KIND}/delete", _ONE)
async def delete_identity(simulation: Simulation, request: Request) -> Response:
    """200 with an empty body, 204 when it was gone already. Its service principal goes with it."""
    found = simulation.azure.identities.pop(_key(request), None)
    if found is None:
        return answer(request, None, 204)
    simulation.azure.service_principals.pop(found.body["properties"]["principalId"], None)
    authorization.forget_scope(simulation, found.body["id"])
    return answer(request, None)


@TABLE.add("POST", f"{_ONE}/listAssociatedResources", Provenance.RECORDED, f"{_SOURCE} listAssociatedResources")
@needs(f"{_KIND}/listAssociatedResources/action", _ONE)
async def list_associated(simulation: Simulation, request: Request) -> Response:
    """None: nothing in the simulated cloud is given a managed identity."""
    _find(simulation, request)
    return answer(request, {"totalCount": 0, "value": []})


@TABLE.add("POST", f"{_ONE}/revokeTokens", Provenance.RECORDED, f"{_SOURCE} revokeTokens")
@needs(f"{_KIND}/revokeTokens/action", _ONE)
async def revoke_tokens(simulation: Simulation, request: Request) -> Response:
    """200 with an empty body. Tokens that were issued hold on until they end."""
    _find(simulation, request)
    return answer(request, None)


def _credential(owner: ManagedIdentity, one: FederatedCredential) -> Json:
    trust = one.trust
    return {
        "id": f"{owner.body['id']}/{_FIC}/{one.name}",
        "name": one.name,
        "type": f"{_KIND}/{_FIC}",
        "properties": {"issuer": trust.issuer, "subject": trust.subject, "audiences": list(trust.audiences)},
    }


@TABLE.add("GET", _CREDENTIALS, Provenance.RECORDED, f"{_FIC_SOURCE}.list")
@needs(f"{_KIND}/{_FIC}/read", _ONE)
async def list_credentials(simulation: Simulation, request: Request) -> Response:
    """All of one identity; no nextLink."""
    owner = _find(simulation, request)
    return answer(request, {"value": [_credential(owner, one) for one in owner.federated]})


@TABLE.add("GET", _CREDENTIAL, Provenance.RECORDED, f"{_FIC_SOURCE}.get")
@needs(f"{_KIND}/{_FIC}/read", _ONE)
async def get_credential(simulation: Simulation, request: Request) -> Response:
    """One."""
    owner, name = _find(simulation, request), request.path_params["name"]
    found = federation.by_name(owner.federated, name)
    if found is None:
        raise Refusal(404, "NotFound", f"The Federated Identity Credential '{name}' was not found.")
    return answer(request, _credential(owner, found))


@rule("arm", "a just created identity cannot be federated yet", Provenance.REPORTED, "limits-and-errors E3 CCO#878")
@doubt(
    "arm",
    "ParentResourceNotFound, or 'MS Graph resource not found during Federated Identity Credential creation'",
    "always ParentResourceNotFound",
    "limits-and-errors E3 UAMI FIC PUT 404",
)
def _replicated(simulation: Simulation, request: Request) -> ManagedIdentity:
    found = simulation.azure.identities.get(_key(request))
    if found is None or found.visible_at > simulation.clock.now():
        message = (
            f"Failed to perform 'write' on resource(s) of type 'userAssignedIdentities/{_FIC}', because the parent "
            f"resource '{_key(request)}' could not be found."
        )
        raise Refusal(404, "ParentResourceNotFound", message)
    return found


def _invalid(message: str) -> Refusal:
    return Refusal(400, "BadRequest", message)


@rule(
    "arm", "two regions know no federated credentials: 405", Provenance.DOCUMENTED, "limits-and-errors E1 UAMI regions"
)
@doubt(
    "arm",
    "with which code and words a region refuses to federate, and which requests but the PUT it refuses",
    "405 MethodNotAllowed in words of our own, to the PUT alone",
    "limits-and-errors E1 UAMI regions, E3 405",
)
def _in_federating_region(owner: ManagedIdentity) -> None:
    if owner.body["location"] in _WITHOUT_FEDERATION:
        message = f"Federated Identity Credentials are not supported in the region '{owner.body['location']}'."
        raise Refusal(405, "MethodNotAllowed", message)


@doubt(
    "arm",
    "whether a second credential with the same issuer and subject is a 400 or a 409",
    "400 BadRequest",
    "wire/federated-credentials.yaml arm_fic_errors.duplicate_issuer_and_subject",
)
@rule("arm", "at most 20, issuer with subject once per managed identity", Provenance.REPORTED, "bicep-types-az#2029")
def _checked(owner: ManagedIdentity, name: str, sent: Json) -> Trust:
    if not sent:
        raise _invalid("Federated Identity Credential has empty properties.")
    trust = Trust(sent.get("issuer") or "", sent.get("subject") or "", list(sent.get("audiences") or []))
    if reason := federation.shortcoming(name, trust, None):
        raise _invalid(f"Federated Identity Credential {reason}.")
    if federation.twin(owner.federated, name, trust):
        raise _invalid("Issuer and subject combination already exists for this Managed Identity.")
    if federation.by_name(owner.federated, name) is None and federation.full(owner.federated):
        raise _invalid(f"A managed identity cannot have more than {federation.LIMIT} Federated Identity Credentials.")
    return trust


def _concurrent(key: str) -> Refusal:
    message = (
        f"Too many Federated Identity Credentials are written concurrently for the managed identity '{key}'. "
        "Concurrent Federated Identity Credentials writes under the same managed identity are not supported."
    )
    return Refusal(409, "ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity", message)


@TABLE.add("PUT", _CREDENTIAL, Provenance.RECORDED, f"{_FIC_SOURCE}.create_or_update")
@needs(f"{_KIND}/{_FIC}/write", _ONE)
async def put_credential(simulation: Simulation, request: Request) -> Response:
    """Create: 201; update: 200. One writer at a time per identity."""
    owner, key, name = _replicated(simulation, request), _key(request), request.path_params["name"]
    _in_federating_region(owner)
    sent = (await json_object(request, arm_bodies.CREDENTIAL)).get("properties") or {}
    async with sole_writer(simulation, key, lambda: _concurrent(key)):
        trust = _checked(owner, name, sent)
        existed = federation.by_name(owner.federated, name) is not None
        body = _credential(owner, federation.write(simulation, owner.federated, name, trust, None))
    return answer(request, body) if existed else answer(request, body, 201, {"location": body["id"]})


@TABLE.add("DELETE", _CREDENTIAL, Provenance.RECORDED, f"{_FIC_SOURCE}.delete")
@needs(f"{_KIND}/{_FIC}/delete", _ONE)
async def delete_credential(simulation: Simulation, request: Request) -> Response:
    """200 with an empty body, 204 when it was gone already."""
    owner, key = _find(simulation, request), _key(request)
    async with sole_writer(simulation, key, lambda: _concurrent(key)):
        found = federation.by_name(owner.federated, request.path_params["name"])
        if found is None:
            return answer(request, None, 204)
        owner.federated.remove(found)
    return answer(request, None)
