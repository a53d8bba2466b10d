"""``<vault>.vault.azure.net``: secrets."""

from __future__ import annotations

import re
import secrets
import uuid
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response

from simulator.provenance import Provenance, doubt, rule
from simulator.routing import Handler, NotSimulated, Refusal, Routes

from . import api_versions, vault_access
from .shapes import ANY, TEXTS, Shape
from .state import Json, Secret, SecretVersion, Vault
from .vault_names import vault_of_host
from .wire import bookmark, json_object, position

if TYPE_CHECKING:
    from starlette.requests import Request

    from simulator.simulation import Simulation

_SOURCE = "wire/keyvault-secrets.yaml"
_PAGE = 25
_NAME = re.compile(r"[0-9a-zA-Z-]{1,127}")
_LARGEST_VALUE = 25 * 1024
_VERSION = re.compile(r"\d\.\d+(-preview[\d.]*)?|\d{4}-\d\d-\d\d(-[a-z]+)?")
_ATTRIBUTES: Shape = {"enabled": bool, "nbf": int, "exp": int}
_READ_ONLY: Shape = {"created": ANY, "updated": ANY, "recoveryLevel": ANY, "recoverableDays": ANY}
_BODY: Shape = {"value": str, "contentType": str, "tags": TEXTS, "attributes": {**_ATTRIBUTES, **_READ_ONLY}}
_WITHOUT_DAYS = ("7.0", "2016-10-01")


def standing(request: Request) -> dict[str, str]:
    """The headers on every answer."""
    return {
        "cache-control": "no-cache",
        "x-ms-keyvault-region": request.scope.get("vault_region", ""),
        "x-ms-keyvault-service-version": "1.9.3070.1",
        "x-ms-keyvault-network-info": "conn_type=Ipv4;addr=127.0.0.1;act_addr_fam=InterNetwork;",
        "strict-transport-security": "max-age=31536000;includeSubDomains",
        "x-content-type-options": "nosniff",
        "x-ms-request-id": str(uuid.uuid4()),
    }


def _envelope(request: Request, refusal: Refusal) -> Response:
    error: Json = {"code": refusal.code, "message": refusal.message, **refusal.extra}
    return JSONResponse({"error": error}, refusal.status, headers=standing(request) | refusal.headers)


ROUTES = Routes("key vault", _envelope)


def resolves(simulation: Simulation, host: str) -> bool:
    """Whether the host name is in the simulated DNS: the vault's, once registered and until deleted."""
    vault = vault_of_host(simulation.azure, host)
    return vault is not None and vault.registered_at <= simulation.clock.now()


def answer(request: Request, body: Json) -> Response:
    """A body that succeeds."""
    if request.query_params.get("api-version") in _WITHOUT_DAYS:
        body = _without_days(body)
    return JSONResponse(body, headers=standing(request))


@rule("key vault", "recoverableDays is told since about api-version 7.1", Provenance.RECORDED, f"{_SOURCE} set.body")
def _without_days(body: Json) -> Json:
    if "attributes" in body:
        body = body | {"attributes": {k: v for k, v in body["attributes"].items() if k != "recoverableDays"}}
    if isinstance(body.get("value"), list):
        body = body | {"value": [_without_days(each) for each in body["value"]]}
    return body


def _vault(simulation: Simulation, request: Request) -> Vault:
    vault = vault_of_host(simulation.azure, request.url.hostname or "")
    if vault is None:
        raise Refusal(404, "NotFound", f"There is no vault at {request.url.hostname}.")
    request.scope["vault_region"] = vault.body["location"]
    return vault


def needs(permission: str) -> Callable[[Handler], Handler]:
    """Decorate a handler of those who have this secret permission, in the words of access policies.

    The challenge comes before everything else, existence and body included. The vault is in ``request.state.vault``.
    """

    def guard(handler: Handler) -> Handler:
        @wraps(handler)
        async def guarded(simulation: Simulation, request: Request) -> Response:
            vault = request.state.vault = _vault(simulation, request)
            who = await vault_access.caller(simulation, request, vault)
            _asked(request)
            _named(request.path_params.get("name", ""))
            vault_access.admit(request, vault, who)
            vault_access.authorize(simulation, vault, who, permission, request.path_params.get("name", ""))
            return await handler(simulation, request)

        return guarded

    return guard


@rule("key vault", "every request names an api-version", Provenance.DOCUMENTED, "REST reference, api-version required")
@doubt(
    "key vault",
    "what is said to a request without an api-version or with one that is none",
    "400 BadParameter in words of our own; 501 and noted for one that might exist",
    "the reference does not tell",
)
def _asked(request: Request) -> None:
    version = request.query_params.get("api-version", "")
    if not _VERSION.fullmatch(version):
        message = f"api-version must be specified: '{version}' is none." if version else "api-version must be specified"
        raise Refusal(400, "BadParameter", message)
    unknown = set(request.query_params) - {"api-version", "maxresults", "$skiptoken"}
    if version not in api_versions.KEY_VAULT or unknown:
        message = f"the query option {', '.join(sorted(unknown))}" if unknown else f"api-version {version}"
        raise NotSimulated(message)


