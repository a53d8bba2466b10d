"""Graph's application objects: created, upserted by unique name, listed, changed, deleted, restored."""

from __future__ import annotations

import secrets
import uuid
from copy import deepcopy
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from simulator.provenance import Provenance, rule

from . import directory, federation
from .graph_wire import (
    HOST,
    METADATA,
    OWN,
    READ,
    ROUTES,
    WRITE,
    answer,
    bad_request,
    caller,
    collection,
    entity,
    may_change,
    needs,
    not_found,
    nothing,
    received,
)
from .state import Application, AzureState, FederatedCredential, Json
from .wire import seconds_z, ticks_z

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from simulator.simulation import Simulation

_SOURCE = "wire/entra-apps.yaml application"
_BIN = "/v1.0/directory/deletedItems"
_PERSONAL = "AzureADandPersonalMicrosoftAccount"
_EXPANDED = federation.LIMIT
_READ_ONLY = {"id", "appId", "createdDateTime", "deletedDateTime", "publisherDomain", "certification"}


def blank(azure: AzureState) -> Json:
    """An application as it is with nothing said about it, in the order of the recorded body."""
    return {
        "id": str(uuid.uuid4()),
        "deletedDateTime": None,
        "appId": str(uuid.uuid4()),
        "applicationTemplateId": None,
        "disabledByMicrosoftStatus": None,
        "createdDateTime": None,
        "displayName": None,
        "description": None,
        "groupMembershipClaims": None,
        "identifierUris": [],
        "isDeviceOnlyAuthSupported": None,
        "isFallbackPublicClient": None,
        "notes": None,
        "publisherDomain": azure.tenant_domain,
        "serviceManagementReference": None,
        "signInAudience": _PERSONAL,
        "tags": [],
        "tokenEncryptionKeyId": None,
        "uniqueName": None,
        "samlMetadataUrl": None,
        "defaultRedirectUri": None,
        "certification": None,
        "optionalClaims": None,
        "servicePrincipalLockConfiguration": None,
        "requestSignatureVerification": None,
        "addIns": [],
        "api": {
            "acceptMappedClaims": None,
            "knownClientApplications": [],
            "requestedAccessTokenVersion": 2,
            "oauth2PermissionScopes": [],
            "preAuthorizedApplications": [],
        },
        "appRoles": [],
        "info": {
            "logoUrl": None,
            "marketingUrl": None,
            "privacyStatementUrl": None,
            "supportUrl": None,
            "termsOfServiceUrl": None,
        },
        "keyCredentials": [],
        "parentalControlSettings": {"countriesBlockedForMinors": [], "legalAgeGroupRule": "Allow"},
        "passwordCredentials": [],
        "publicClient": {"redirectUris": []},
        "requiredResourceAccess": [],
        "verifiedPublisher": {"displayName": None, "verifiedPublisherId": None, "addedDateTime": None},
        "web": {
            "homePageUrl": None,
            "logoutUrl": None,
            "redirectUris": [],
            "implicitGrantSettings": {"enableAccessTokenIssuance": False, "enableIdTokenIssuance": False},
            "redirectUriSettings": [],
        },
        "spa": {"redirectUris": []},
    }


def find(simulation: Simulation, key: str) -> Application:
    """The application with this object id, as a reader sees it."""
    found = simulation.azure.applications.get(key.lower())
    if found is None or not directory.visible(found, simulation.clock.now()):
        raise not_found(key)
    return found


def _by_client_id(simulation: Simulation, client_id: str) -> Application:
    found = directory.application_by_client_id(simulation.azure, client_id)
    if found is None or not directory.visible(found, simulation.clock.now()):
        raise not_found(client_id)
    return found


def _by_unique_name(azure: AzureState, name: str) -> Application | None:
    return next((one for one in azure.applications.values() if one.body["uniqueName"] == name), None)


