"""login.microsoftonline.com: discovery, keys, and tokens by client secret or by federated client assertion."""

from __future__ import annotations

import hmac
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from starlette.responses import JSONResponse, Response

from simulator.provenance import Provenance, doubt, rule
from simulator.routing import NotSimulated, Routes

from . import federation, tokens
from .directory import Identity, application_by_client_id, sign_in_identity
from .entra_errors import envelope, failure

if TYPE_CHECKING:
    from starlette.requests import Request

    from simulator.simulation import Simulation

ROUTES = Routes("entra", envelope)

_HOST = "https://login.microsoftonline.com"
_ALIASES = ("login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net")
_ANY_TENANT = ("common", "organizations")
_TENANT = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[a-z0-9-]+(\.[a-z0-9-]+)+", re.IGNORECASE)
_PARAMETERS = {
    "grant_type",
    "client_id",
    "client_secret",
    "client_assertion_type",
    "client_assertion",
    "scope",
    "resource",
    "claims",
    "client_info",
    "client-request-id",
}
_FORM = "application/x-www-form-urlencoded"
_TELEMETRY = ("x-client-", "x-ms-lib-", "x-app-")
_OTHER_GRANTS = (
    "password",
    "refresh_token",
    "authorization_code",
    "urn:ietf:params:oauth:grant-type:device_code",
    "urn:ietf:params:oauth:grant-type:jwt-bearer",
)
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@rule("entra", "a tenant's name is a guid or a domain", Provenance.REPORTED, "wire/token-endpoint.yaml 900023")
def _tenant(simulation: Simulation, named: str) -> str:
    """The tenant's id, whichever way it was named."""
    azure = simulation.azure
    if not _TENANT.fullmatch(named) and named.lower() not in _ANY_TENANT:
        raise failure(900023, simulation.clock.now(), tenant=named)
    if named.lower() not in (azure.tenant_id, azure.tenant_domain, *_ANY_TENANT):
        raise failure(90002, simulation.clock.now(), tenant=named)
    return azure.tenant_id


@ROUTES.add("GET", "/common/discovery/instance", Provenance.RECORDED, "wire/token-endpoint.yaml instance_discovery")
async def instance(simulation: Simulation, request: Request) -> Response:  # noqa: ARG001
    """Which login hosts belong together; MSAL asks before it trusts one."""
    return JSONResponse(
        {
            "tenant_discovery_endpoint": f"{_HOST}/common/v2.0/.well-known/openid-configuration",
            "api-version": request.query_params.get("api-version", "1.1"),
            "metadata": [
                {"preferred_network": _ALIASES[0], "preferred_cache": _ALIASES[1], "aliases": list(_ALIASES)},
            ],
        }
    )