@rule("key vault", "secret names: 1-127 of A-Za-z0-9-", Provenance.DOCUMENTED, "about keys, secrets: object-name")
def _named(name: str) -> None:
    if name and not _NAME.fullmatch(name):
        raise Refusal(400, "BadParameter", f"The request URI contains an invalid name: {name}")


@rule("key vault", "a secret's value has at most 25 KB", Provenance.DOCUMENTED, "about-secrets")
def _fitting(value: str) -> None:
    if len(value.encode()) > _LARGEST_VALUE:
        raise Refusal(400, "BadParameter", f"Secret value is too long. Max allowed length is {_LARGEST_VALUE}.")


def base(vault: Vault) -> str:
    """The vault's URL without a slash at its end."""
    return str(vault.body["properties"]["vaultUri"]).rstrip("/")


@rule("key vault", "recoveryLevel by retention and purge protection", Provenance.RECORDED, f"{_SOURCE} set.body")
def _attributes(vault: Vault, version: SecretVersion) -> Json:
    retention = vault.body["properties"]["softDeleteRetentionInDays"]
    custom = "" if retention == 90 else "Customized"
    purgeable = "" if vault.body["properties"].get("enablePurgeProtection") else "+Purgeable"
    attributes: Json = {"enabled": version.enabled}
    if version.not_before is not None:
        attributes["nbf"] = version.not_before
    if version.expires is not None:
        attributes["exp"] = version.expires
    return attributes | {
        "created": version.created,
        "updated": version.updated,
        "recoveryLevel": f"{custom}Recoverable{purgeable}",
        "recoverableDays": retention,
    }


def item(vault: Vault, secret: Secret, version: SecretVersion, *, versioned: bool) -> Json:
    """A secret without its value."""
    identity = f"{base(vault)}/secrets/{secret.name}" + (f"/{version.id}" if versioned else "")
    body: Json = {"id": identity, "attributes": _attributes(vault, version)}
    if version.content_type is not None:
        body["contentType"] = version.content_type
    if version.tags is not None:
        body["tags"] = version.tags
    return body


def _bundle(vault: Vault, secret: Secret, version: SecretVersion) -> Json:
    return {"value": version.value, **item(vault, secret, version, versioned=True)}


def _missing(name: str) -> Refusal:
    message = (
        f"A secret with (name/id) {name} was not found in this key vault. If you recently deleted this secret you may "
        "be able to recover it using the correct recovery command. For help resolving this issue, please see "
        "https://go.microsoft.com/fwlink/?linkid=2125182"
    )
    return Refusal(404, "SecretNotFound", message)


def live(request: Request) -> Secret:
    """The secret of the path that is not deleted, or 404."""
    name = request.path_params["name"]
    found: Secret | None = request.state.vault.secrets.get(name.lower())
    if found is None or found.deleted_at is not None or not found.versions:
        raise _missing(name)
    return found


def _version(request: Request, secret: Secret) -> SecretVersion:
    wanted = request.path_params.get("version", "")
    found = next((one for one in secret.versions if one.id == wanted), None) if wanted else secret.versions[-1]
    if found is None:
        raise _missing(f"{secret.name}/{wanted}")
    return found


def _conflict(inner: str, message: str) -> Refusal:
    return Refusal(409, "Conflict", message, extra={"innererror": {"code": inner}})


@doubt(
    "key vault",
    "the words of ObjectIsBeingDeleted for a secret, known for a key; what a purged name in limbo answers",
    "those of a key with Secret for Key, for both",
    f"{_SOURCE} errors.being_deleted, purge_limbo",
)
@rule("key vault", "a deleted name is reserved, and for a while unusable", Provenance.REPORTED, f"{_SOURCE} errors")
def usable(simulation: Simulation, name: str, secret: Secret | None) -> None:
    """409 for a name that is deleted, or still busy with a deletion or a recovery."""
    if secret is None:
        return
    if secret.free_at is not None and simulation.clock.now() < secret.free_at:
        if secret.busy == "recovered":
            text = f"Secret {name} is currently being recovered and cannot be re-created; retry later."
            raise _conflict("ObjectIsBeingRecovered", text)
        text = f"Secret {name} is currently being deleted and cannot be re-created; retry later."
        raise _conflict("ObjectIsBeingDeleted", text)
    if secret.deleted_at is not None:
        text = (
            f"Secret {name} is currently in a deleted but recoverable state, and its name cannot be reused; in this "
            "state, the secret can only be recovered or purged."
        )
        raise _conflict("ObjectIsDeletedButRecoverable", text)