def credential(one: FederatedCredential) -> Json:
    """A federated credential as Graph answers it."""
    return {
        "id": one.id,
        "name": one.name,
        "issuer": one.trust.issuer,
        "subject": one.trust.subject,
        "description": one.description,
        "audiences": list(one.trust.audiences),
    }


@rule("graph", "$expand cuts a relation at 20", Provenance.DOCUMENTED, "bulk-reads.md")
def _expanded(request: Request, application: Application) -> Json:
    if "federatedidentitycredentials" not in request.query_params.get("$expand", "").lower():
        return application.body
    return {
        **application.body,
        "federatedIdentityCredentials": [credential(one) for one in application.federated[:_EXPANDED]],
    }


@rule("graph", "a deleted application's uniqueName stays taken", Provenance.REPORTED, "msgraph-bicep-types#137")
def _checked(azure: AzureState, sent: Json, existing: Json) -> None:
    """Refuse what Graph would not store."""
    for name in sent:
        if name not in existing:
            raise bad_request(f"Invalid property '{name}'.")
        if name in _READ_ONLY and sent[name] != existing[name]:
            raise bad_request(f"Property '{name}' is read-only and cannot be set.")
    if "displayName" in sent and not sent["displayName"]:
        raise bad_request("Invalid value specified for property 'displayName' of resource 'Application'.")
    unique = sent.get("uniqueName")
    if unique and unique != existing["uniqueName"]:
        if existing["uniqueName"] is not None:
            raise bad_request("Property 'uniqueName' is immutable and cannot be changed.")
        _unused(azure, "uniqueName", unique, existing["id"])
    for uri in sent.get("identifierUris") or ():
        _unused(azure, "identifierUris", uri, existing["id"])


def _unused(azure: AzureState, member: str, value: str, own: str) -> None:
    for other in azure.applications.values():
        held = other.body[member]
        if other.body["id"] != own and value in (held if isinstance(held, list) else [held]):
            message = f"Another object with the same value for property {member} already exists."
            detail = {"code": "ObjectConflict", "message": message, "target": member}
            raise bad_request(message, details=[detail])


@rule("graph", "an application is replicated to readers later", Provenance.REPORTED, "wire/entra-apps.yaml lag")
def _made(simulation: Simulation, request: Request, sent: Json) -> Response:
    azure, now = simulation.azure, simulation.clock.now()
    body = blank(azure)
    if not sent.get("displayName"):
        raise bad_request("A value is required for property 'displayName' of resource 'Application'.")
    _checked(azure, sent, body)
    body |= deepcopy(sent) | {"createdDateTime": seconds_z(now)}
    if body["signInAudience"] != _PERSONAL and "api" not in sent:
        body["api"]["requestedAccessTokenVersion"] = None
    visible_at = simulation.weather.after("directory_replication")
    azure.applications[body["id"]] = Application(body, visible_at, owner=caller(request))
    location = f"{HOST}/v2/{azure.tenant_id}/directoryObjects/{body['id']}/Microsoft.DirectoryServices.Application"
    # The answer to the creation is the only one whose instant has a fraction.
    fresh = body | {"createdDateTime": ticks_z(now)}
    return answer(request, entity(request, "applications/$entity", fresh), 201, location=location)


@ROUTES.add("GET", "/v1.0/applications", Provenance.RECORDED, "wire/entra-apps.yaml query")
@needs(READ)
async def list_applications(simulation: Simulation, request: Request) -> Response:
    """Filter, page, and expand federated credentials."""
    now = simulation.clock.now()
    seen = {key: one for key, one in simulation.azure.applications.items() if directory.visible(one, now)}
    items = [
        {**one.body, "federatedIdentityCredentials": [credential(each) for each in one.federated]}
        for one in seen.values()
    ]
    return collection(request, "applications", items, lambda item: _expanded(request, seen[item["id"]]))


@ROUTES.add("POST", "/v1.0/applications", Provenance.RECORDED, f"{_SOURCE} create")
@needs(WRITE, OWN)
async def create_application(simulation: Simulation, request: Request) -> Response:
    """A new one, whatever exists under the same display name."""
    return _made(simulation, request, await received(request))