@ROUTES.add(
    "GET",
    "/{tenant}/v2.0/.well-known/openid-configuration",
    Provenance.REPORTED,
    "wire/token-endpoint.yaml discovery_document",
)
async def configuration(simulation: Simulation, request: Request) -> Response:
    """The v2.0 discovery document of a tenant."""
    named = request.path_params["tenant"]
    tenant = _tenant(simulation, named)
    base = f"{_HOST}/{named if named in _ANY_TENANT else tenant}"
    return JSONResponse(
        {
            "token_endpoint": f"{base}/oauth2/v2.0/token",
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
            "jwks_uri": f"{base}/discovery/v2.0/keys",
            "response_modes_supported": ["query", "fragment", "form_post"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
            "scopes_supported": ["openid", "profile", "email", "offline_access"],
            "issuer": f"{_HOST}/{'{tenantid}' if named in _ANY_TENANT else tenant}/v2.0",
            "request_uri_parameter_supported": False,
            "userinfo_endpoint": "https://graph.microsoft.com/oidc/userinfo",
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
            "http_logout_supported": True,
            "frontchannel_logout_supported": True,
            "end_session_endpoint": f"{base}/oauth2/v2.0/logout",
            "tenant_region_scope": "EU",
            "cloud_instance_name": "microsoftonline.com",
            "cloud_graph_host_name": "graph.windows.net",
            "msgraph_host": "graph.microsoft.com",
        }
    )


@ROUTES.add("GET", "/{tenant}/discovery/v2.0/keys", Provenance.DOCUMENTED, "wire/token-endpoint.yaml jwks_uri")
@ROUTES.add("GET", "/{tenant}/discovery/keys", Provenance.DOCUMENTED, "wire/token-endpoint.yaml jwks_uri")
async def keys(simulation: Simulation, request: Request) -> Response:
    """The public half of the key that signs access tokens."""
    tenant = _tenant(simulation, request.path_params["tenant"])
    key = tokens.signing_key(simulation)
    public = {**key.as_dict(private=False), "kid": key.kid, "x5t": key.kid, "issuer": f"{_HOST}/{tenant}/v2.0"}
    return JSONResponse({"keys": [public]})


@ROUTES.add("POST", "/{tenant}/oauth2/v2.0/token", Provenance.REPORTED, "wire/token-endpoint.yaml success, errors")
async def token(simulation: Simulation, request: Request) -> Response:
    """A token for ``scope`` = resource + ``/.default``."""
    form = await _form(simulation, request)
    scope = _needed(simulation, form, "scope")
    asked, dot, default = scope.rpartition("/")
    if not dot or default != ".default" or " " in asked:
        raise failure(1002012, simulation.clock.now(), scope=scope)
    access = await _grant(simulation, form, asked)
    return _uncached(
        {"token_type": "Bearer", "expires_in": tokens.LIFETIME, "ext_expires_in": tokens.LIFETIME} | access
    )


@ROUTES.add("POST", "/{tenant}/oauth2/token", Provenance.DOCUMENTED, "wire/token-endpoint.yaml success note")
async def token_v1(simulation: Simulation, request: Request) -> Response:
    """The elder endpoint: ``resource`` instead of ``scope``, and numbers as strings."""
    form = await _form(simulation, request)
    asked = _needed(simulation, form, "resource")
    access = await _grant(simulation, form, asked)
    now = int(simulation.clock.seconds())
    return _uncached(
        {
            "token_type": "Bearer",
            "expires_in": str(tokens.LIFETIME),
            "ext_expires_in": str(tokens.LIFETIME),
            "expires_on": str(now + tokens.LIFETIME),
            "not_before": str(now),
            "resource": asked,
        }
        | access
    )


def _uncached(body: dict[str, Any]) -> Response:
    return JSONResponse(body, headers={"cache-control": "no-store, no-cache", "pragma": "no-cache"})


@doubt(
    "entra",
    "which form parameters of the token endpoint mean something that is not known here",
    "501 and noted for all but those that MSAL and the SDKs send",
    "wire/token-endpoint.yaml request",
)
async def _form(simulation: Simulation, request: Request) -> dict[str, str]:
    _tenant(simulation, request.path_params["tenant"])
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = (await request.body()).decode("utf-8", "replace") if kind == _FORM else ""
    form = dict(parse_qsl(body, keep_blank_values=True))
    _needed(simulation, form, "grant_type")
    unknown = {name for name in form if name not in _PARAMETERS and not name.startswith(_TELEMETRY)}
    unknown |= set(request.query_params) - {"client-request-id"}
    if unknown:
        message = f"the parameter {', '.join(sorted(unknown))}"
        raise NotSimulated(message)
    return form


def _needed(simulation: Simulation, form: dict[str, str], parameter: str) -> str:
    if not form.get(parameter):
        raise failure(900144, simulation.clock.now(), parameter=parameter)
    return form[parameter]


async def _grant(simulation: Simulation, form: dict[str, str], asked: str) -> dict[str, Any]:
    """Who asks, whether that is proven, and then the token for what is asked."""
    now = simulation.clock.now()
    grant = _needed(simulation, form, "grant_type")
    if grant in _OTHER_GRANTS:
        message = f"grant_type={grant}"
        raise NotSimulated(message)
    if grant != "client_credentials":
        raise failure(70003, now, grant=grant)
    identity = _identity(simulation, _needed(simulation, form, "client_id"))
    if form.get("client_assertion_type") == _ASSERTION and form.get("client_assertion"):
        await federation.prove(simulation, identity, form["client_assertion"])
    elif form.get("client_secret"):
        _secret_proves(simulation, identity, form["client_secret"])
    else:
        raise failure(7000216, now)
    audience = _audience(simulation, asked)
    roles = _graph_roles(simulation, identity) if tokens.resource(audience) == tokens.GRAPH else []
    access = tokens.issue(simulation, identity, audience, roles, by_secret="client_secret" in form)
    return {"access_token": access}


@doubt(
    "entra",
    "whether 700016 shows the directory by its display name or by its guid",
    "by its display name",
    "wire/token-endpoint.yaml 700016",
)
def _identity(simulation: Simulation, client_id: str) -> Identity:
    now = simulation.clock.now()
    identity, lacks_principal = sign_in_identity(simulation, client_id)
    if identity is not None and not identity.enabled:
        raise failure(7000112, now, client=identity.client_id, name=identity.name)
    if identity is not None:
        return identity
    if lacks_principal:
        raise failure(7000229, now, client=client_id, tenant=simulation.azure.tenant_id)
    raise failure(700016, now, client=client_id, directory=simulation.azure.tenant_name)


def _secret_proves(simulation: Simulation, identity: Identity, secret: str) -> None:
    now = simulation.clock.now()
    application = identity.application
    presented = secret.encode()
    for credential in application.body["passwordCredentials"] if application else ():
        kept = application.secrets[credential["keyId"]] if application else ""
        if hmac.compare_digest(kept.encode(), presented):
            if credential["endDateTime"] <= f"{now:%Y-%m-%dT%H:%M:%SZ}":
                raise failure(7000222, now, client=identity.client_id)
            return
    raise failure(7000215, now, client=identity.client_id)


def _audience(simulation: Simulation, asked: str) -> str:
    """What goes into ``aud``: the resource as it was asked for, where it is one."""
    if tokens.resource(asked):
        return asked
    client_id = asked.removeprefix("api://")
    if application_by_client_id(simulation.azure, client_id) is not None:
        return client_id
    raise failure(500011, simulation.clock.now(), resource=asked, directory=simulation.azure.tenant_name)


def _graph_roles(simulation: Simulation, identity: Identity) -> list[str]:
    operator = next((one for one in simulation.azure.operators if one.client_id == identity.client_id), None)
    return list(operator.graph) if operator else []
