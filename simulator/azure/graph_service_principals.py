"""Graph's service principals, and the few directory reads that clients make around them."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING

from simulator.provenance import Provenance, doubt, rule
from simulator.routing import Refusal

from . import directory, graph_bodies
from .graph_wire import (
    HOST,
    OWN,
    READ,
    ROUTES,
    WRITE,
    answer,
    bad_request,
    collection,
    entity,
    may_change,
    needs,
    not_found,
    nothing,
    received,
)
from .state import Application, AzureState, Json, ServicePrincipal
from .wire import seconds_z

if TYPE_CHECKING:
    from datetime import datetime

    from starlette.requests import Request
    from starlette.responses import Response

    from simulator.simulation import Simulation

_SOURCE = "wire/entra-apps.yaml service_principal"
_KINDS = ("application", "servicePrincipal")
"""What :func:`get_by_ids` finds unless it is asked for some kinds only."""
_MOST_IDS = 1000


@rule("graph", "a service principal's members", Provenance.RECORDED, f"{_SOURCE} body")
@doubt(
    "graph",
    "the order of servicePrincipalNames: client id first, or reversed in later reads",
    "client id first",
    f"{_SOURCE} body; application.quirks",
)
def body_of(azure: AzureState, app: Json, kind: str, now: datetime) -> Json:
    """A new service principal of the application ``app``; ``kind`` is ``Application`` or ``ManagedIdentity``."""
    managed = kind == "ManagedIdentity"
    return {
        "id": str(uuid.uuid4()),
        "deletedDateTime": None,
        "accountEnabled": True,
        "alternativeNames": [],
        "appDisplayName": None if managed else app["displayName"],
        "appDescription": None,
        "appId": app["appId"],
        "applicationTemplateId": None,
        "appOwnerOrganizationId": None if managed else azure.tenant_id,
        "appRoleAssignmentRequired": False,
        "createdDateTime": seconds_z(now),
        "description": None,
        "disabledByMicrosoftStatus": None,
        "displayName": app["displayName"],
        "homepage": None,
        "loginUrl": None,
        "logoutUrl": None,
        "notes": None,
        "notificationEmailAddresses": [],
        "preferredSingleSignOnMode": None,
        "preferredTokenSigningKeyThumbprint": None,
        "replyUrls": [],
        "servicePrincipalNames": [app["appId"], *app["identifierUris"]],
        "servicePrincipalType": kind,
        "signInAudience": None if managed else app["signInAudience"],
        "tags": [],
        "tokenEncryptionKeyId": None,
        "samlSingleSignOnSettings": None,
        "addIns": [],
        "appRoles": [],
        "info": {
            "logoUrl": None,
            "marketingUrl": None,
            "privacyStatementUrl": None,
            "supportUrl": None,
            "termsOfServiceUrl": None,
        },
        "keyCredentials": [],
        "oauth2PermissionScopes": [],
        "passwordCredentials": [],
        "resourceSpecificApplicationPermissions": [],
        "verifiedPublisher": {"displayName": None, "verifiedPublisherId": None, "addedDateTime": None},
    }


def _find(simulation: Simulation, key: str) -> ServicePrincipal:
    found = directory.principal(simulation.azure, key)
    if found is None or not directory.visible(found, simulation.clock.now()):
        raise not_found(key)
    return found


def _by_client_id(simulation: Simulation, client_id: str) -> ServicePrincipal:
    found = directory.principal_by_client_id(simulation.azure, client_id)
    if found is None or not directory.visible(found, simulation.clock.now()):
        raise not_found(client_id)
    return found


def _owner(azure: AzureState, principal: ServicePrincipal) -> str:
    application = directory.application_by_client_id(azure, principal.body["appId"])
    return application.owner if application else ""


@doubt(
    "graph",
    "the same lag is told as a 403 (must in the local tenant), and a busy directory as a 404 Directory_ObjectNotFound",
    "always the 400 with NoBackingApplicationObject",
    "wire/entra-apps.yaml replication_errors",
)
@rule("graph", "the application must be replicated first", Provenance.REPORTED, "wire/entra-apps.yaml sp_before_app")
def _backing(simulation: Simulation, client_id: str) -> Application:
    found = directory.application_by_client_id(simulation.azure, client_id)
    if found is None or not directory.visible(found, simulation.clock.now()):
        message = f"The appId '{client_id}' of the service principal does not reference a valid application object."
        detail = {"code": "NoBackingApplicationObject", "message": message, "target": "appId"}
        raise bad_request(message, details=[detail])
    return found


@doubt(
    "graph",
    "status and code of a second service principal of an application",
    "409 Request_MultipleObjectsWithSameKeyValue",
    "wire/entra-apps.yaml duplicate_sp",
)
def _made(simulation: Simulation, request: Request, client_id: str, sent: Json) -> Response:
    azure = simulation.azure
    application = _backing(simulation, client_id)
    may_change(request, application.owner)
    if directory.principal_by_client_id(azure, client_id) is not None:
        message = (
            "The service principal cannot be created, updated, or restored because the service principal name "
            f"{client_id} is already in use."
        )
        raise Refusal(409, "Request_MultipleObjectsWithSameKeyValue", message)
    body = body_of(azure, application.body, "Application", simulation.clock.now()) | sent
    visible_at = simulation.weather.after("directory_replication")
    azure.service_principals[body["id"]] = ServicePrincipal(body, visible_at)
    location = f"{HOST}/v2/{azure.tenant_id}/directoryObjects/{body['id']}/Microsoft.DirectoryServices.ServicePrincipal"
    return answer(request, entity(request, "servicePrincipals/$entity", body), 201, location=location)


@ROUTES.add("GET", "/v1.0/servicePrincipals", Provenance.RECORDED, "wire/entra-apps.yaml query")
@needs(READ)
async def list_principals(simulation: Simulation, request: Request) -> Response:
    """Filter and page."""
    now = simulation.clock.now()
    items = [one.body for one in simulation.azure.service_principals.values() if directory.visible(one, now)]
    return collection(request, "servicePrincipals", items, lambda item: item)


@ROUTES.add("POST", "/v1.0/servicePrincipals", Provenance.RECORDED, f"{_SOURCE} create")
@needs(WRITE, OWN)
async def create_principal(simulation: Simulation, request: Request) -> Response:
    """The service principal of an application of this tenant."""
    sent = await received(request, graph_bodies.PRINCIPAL)
    client_id = sent.pop("appId", None)
    if not client_id:
        raise bad_request("A value is required for property 'appId' of resource 'ServicePrincipal'.")
    return _made(simulation, request, str(client_id).lower(), sent)


@ROUTES.add("GET", "/v1.0/servicePrincipals(appId='{client_id}')", Provenance.DOCUMENTED, "serviceprincipal-get")
@needs(READ)
async def get_by_client_id(simulation: Simulation, request: Request) -> Response:
    """One by its client id."""
    found = _by_client_id(simulation, request.path_params["client_id"])
    return answer(request, entity(request, "servicePrincipals/$entity", found.body))


@ROUTES.add("PATCH", "/v1.0/servicePrincipals(appId='{client_id}')", Provenance.DOCUMENTED, "serviceprincipal-upsert")
@needs(WRITE, OWN)
async def upsert_principal(simulation: Simulation, request: Request) -> Response:
    """Change it: 204; with ``Prefer: create-if-missing`` create what is missing: 201."""
    client_id = request.path_params["client_id"].lower()
    sent = await received(request, graph_bodies.PRINCIPAL)
    sent.pop("appId", None)
    found = directory.principal_by_client_id(simulation.azure, client_id)
    if found is not None:
        return _changed(simulation, request, found, sent)
    if "create-if-missing" not in request.headers.get("prefer", ""):
        raise not_found(client_id)
    return _made(simulation, request, client_id, sent)


@ROUTES.add("GET", "/v1.0/servicePrincipals/{id}", Provenance.RECORDED, _SOURCE)
@needs(READ)
async def get_principal(simulation: Simulation, request: Request) -> Response:
    """One by its object id."""
    found = _find(simulation, request.path_params["id"])
    return answer(request, entity(request, "servicePrincipals/$entity", found.body))


@ROUTES.add("PATCH", "/v1.0/servicePrincipals/{id}", Provenance.DOCUMENTED, "serviceprincipal-update")
@needs(WRITE, OWN)
async def update_principal(simulation: Simulation, request: Request) -> Response:
    """Change members: 204."""
    found = _find(simulation, request.path_params["id"])
    return _changed(simulation, request, found, await received(request, graph_bodies.PRINCIPAL))


def _changed(simulation: Simulation, request: Request, found: ServicePrincipal, sent: Json) -> Response:
    may_change(request, _owner(simulation.azure, found))
    if sent.pop("appId", found.body["appId"]) != found.body["appId"]:
        raise bad_request("Property 'appId' is read-only and cannot be set.")
    found.body.update(sent)
    return nothing(request)


@ROUTES.add("DELETE", "/v1.0/servicePrincipals/{id}", Provenance.RECORDED, f"{_SOURCE} delete")
@needs(WRITE, OWN)
async def delete_principal(simulation: Simulation, request: Request) -> Response:
    """Delete one; its application stays."""
    found = _find(simulation, request.path_params["id"])
    may_change(request, _owner(simulation.azure, found))
    del simulation.azure.service_principals[found.body["id"]]
    return nothing(request)


@ROUTES.add("GET", "/v1.0/me", Provenance.REPORTED, "seam.md, az keyvault create")
@needs()
async def me(simulation: Simulation, request: Request) -> Response:  # noqa: ARG001
    """Only for people; az falls back to the service principal."""
    raise Refusal(400, "BadRequest", "/me request is only valid with delegated authentication flow.")


@ROUTES.add("GET", "/v1.0/organization", Provenance.DOCUMENTED, "organization-list")
@needs()
async def organization(simulation: Simulation, request: Request) -> Response:
    """The one tenant."""
    azure = simulation.azure
    domain = {"name": azure.tenant_domain, "isDefault": True, "isInitial": True, "type": "Managed"}
    item = {"id": azure.tenant_id, "displayName": azure.tenant_name, "verifiedDomains": [domain]}
    return collection(request, "organization", [item], lambda each: each)


@rule("graph", "getByIds takes at most 1,000 ids", Provenance.DOCUMENTED, "directoryobject-getbyids")
@doubt("graph", "the text of getByIds' refusal of too many ids", "one of our own", "directoryobject-getbyids")
def _refuse_too_many(ids: Sequence[str]) -> None:
    if len(ids) > _MOST_IDS:
        message = f"Too many ids: at most {_MOST_IDS} may be sent in one request."
        raise bad_request(message)


@ROUTES.add("POST", "/v1.0/directoryObjects/getByIds", Provenance.DOCUMENTED, "directoryobject-getbyids")
@needs(READ)
async def get_by_ids(simulation: Simulation, request: Request) -> Response:
    """Those of the ids that are a service principal or an application; the rest is left out."""
    sent = await received(request, graph_bodies.IDS)
    _refuse_too_many(sent.get("ids") or ())
    now = simulation.clock.now()
    items: list[Json] = []
    wanted = {f"#microsoft.graph.{kind}".lower() for kind in sent.get("types") or _KINDS}
    for key in sent.get("ids") or ():
        if (principal := directory.principal(simulation.azure, key)) and directory.visible(principal, now):
            items.append({"@odata.type": "#microsoft.graph.servicePrincipal", **principal.body})
        elif (app := simulation.azure.applications.get(key.lower())) and directory.visible(app, now):
            items.append({"@odata.type": "#microsoft.graph.application", **app.body})
    items = [each for each in items if each["@odata.type"].lower() in wanted]
    return collection(request, "directoryObjects", items, lambda each: each)