@ROUTES.add("GET", "/v1.0/applications(appId='{client_id}')", Provenance.DOCUMENTED, "application alternate keys")
@needs(READ)
async def get_by_client_id(simulation: Simulation, request: Request) -> Response:
    """One by its client id."""
    found = _by_client_id(simulation, request.path_params["client_id"])
    return answer(request, entity(request, "applications/$entity", _expanded(request, found)))


@ROUTES.add("GET", "/v1.0/applications(uniqueName='{name}')", Provenance.DOCUMENTED, "application alternate keys")
@needs(READ)
async def get_by_unique_name(simulation: Simulation, request: Request) -> Response:
    """One by its unique name."""
    found = _by_unique_name(simulation.azure, request.path_params["name"])
    if found is None or not directory.visible(found, simulation.clock.now()):
        raise not_found(request.path_params["name"])
    return answer(request, entity(request, "applications/$entity", _expanded(request, found)))


@ROUTES.add(
    "PATCH", "/v1.0/applications(uniqueName='{name}')", Provenance.DOCUMENTED, "limits-and-errors E3 uniqueName"
)
@needs(WRITE, OWN)
async def upsert_application(simulation: Simulation, request: Request) -> Response:
    """Change it: 204; with ``Prefer: create-if-missing`` create what is missing: 201. Writers see writes at once."""
    name = request.path_params["name"]
    sent = await received(request)
    found = _by_unique_name(simulation.azure, name)
    if found is not None and found.deleted_at is None:
        return _changed(simulation, request, found, sent)
    if "create-if-missing" not in request.headers.get("prefer", ""):
        raise not_found(name)
    return _made(simulation, request, sent | {"uniqueName": name})


@ROUTES.add("GET", "/v1.0/applications/{id}", Provenance.RECORDED, _SOURCE)
@needs(READ)
async def get_application(simulation: Simulation, request: Request) -> Response:
    """One by its object id; the client id is not found here."""
    found = find(simulation, request.path_params["id"])
    return answer(request, entity(request, "applications/$entity", _expanded(request, found)))


@ROUTES.add("PATCH", "/v1.0/applications/{id}", Provenance.RECORDED, f"{_SOURCE} update")
@needs(WRITE, OWN)
async def update_application(simulation: Simulation, request: Request) -> Response:
    """Change members: 204."""
    found = find(simulation, request.path_params["id"])
    return _changed(simulation, request, found, await received(request))


def _changed(simulation: Simulation, request: Request, found: Application, sent: Json) -> Response:
    may_change(request, found.owner)
    _checked(simulation.azure, sent, found.body)
    found.body.update(deepcopy(sent))
    return nothing(request)


@ROUTES.add("DELETE", "/v1.0/applications(appId='{client_id}')", Provenance.DOCUMENTED, "application alternate keys")
@needs(WRITE, OWN)
async def delete_by_client_id(simulation: Simulation, request: Request) -> Response:
    """Soft-delete one by its client id."""
    return _removed(simulation, request, _by_client_id(simulation, request.path_params["client_id"]))


@ROUTES.add("DELETE", "/v1.0/applications/{id}", Provenance.RECORDED, f"{_SOURCE} delete")
@needs(WRITE, OWN)
async def delete_application(simulation: Simulation, request: Request) -> Response:
    """Soft-delete one; its service principal goes with it."""
    return _removed(simulation, request, find(simulation, request.path_params["id"]))


def _removed(simulation: Simulation, request: Request, found: Application) -> Response:
    may_change(request, found.owner)
    directory.mark_deleted(simulation.azure, found, simulation.clock.now())
    return nothing(request)