@ROUTES.add("PUT", "/secrets/{name}", Provenance.RECORDED, f"{_SOURCE} set")
@needs("set")
async def set_secret(simulation: Simulation, request: Request) -> Response:
    """A new version, whether or not there was one: 200."""
    vault, name = request.state.vault, request.path_params["name"]
    sent = await json_object(request, _BODY, "BadParameter")
    if not isinstance(sent.get("value"), str):
        raise Refusal(400, "BadParameter", "Property  has invalid value\r\n")
    _fitting(sent["value"])
    secret: Secret | None = vault.secrets.get(name.lower())
    usable(simulation, name, secret)
    if secret is None or not secret.versions:
        secret = vault.secrets[name.lower()] = Secret(name, [])
    now = int(simulation.clock.seconds())
    attributes = sent.get("attributes") or {}
    version = SecretVersion(
        id=secrets.token_hex(16),
        value=sent["value"],
        content_type=sent.get("contentType"),
        tags=sent.get("tags"),
        enabled=attributes.get("enabled") is not False,
        created=now,
        updated=now,
        not_before=attributes.get("nbf"),
        expires=attributes.get("exp"),
    )
    secret.versions.append(version)
    return answer(request, _bundle(vault, secret, version))


@ROUTES.add("GET", "/secrets", Provenance.RECORDED, f"{_SOURCE} list")
@needs("list")
async def list_secrets(simulation: Simulation, request: Request) -> Response:  # noqa: ARG001
    """All names, without versions and values."""
    vault = request.state.vault
    live = [one for one in vault.secrets.values() if one.deleted_at is None and one.versions]
    items = [item(vault, one, one.versions[-1], versioned=False) for one in live]
    return paged(request, vault, items)


@ROUTES.add("GET", "/secrets/{name}/versions", Provenance.RECORDED, f"{_SOURCE} versions")
@doubt(
    "key vault",
    "whether versions are listed by their ids or the newest first: the one recorded case fits both",
    "by their ids",
    f"{_SOURCE} versions.order",
)
@needs("list")
async def list_versions(simulation: Simulation, request: Request) -> Response:  # noqa: ARG001
    """All versions of a secret by their ids, not by time."""
    vault, secret = request.state.vault, live(request)
    ordered = sorted(secret.versions, key=lambda version: version.id)
    return paged(request, vault, [item(vault, secret, one, versioned=True) for one in ordered])


@rule(
    "key vault", "nextLink is null on the last page and names port 443", Provenance.RECORDED, f"{_SOURCE} list quirks"
)
def paged(request: Request, vault: Vault, items: list[Json]) -> Response:
    """One page of a list, and the link to the next."""
    query = request.query_params
    size, first = _size(query.get("maxresults", str(_PAGE))), _offset(query.get("$skiptoken", ""))
    link = None
    if first + size < len(items):
        token = bookmark(first + size)
        where = f"{base(vault)}:443{request.url.path}"
        link = f"{where}?api-version={query.get('api-version', '')}&$skiptoken={token}&maxresults={size}"
    return answer(request, {"value": items[first : first + size], "nextLink": link})


@rule("key vault", "a page has 1 to 25 items", Provenance.DOCUMENTED, "get secrets, maxresults")
def _size(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= _PAGE:
        raise Refusal(400, "BadParameter", f"The parameter maxresults '{text}' must be between 1 and {_PAGE}.")
    return int(text)


def _offset(token: str) -> int:
    try:
        return position(token) if token else 0
    except ValueError:
        raise Refusal(400, "BadParameter", "The parameter $skiptoken is not valid.") from None


@ROUTES.add("GET", "/secrets/{name}", Provenance.RECORDED, f"{_SOURCE} get_latest")
@ROUTES.add("GET", "/secrets/{name}/{version}", Provenance.RECORDED, f"{_SOURCE} get_version")
@rule(
    "key vault", "a secret outside nbf and exp is read all the same", Provenance.DOCUMENTED, "about-secrets, date-time"
)
@doubt(
    "key vault",
    "the attributes' description says that an expired secret should not be retrieved, the next section that it can be",
    "it can be, and so can one that is not valid yet",
    "about-secrets; AzureKeyVault#19 met a 200",
)
@needs("get")
async def get_secret(simulation: Simulation, request: Request) -> Response:  # noqa: ARG001
    """The value, of the latest version unless one is named."""
    secret = live(request)
    version = _version(request, secret)
    if not version.enabled:
        text = "Operation get is not allowed on a disabled secret."
        raise Refusal(403, "Forbidden", text, extra={"innererror": {"code": "SecretDisabled"}})
    return answer(request, _bundle(request.state.vault, secret, version))


@ROUTES.add("PATCH", "/secrets/{name}", Provenance.RECORDED, f"{_SOURCE} patch")
@ROUTES.add("PATCH", "/secrets/{name}/{version}", Provenance.RECORDED, f"{_SOURCE} patch")
@needs("set")
async def update_secret(simulation: Simulation, request: Request) -> Response:
    """Change what is beside the value; the version stays."""
    secret = live(request)
    version = _version(request, secret)
    sent = await json_object(request, _BODY, "BadParameter")
    attributes = sent.get("attributes") or {}
    version.enabled = version.enabled if attributes.get("enabled") is None else attributes["enabled"]
    version.not_before = attributes.get("nbf", version.not_before)
    version.expires = attributes.get("exp", version.expires)
    version.content_type = sent.get("contentType", version.content_type)
    version.tags = sent.get("tags", version.tags)
    version.updated = int(simulation.clock.seconds())
    return answer(request, item(request.state.vault, secret, version, versioned=True))
