"""Graph's federated identity credentials of applications."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.provenance import Provenance, rule
from simulator.routing import Refusal

from . import federation, graph_bodies
from .graph_applications import credential, find
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
from .state import Application, FederatedCredential, Json, Trust

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from simulator.simulation import Simulation

_SOURCE = "wire/federated-credentials.yaml graph_application_fic"
_COLLECTION = "/v1.0/applications/{id}/federatedIdentityCredentials"
_OBJECT = "Microsoft.Online.DirectoryServices.Application"


def _owned(simulation: Simulation, request: Request) -> Application:
    found = find(simulation, request.path_params["id"])
    may_change(request, found.owner)
    return found


def _existing(application: Application, key: str) -> FederatedCredential:
    found = federation.by_name(application.federated, key)
    if found is None:
        raise not_found(key)
    return found


def _kind(application: Application) -> str:
    return f"applications('{application.body['id']}')/federatedIdentityCredentials"


@rule("graph", "at most 20, and issuer with subject once per application", Provenance.DOCUMENTED, "E1 FICs per")
def _checked(application: Application, name: str, sent: Json, existing: FederatedCredential | None) -> Trust:
    """The trust that the request comes to, or the refusal that federated-credentials.yaml records for it."""
    now = existing.trust if existing else Trust("", "", [])
    trust = Trust(
        sent.get("issuer", now.issuer), sent.get("subject", now.subject), list(sent.get("audiences", now.audiences))
    )
    if reason := federation.shortcoming(name, trust, sent.get("description")):
        member = reason.partition(":")[0]
        target = f"paramName: FederatedIdentityCredential.{member.capitalize()}, objectType: {_OBJECT}"
        raise Refusal(400, "InvalidFederatedIdentityCredentialValue", f"{reason}. {target}")
    if federation.twin(application.federated, name, trust):
        message = (
            "The combination of issuer and subject must be unique for the application. "
            f"Issuer {trust.issuer} and Subject: {trust.subject} already exist. "
            f"paramName: FederatedIdentityCredential.Subject, paramValue: {trust.subject}, objectType: {_OBJECT}"
        )
        raise Refusal(400, "InvalidFederatedIdentityCredentialValue", message)
    if existing is None and federation.full(application.federated):
        message = (
            f"The number of federated identity credentials of an application must not exceed {federation.LIMIT}. "
            f"objectType: {_OBJECT}"
        )
        raise Refusal(400, "Directory_ResourceSizeExceeded", message)
    return trust


def _created(simulation: Simulation, request: Request, application: Application, name: str, sent: Json) -> Response:
    trust = _checked(application, name, sent, None)
    made = federation.write(simulation, application.federated, name, trust, sent.get("description"))
    body = entity(request, f"{_kind(application)}/$entity", credential(made))
    location = f"{HOST}/v2/{simulation.azure.tenant_id}/federatedIdentityCredentials/{made.id}"
    return answer(request, body, 201, location=location)


def _changed(
    simulation: Simulation, request: Request, application: Application, existing: FederatedCredential, sent: Json
) -> Response:
    if sent.get("name", existing.name) != existing.name:
        raise bad_request("Property 'name' is immutable and cannot be changed.")
    trust = _checked(application, existing.name, sent, existing)
    description = sent.get("description", existing.description)
    federation.write(simulation, application.federated, existing.name, trust, description)
    return nothing(request)


@ROUTES.add("GET", _COLLECTION, Provenance.RECORDED, f"{_SOURCE} list")
@needs(READ)
async def list_credentials(simulation: Simulation, request: Request) -> Response:
    """All of one application."""
    application = find(simulation, request.path_params["id"])
    items = [credential(one) for one in application.federated]
    return collection(request, _kind(application), items, lambda item: item)


@ROUTES.add("POST", _COLLECTION, Provenance.RECORDED, f"{_SOURCE} create")
@needs(WRITE, OWN)
async def create_credential(simulation: Simulation, request: Request) -> Response:
    """A new one: 201."""
    application = _owned(simulation, request)
    sent = await received(request, graph_bodies.CREDENTIAL)
    name = str(sent.get("name") or "")
    if federation.by_name(application.federated, name):
        message = f"FederatedIdentityCredential with name {name} already exists."
        raise Refusal(409, "Request_MultipleObjectsWithSameKeyValue", message)
    return _created(simulation, request, application, name, sent)


@ROUTES.add("PATCH", f"{_COLLECTION}(name='{{key}}')", Provenance.DOCUMENTED, "limits-and-errors E3 uniqueName")
@needs(WRITE, OWN)
async def upsert_credential(simulation: Simulation, request: Request) -> Response:
    """Change it: 204; with ``Prefer: create-if-missing`` create what is missing: 201."""
    application = _owned(simulation, request)
    name = request.path_params["key"]
    sent = await received(request, graph_bodies.CREDENTIAL)
    if existing := federation.by_name(application.federated, name):
        return _changed(simulation, request, application, existing, sent)
    if "create-if-missing" not in request.headers.get("prefer", ""):
        raise not_found(name)
    return _created(simulation, request, application, name, sent)


@ROUTES.add("GET", f"{_COLLECTION}(name='{{key}}')", Provenance.DOCUMENTED, "federatedidentitycredential-get")
@ROUTES.add("GET", f"{_COLLECTION}/{{key}}", Provenance.RECORDED, f"{_SOURCE} get")
@needs(READ)
async def get_credential(simulation: Simulation, request: Request) -> Response:
    """One by id or name."""
    application = find(simulation, request.path_params["id"])
    found = _existing(application, request.path_params["key"])
    return answer(request, entity(request, f"{_kind(application)}/$entity", credential(found)))


@ROUTES.add("PATCH", f"{_COLLECTION}/{{key}}", Provenance.RECORDED, f"{_SOURCE} update")
@needs(WRITE, OWN)
async def update_credential(simulation: Simulation, request: Request) -> Response:
    """Change some members: 204."""
    application = _owned(simulation, request)
    existing = _existing(application, request.path_params["key"])
    return _changed(simulation, request, application, existing, await received(request, graph_bodies.CREDENTIAL))


@ROUTES.add("DELETE", f"{_COLLECTION}(name='{{key}}')", Provenance.DOCUMENTED, "federatedidentitycredential-delete")
@ROUTES.add("DELETE", f"{_COLLECTION}/{{key}}", Provenance.RECORDED, f"{_SOURCE} delete")
@needs(WRITE, OWN)
async def delete_credential(simulation: Simulation, request: Request) -> Response:
    """Delete one: 204."""
    application = _owned(simulation, request)
    application.federated.remove(_existing(application, request.path_params["key"]))
    return nothing(request)