@ROUTES.add("POST", "/v1.0/applications/{id}/addPassword", Provenance.RECORDED, f"{_SOURCE} addPassword")
@needs(WRITE, OWN)
async def add_password(simulation: Simulation, request: Request) -> Response:
    """A client secret, whose text is in this answer and in no other."""
    found = find(simulation, request.path_params["id"])
    may_change(request, found.owner)
    sent = (await received(request)).get("passwordCredential") or {}
    now = simulation.clock.now()
    text = secrets.token_urlsafe(30)
    password: dict[str, Any] = {
        "customKeyIdentifier": None,
        "displayName": sent.get("displayName"),
        "endDateTime": sent.get("endDateTime") or seconds_z(now + timedelta(days=730)),
        "hint": text[:3],
        "keyId": str(uuid.uuid4()),
        "secretText": None,
        "startDateTime": sent.get("startDateTime") or seconds_z(now),
    }
    found.body["passwordCredentials"].append(password)
    found.secrets[password["keyId"]] = text
    body = {"@odata.context": f"{METADATA}microsoft.graph.passwordCredential", **password, "secretText": text}
    return answer(request, body, location=HOST)


@ROUTES.add("POST", "/v1.0/applications/{id}/removePassword", Provenance.DOCUMENTED, "application-removepassword")
@needs(WRITE, OWN)
async def remove_password(simulation: Simulation, request: Request) -> Response:
    """Take a client secret back: 204."""
    found = find(simulation, request.path_params["id"])
    may_change(request, found.owner)
    key = str((await received(request)).get("keyId"))
    if key not in found.secrets:
        raise bad_request(f"No password credential found with keyId {key}.")
    del found.secrets[key]
    kept = [one for one in found.body["passwordCredentials"] if one["keyId"] != key]
    found.body["passwordCredentials"] = kept
    return nothing(request)


def _deleted(simulation: Simulation, key: str) -> Application:
    found = simulation.azure.applications.get(key.lower())
    if found is None or found.deleted_at is None:
        raise not_found(key)
    return found


def _tombstone(one: Application) -> Json:
    assert one.deleted_at is not None
    return {**one.body, "deletedDateTime": seconds_z(one.deleted_at)}


@ROUTES.add("GET", f"{_BIN}/graph.application", Provenance.DOCUMENTED, "directory-deleteditems-list, as msgraph-sdk")
@ROUTES.add("GET", f"{_BIN}/microsoft.graph.application", Provenance.DOCUMENTED, "directory-deleteditems-list")
@needs(READ)
async def list_deleted(simulation: Simulation, request: Request) -> Response:
    """Applications in the bin, for 30 days."""
    items = [_tombstone(one) for one in simulation.azure.applications.values() if one.deleted_at]
    return collection(request, "applications", items, lambda item: item)


@ROUTES.add("GET", f"{_BIN}/{{id}}", Provenance.DOCUMENTED, "directory-deleteditems")
@needs(READ)
async def get_deleted(simulation: Simulation, request: Request) -> Response:
    """One in the bin."""
    found = _deleted(simulation, request.path_params["id"])
    body = {"@odata.type": "#microsoft.graph.application", **_tombstone(found)}
    return answer(request, {"@odata.context": f"{METADATA}directoryObjects/$entity", **body})


@ROUTES.add("POST", f"{_BIN}/{{id}}/restore", Provenance.DOCUMENTED, "directory-deleteditems")
@needs(WRITE, OWN)
async def restore(simulation: Simulation, request: Request) -> Response:
    """Bring one back with its service principal and its federated credentials."""
    found = _deleted(simulation, request.path_params["id"])
    may_change(request, found.owner)
    directory.mark_deleted(simulation.azure, found, None)
    body = {"@odata.type": "#microsoft.graph.application", **found.body}
    return answer(request, {"@odata.context": f"{METADATA}directoryObjects/$entity", **body})


@ROUTES.add("DELETE", f"{_BIN}/{{id}}", Provenance.DOCUMENTED, "directory-deleteditems")
@needs(WRITE, OWN)
async def purge(simulation: Simulation, request: Request) -> Response:
    """Delete one for good."""
    found = _deleted(simulation, request.path_params["id"])
    may_change(request, found.owner)
    directory.erase(simulation.azure, found)
    return nothing(request)
