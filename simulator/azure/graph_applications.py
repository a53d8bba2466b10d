"""Graph's application objects: created, upserted by unique name, listed, changed, deleted, restored."""

from __future__ import annotations

import secrets
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from simulator.provenance import Provenance, doubt, rule
from simulator.routing import Refusal
from simulator.throttling import personal

from . import directory, federation, graph_bodies
from .application_body import PERSONAL, blank, stored
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
    take,
)
from .state import Application, AzureState, FederatedCredential, Json
from .wire import seconds_z, ticks_z

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from simulator.simulation import Simulation

_SOURCE = "wire/entra-apps.yaml application"
_EXPANDED = federation.LIMIT
QUOTA = 250
"""Objects of an owner that may write its own only."""
_READ_ONLY = {
    "passwordCredentials",
    "id",
    "appId",
    "createdDateTime",
    "deletedDateTime",
    "publisherDomain",
    "certification",
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


@doubt(
    "graph",
    "whether an expanded relation is cut at 20 or at what an application can hold, which is the same",
    "cut at 20",
    "bulk-reads.md",
)
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
        if name in _READ_ONLY and sent[name] != existing[name]:
            raise bad_request(f"Property '{name}' is read-only and cannot be set.")
    if "displayName" in sent and not sent["displayName"]:
        raise bad_request("Invalid value specified for property 'displayName' of resource 'Application'.")
    unique = sent.get("uniqueName")
    if unique and unique != existing["uniqueName"]:
        if existing["uniqueName"] is not None:
            raise bad_request("Property 'uniqueName' is immutable and cannot be changed.")
        other = directory.application_by_unique_name(azure, unique)
        if other is not None and other.body["id"] != existing["id"]:
            raise _used("uniqueName")
    for uri in sent.get("identifierUris") or ():
        _unused(azure, uri, existing["id"])


def _unused(azure: AzureState, uri: str, own: str) -> None:
    for other in azure.applications.values():
        if other.body["id"] != own and uri in other.body["identifierUris"]:
            raise _used("identifierUris")


def _used(member: str) -> Refusal:
    message = f"Another object with the same value for property {member} already exists."
    return bad_request(message, details=[{"code": "ObjectConflict", "message": message, "target": member}])


@rule("graph", "who may only write its own has 250 objects", Provenance.DOCUMENTED, "limits-and-errors E1 quota")
@doubt(
    "graph",
    "the status and words of Directory_QuotaExceeded, and whether programs meet it as people do",
    "403, to who has no right to write all applications; the deleted ones count",
    "limits-and-errors E1 non-admin creator quota",
)
def _within_quota(azure: AzureState, request: Request) -> None:
    if WRITE in request.scope["graph_roles"]:
        return
    if sum(one.owner == caller(request) for one in azure.applications.values()) >= QUOTA:
        message = "The directory object quota limit for the Principal has been exceeded."
        raise Refusal(403, "Directory_QuotaExceeded", message)


def _within_limits(simulation: Simulation, request: Request, body: Json) -> None:
    if "PersonalMicrosoftAccount" in (body["signInAudience"] or ""):
        take(simulation, personal(caller(request)))


@rule("graph", "an application is replicated to readers later", Provenance.REPORTED, "wire/entra-apps.yaml lag")
def _made(simulation: Simulation, request: Request, sent: Json) -> Response:
    azure, now = simulation.azure, simulation.clock.now()
    body = blank(azure)
    if not sent.get("displayName"):
        raise bad_request("A value is required for property 'displayName' of resource 'Application'.")
    _checked(azure, sent, body)
    _within_quota(azure, request)
    body = stored(body, sent) | {"createdDateTime": seconds_z(now)}
    _within_limits(simulation, request, body)
    if body["signInAudience"] != PERSONAL and "api" not in sent:
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
    return _made(simulation, request, await received(request, graph_bodies.APPLICATION))


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
    found = directory.application_by_unique_name(simulation.azure, request.path_params["name"])
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
    sent = await received(request, graph_bodies.APPLICATION)
    found = directory.application_by_unique_name(simulation.azure, name)
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
    return _changed(simulation, request, found, await received(request, graph_bodies.APPLICATION))


def _changed(simulation: Simulation, request: Request, found: Application, sent: Json) -> Response:
    may_change(request, found.owner)
    _checked(simulation.azure, sent, found.body)
    _within_limits(simulation, request, found.body)
    found.body = stored(found.body, sent)
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
    sent = (await received(request, graph_bodies.PASSWORD)).get("passwordCredential") or {}
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
    key = str((await received(request, graph_bodies.PASSWORD_KEY)).get("keyId"))
    if key not in found.secrets:
        raise bad_request(f"No password credential found with keyId {key}.")
    del found.secrets[key]
    kept = [one for one in found.body["passwordCredentials"] if one["keyId"] != key]
    found.body["passwordCredentials"] = kept
    return nothing(request)
