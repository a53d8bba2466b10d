"""Preview features and resource providers: registered per subscription, slowly."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from simulator.provenance import Provenance, doubt, rule
from simulator.routing import Refusal

from . import arm_bodies
from .arm_wire import SUBSCRIPTION, answer, filtered, needs, subscription, table
from .state import Json, Registration, Subscription
from .wire import json_object, ticks_z

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from simulator.simulation import Simulation

TABLE = table()

_FEATURES = f"{SUBSCRIPTION}/providers/Microsoft.Features"
_FEATURE = f"{_FEATURES}/providers/{{namespace}}/features/{{name}}"
_REGISTRATION = f"{_FEATURES}/featureProviders/{{namespace}}/subscriptionFeatureRegistrations/{{name}}"
_PROVIDER = f"{SUBSCRIPTION}/providers/{{namespace}}"
_ON_THE_WAY = {"Registered": "Registering", "Unregistered": "Unregistering"}

RESOURCE_TYPES = {
    "Microsoft.Authorization": ("roleAssignments", "roleDefinitions"),
    "Microsoft.ContainerService": ("managedClusters", "locations/operations", "locations/kubernetesVersions"),
    "Microsoft.Features": ("features", "providers", "featureProviders"),
    "Microsoft.KeyVault": ("vaults", "deletedVaults", "vaults/secrets"),
    "Microsoft.ManagedIdentity": ("userAssignedIdentities", "userAssignedIdentities/federatedIdentityCredentials"),
    "Microsoft.Resources": ("resourceGroups", "subscriptions", "tenants"),
}
"""The providers that every subscription knows, with their resource types."""


@rule("arm", "Registering and Unregistering take a while, and may stick", Provenance.REPORTED, "azure-cli#8994")
@rule("arm", "a feature that needs approval stays Pending", Provenance.DOCUMENTED, "wire/features.yaml registrations")
@doubt(
    "arm",
    "the casing of a registration's state and type: the specification's examples differ from the wire",
    "as on the wire: Registered, and the newer surface's type all in lower case",
    "wire/features.yaml spec_vs_wire",
)
def state_of(registration: Registration, now: datetime) -> str:
    """What a registration is at this instant."""
    if registration.needs_approval and registration.state == "Registered":
        return "Pending"
    if registration.settles_at is not None and (registration.stuck or now < registration.settles_at):
        return _ON_THE_WAY[registration.state]
    return registration.state


@doubt(
    "arm",
    "what registering answers at once: of a feature only Unregistering was seen",
    "Registering, as of a provider; what is registered already stays Registered",
    "wire/features.yaml feature_classic.quirks",
)
def _begin(simulation: Simulation, registration: Registration, state: str) -> None:
    """Set out for ``state``, unless already there or on the way."""
    if registration.state != state:
        registration.state = state
        registration.settles_at = simulation.weather.after("feature_registration")


@rule("arm", "a feature that is generally available has no flag any more", Provenance.REPORTED, "azure-docs#71962")
def _feature(simulation: Simulation, request: Request) -> Registration:
    """The feature of the path. Flags nobody mentioned exist and are not registered; those gone are 404."""
    namespace, name = request.path_params["namespace"], request.path_params["name"]
    known = subscription(simulation, request.path_params["sub"]).features
    found = known.setdefault(f"{namespace}/{name}".lower(), Registration(f"{namespace}/{name}", "NotRegistered"))
    if found.gone:
        raise Refusal(404, "FeatureNotFound", f"The feature '{name}' could not be found.")
    return found


def _body(simulation: Simulation, one: Registration, sub: str) -> Json:
    namespace, _, name = one.name.partition("/")
    return {
        "properties": {"state": state_of(one, simulation.clock.now())},
        "id": f"/subscriptions/{sub}/providers/Microsoft.Features/providers/{namespace}/features/{name}",
        "type": "Microsoft.Features/providers/features",
        "name": one.name,
    }


def _listed(simulation: Simulation, found: Subscription, namespace: str) -> list[Json]:
    prefix = f"{namespace.lower()}/" if namespace else ""
    return [
        _body(simulation, one, found.id)
        for key, one in found.features.items()
        if key.startswith(prefix) and not one.gone
    ]


@TABLE.add("GET", f"{_FEATURES}/features", Provenance.DOCUMENTED, "features list all")
@needs("Microsoft.Features/features/read", SUBSCRIPTION)
async def list_all_features(simulation: Simulation, request: Request) -> Response:
    """All that this subscription has heard of."""
    found = subscription(simulation, request.path_params["sub"])
    return answer(request, {"value": _listed(simulation, found, "")})


@TABLE.add("GET", f"{_FEATURES}/providers/{{namespace}}/features", Provenance.DOCUMENTED, "features list")
@needs("Microsoft.Features/providers/features/read", SUBSCRIPTION)
async def list_features(simulation: Simulation, request: Request) -> Response:
    """Those of one provider."""
    found = subscription(simulation, request.path_params["sub"])
    return answer(request, {"value": _listed(simulation, found, request.path_params["namespace"])})


@TABLE.add("GET", _FEATURE, Provenance.RECORDED, "wire/features.yaml feature_classic.show")
@needs("Microsoft.Features/providers/features/read", SUBSCRIPTION)
async def get_feature(simulation: Simulation, request: Request) -> Response:
    """One; its name is namespaced."""
    found = _feature(simulation, request)
    return answer(request, _body(simulation, found, request.path_params["sub"]))


@TABLE.add("POST", f"{_FEATURE}/register", Provenance.RECORDED, "wire/features.yaml feature_classic.register")
@needs("Microsoft.Features/providers/features/register/action", SUBSCRIPTION)
async def register_feature(simulation: Simulation, request: Request) -> Response:
    """200 at once, in the state on the way; the client polls."""
    found = _feature(simulation, request)
    _begin(simulation, found, "Registered")
    return answer(request, _body(simulation, found, request.path_params["sub"]))


@TABLE.add("POST", f"{_FEATURE}/unregister", Provenance.RECORDED, "wire/features.yaml feature_classic.unregister")
@needs("Microsoft.Features/providers/features/unregister/action", SUBSCRIPTION)
async def unregister_feature(simulation: Simulation, request: Request) -> Response:
    """As registering."""
    found = _feature(simulation, request)
    _begin(simulation, found, "Unregistered")
    return answer(request, _body(simulation, found, request.path_params["sub"]))


def _registration(simulation: Simulation, one: Registration, sub: str) -> Json:
    """The newer shape of a feature: name not namespaced, type in lower case."""
    namespace, _, name = one.name.partition("/")
    base = f"/subscriptions/{sub}/providers/Microsoft.Features/featureProviders/{namespace}"
    return {
        "id": f"{base}/subscriptionFeatureRegistrations/{name}",
        "name": name,
        "type": "microsoft.features/featureproviders/subscriptionfeatureregistrations",
        "properties": {
            "subscriptionId": sub,
            "featureName": name,
            "providerNamespace": namespace,
            "state": state_of(one, simulation.clock.now()),
            "releaseDate": "0001-01-01T00:00:00.0000000Z",
            "approvalType": "ApprovalRequired" if one.needs_approval else "AutoApproval",
            "registrationDate": ticks_z(simulation.clock.now()),
            "shouldFeatureDisplayInPortal": False,
        },
    }


@TABLE.add(
    "GET", f"{_FEATURES}/subscriptionFeatureRegistrations", Provenance.DOCUMENTED, "wire/features.yaml registrations"
)
@TABLE.add("GET", _REGISTRATION.rpartition("/")[0], Provenance.DOCUMENTED, "wire/features.yaml registrations")
@needs("Microsoft.Features/featureProviders/subscriptionFeatureRegistrations/read", SUBSCRIPTION)
async def list_registrations(simulation: Simulation, request: Request) -> Response:
    """What was registered, of all providers or of one."""
    found = subscription(simulation, request.path_params["sub"])
    prefix = f"{request.path_params['namespace'].lower()}/" if "namespace" in request.path_params else ""
    value = [
        _registration(simulation, one, found.id)
        for key, one in found.features.items()
        if key.startswith(prefix) and not one.gone and one.state != "NotRegistered"
    ]
    return answer(request, {"value": value})


@TABLE.add("PUT", _REGISTRATION, Provenance.RECORDED, "wire/features.yaml feature_registrations.create")
@needs("Microsoft.Features/featureProviders/subscriptionFeatureRegistrations/write", SUBSCRIPTION)
async def put_registration(simulation: Simulation, request: Request) -> Response:
    """The newer way to register: a feature that approves itself is Registered in the answer."""
    found = _feature(simulation, request)
    await json_object(request, arm_bodies.REGISTRATION)
    if not found.stuck:
        found.state, found.settles_at = "Registered", None
    else:
        _begin(simulation, found, "Registered")
    body = _registration(simulation, found, request.path_params["sub"])
    return answer(request, body, headers={"x-ms-providerhub-traffic": "True"})


@TABLE.add("GET", _REGISTRATION, Provenance.DOCUMENTED, "wire/features.yaml feature_registrations")
@needs("Microsoft.Features/featureProviders/subscriptionFeatureRegistrations/read", SUBSCRIPTION)
async def get_registration(simulation: Simulation, request: Request) -> Response:
    """One registration."""
    found = _feature(simulation, request)
    if found.state == "NotRegistered":
        message = f"The feature registration '{request.path_params['name']}' was not found."
        raise Refusal(404, "ResourceNotFound", message)
    return answer(request, _registration(simulation, found, request.path_params["sub"]))


@TABLE.add("DELETE", _REGISTRATION, Provenance.RECORDED, "wire/features.yaml feature_registrations.delete")
@needs("Microsoft.Features/featureProviders/subscriptionFeatureRegistrations/delete", SUBSCRIPTION)
async def delete_registration(simulation: Simulation, request: Request) -> Response:
    """200 with an empty body."""
    found = _feature(simulation, request)
    found.state, found.settles_at = "NotRegistered", None
    return answer(request, None)


def _provider(simulation: Simulation, request: Request) -> Registration:
    namespace = request.path_params["namespace"]
    found = subscription(simulation, request.path_params["sub"]).providers.get(namespace.lower())
    if found is None:
        message = f"The resource namespace '{namespace}' is invalid."
        raise Refusal(404, "InvalidResourceNamespace", message)
    return found


@doubt(
    "arm",
    "whether a provider's body has authorization or authorizations",
    "neither, since what stands in them is not told",
    "wire/features.yaml provider_registration.body",
)
def _provider_body(simulation: Simulation, one: Registration, sub: str) -> Json:
    kinds = [
        {"resourceType": kind, "locations": ["West Europe", "North Europe"], "apiVersions": ["2025-03-01"]}
        | {"capabilities": "None"}
        for kind in RESOURCE_TYPES.get(one.name, ())
    ]
    return {
        "id": f"/subscriptions/{sub}/providers/{one.name}",
        "namespace": one.name,
        "resourceTypes": kinds,
        "registrationState": state_of(one, simulation.clock.now()),
        "registrationPolicy": "RegistrationRequired",
    }


@TABLE.add("GET", f"{SUBSCRIPTION}/providers", Provenance.DOCUMENTED, "providers list")
@needs("", SUBSCRIPTION, "$filter")
async def list_providers(simulation: Simulation, request: Request) -> Response:
    """All providers of the subscription."""
    found = subscription(simulation, request.path_params["sub"])
    value = [_provider_body(simulation, one, found.id) for one in found.providers.values()]
    return answer(request, {"value": filtered(request, value)})


@TABLE.add("GET", _PROVIDER, Provenance.RECORDED, "wire/features.yaml provider_registration.show")
@needs("", SUBSCRIPTION)
async def get_provider(simulation: Simulation, request: Request) -> Response:
    """One provider."""
    found = _provider(simulation, request)
    return answer(request, _provider_body(simulation, found, request.path_params["sub"]))


@TABLE.add("POST", f"{_PROVIDER}/register", Provenance.RECORDED, "wire/features.yaml provider_registration.register")
@needs("{namespace}/register/action", SUBSCRIPTION)
async def register_provider(simulation: Simulation, request: Request) -> Response:
    """200 with Registering; the client polls. One that is registered stays so, to pick up its features."""
    found = _provider(simulation, request)
    _begin(simulation, found, "Registered")
    return answer(request, _provider_body(simulation, found, request.path_params["sub"]))


@TABLE.add(
    "POST", f"{_PROVIDER}/unregister", Provenance.RECORDED, "wire/features.yaml provider_registration.unregister"
)
@needs("{namespace}/unregister/action", SUBSCRIPTION)
async def unregister_provider(simulation: Simulation, request: Request) -> Response:
    """As registering."""
    found = _provider(simulation, request)
    _begin(simulation, found, "Unregistered")
    return answer(request, _provider_body(simulation, found, request.path_params["sub"]))
