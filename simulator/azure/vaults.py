"""Key vaults through ARM: created, changed, soft-deleted, recovered; their access policies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.copying import copied
from simulator.provenance import Provenance, doubt, rule
from simulator.routing import Refusal

from . import arm_bodies, authorization, vault_access, vault_policies
from .arm_wire import (
    GROUP,
    SUBSCRIPTION,
    Caller,
    answer,
    group,
    needs,
    region,
    registered,
    resource_not_found,
    subscription,
    table,
    wait,
)
from .state import Json, Vault
from .vault_names import KIND, check, holder, live_vault
from .wire import json_object, sole_writer, trimmed_z

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from simulator.simulation import Simulation

TABLE = table()

_ALL = f"/providers/{KIND}"
_ONE = f"{GROUP}{_ALL}/{{name}}"
_SOURCE = "wire/keyvault-management.yaml"
_RBAC_DEFAULT_SINCE = "2026-02-01"
_SERVER = {
    "server": "Microsoft-IIS/10.0",
    "x-aspnet-version": "4.0.30319",
    "x-ms-keyvault-service-version": "1.5.413.0",
}


def _id(request: Request, place: Json) -> str:
    return f"{place['id']}{_ALL}/{request.path_params['name']}"


def _find(simulation: Simulation, request: Request) -> Vault:
    place = group(simulation, request)
    found = live_vault(simulation.azure, _id(request, place))
    if found is None:
        raise resource_not_found(KIND, request.path_params["name"], request.path_params["rg"])
    return found


@rule(
    "arm", "RegisteringDns, and a vaultUri without slash, until it resolves", Provenance.RECORDED, f"{_SOURCE} quirks"
)
def _shown(simulation: Simulation, vault: Vault, *, fresh: bool = False) -> Json:
    """The body now; ``fresh`` for the answer to the creation itself."""
    if not fresh and vault.registered_at <= simulation.clock.now():
        return vault.body
    body = copied(vault.body)
    body["properties"]["provisioningState"] = "RegisteringDns"
    body["properties"]["vaultUri"] = body["properties"]["vaultUri"].rstrip("/")
    return body


def _answered(simulation: Simulation, request: Request, vault: Vault, *, fresh: bool = False) -> Response:
    body = _shown(simulation, vault, fresh=fresh)
    waiting = body["properties"]["provisioningState"] != "Succeeded"
    headers = _SERVER | (wait(simulation, vault.registered_at) if waiting else {})
    return answer(request, body, headers=headers)


def _listed(simulation: Simulation, request: Request, prefix: str) -> Response:
    value = [
        _shown(simulation, one)
        for key, one in simulation.azure.vaults.items()
        if key.startswith(prefix.lower()) and one.deleted_at is None
    ]
    return answer(request, {"value": value})


@TABLE.add("GET", f"{SUBSCRIPTION}{_ALL}", Provenance.DOCUMENTED, "bulk-reads.md vaults")
@needs(f"{KIND}/read", SUBSCRIPTION)
async def list_by_subscription(simulation: Simulation, request: Request) -> Response:
    """All of a subscription, with their access policies."""
    return _listed(simulation, request, f"/subscriptions/{request.path_params['sub']}/")


@TABLE.add("GET", f"{GROUP}{_ALL}", Provenance.DOCUMENTED, "bulk-reads.md vaults")
@needs(f"{KIND}/read", GROUP)
async def list_by_group(simulation: Simulation, request: Request) -> Response:
    """All of a resource group, with their access policies."""
    return _listed(simulation, request, group(simulation, request)["id"] + "/")


@TABLE.add("GET", _ONE, Provenance.RECORDED, f"{_SOURCE} create")
@needs(f"{KIND}/read", _ONE)
async def get_vault(simulation: Simulation, request: Request) -> Response:
    """One."""
    return _answered(simulation, request, _find(simulation, request))


def _edited(name: str) -> Refusal:
    message = (
        f"The resource '{name}' was changed from the point the operation began, and the changes conflict. "
        "Please retry the operation."
    )
    return Refusal(409, "ConflictError", message)


@TABLE.add("PUT", _ONE, Provenance.RECORDED, f"{_SOURCE} create, set_policy, recover")
@needs(f"{KIND}/write", _ONE)
async def put_vault(simulation: Simulation, request: Request) -> Response:
    """Create, update as a whole, or recover: 200 each. Two writes at once conflict."""
    registered(simulation, request, "Microsoft.KeyVault")
    place, name = group(simulation, request), request.path_params["name"]
    sent = await json_object(request, arm_bodies.VAULT)
    given: Json = sent.get("properties") or {}
    mode = str(given.get("createMode") or "default").lower()
    identity = _id(request, place)
    async with sole_writer(simulation, identity.lower(), lambda: _edited(name)):
        existing = live_vault(simulation.azure, identity)
        if existing is not None:
            _update(simulation, request.state.caller, existing, sent)
            return _answered(simulation, request, existing)
        if mode == "recover":
            return _answered(simulation, request, _recovered(simulation, identity, name))
        made = _created(simulation, request, identity, place, sent)
        return _answered(simulation, request, made, fresh=True)


@rule("arm", "a vault's name is unique in the cloud, deleted ones reserve it", Provenance.REPORTED, f"{_SOURCE} errors")
@doubt(
    "arm",
    "the words of VaultAlreadyExists, which changed between 2022 (globaly) and 2026 (globally), and its status",
    "409 in the words of 2026",
    f"{_SOURCE} errors.name_taken_elsewhere",
)
def _available(simulation: Simulation, request: Request, name: str) -> None:
    if problem := check(name):
        raise Refusal(400, "VaultNameNotValid", problem)
    other = holder(simulation.azure, name)
    if other is None:
        return
    if other.deleted_at is not None and f"/{request.path_params['sub']}/".lower() in other.body["id"].lower():
        message = (
            "A vault with the same name already exists in deleted state. You need to either recover or purge existing "
            "key vault. Follow this link https://go.microsoft.com/fwlink/?linkid=2149745 for more information on soft "
            "delete."
        )
        raise Refusal(409, "ConflictError", message)
    message = (
        f"The vault name '{name}' is already in use. Vault names are globally unique so it is possible that the name "
        "is already taken. If you are sure that the vault name was not taken then it is possible that a vault with the "
        "same name was recently deleted but not purged after being placed in a recoverable state. If the vault is in a "
        "recoverable state then the vault will need to be purged before reusing the name. For more information about "
        "VaultAlreadyExists, soft delete and purging a vault follow this link "
        "https://go.microsoft.com/fwlink/?linkid=2147740."
    )
    raise Refusal(409, "VaultAlreadyExists", message)


@rule(
    "arm",
    "new vaults go by RBAC since api-version 2026-02-01",
    Provenance.DOCUMENTED,
    "key-vault access-control-default",
)
def _created(simulation: Simulation, request: Request, identity: str, place: Json, sent: Json) -> Vault:
    name, given = request.path_params["name"], sent.get("properties") or {}
    _available(simulation, request, name)
    if not given.get("tenantId") or not given.get("sku"):
        raise Refusal(400, "BadRequest", "The properties tenantId and sku of a vault are required.")
    now, who = trimmed_z(simulation.clock.now()), request.state.caller.client_id
    properties: Json = {
        "sku": given["sku"],
        "tenantId": given["tenantId"],
        "accessPolicies": [],
        "enabledForDeployment": False,
        "enableSoftDelete": True,
        "softDeleteRetentionInDays": 90,
        "vaultUri": f"https://{name.lower()}.vault.azure.net/",
        "provisioningState": "Succeeded",
        "publicNetworkAccess": "Enabled",
    }
    if request.query_params["api-version"] >= _RBAC_DEFAULT_SINCE and given.get("enableRbacAuthorization") is None:
        properties["enableRbacAuthorization"] = True
    body: Json = {
        "id": identity,
        "name": name,
        "type": KIND,
        "location": region(sent, place["location"]),
        "tags": {},
        "systemData": {
            "createdBy": who,
            "createdByType": "Application",
            "createdAt": now,
            "lastModifiedBy": who,
            "lastModifiedByType": "Application",
            "lastModifiedAt": now,
        },
        "properties": properties,
    }
    made = Vault(body, simulation.weather.after("vault_dns"))
    _apply(simulation, made, sent)
    simulation.azure.vaults[identity.lower()] = made
    return made


def _update(simulation: Simulation, who: Caller, vault: Vault, sent: Json) -> None:
    _apply(simulation, vault, sent)
    now = trimmed_z(simulation.clock.now())
    vault.body["systemData"] |= {
        "lastModifiedBy": who.client_id,
        "lastModifiedByType": "Application",
        "lastModifiedAt": now,
    }


@rule("arm", "networkAcls of the default kind are not echoed, read-only parts tolerated", Provenance.RECORDED, _SOURCE)
@doubt(
    "arm",
    "what a vault says to enableSoftDelete: false, which cannot be any more",
    "nothing: it stays true",
    "limits-and-errors E1 Key Vault soft-delete",
)
def _apply(simulation: Simulation, vault: Vault, sent: Json) -> None:
    """Store what a PUT or PATCH says; what it leaves out keeps its value."""
    given: Json = sent.get("properties") or {}
    properties = vault.body["properties"]
    retention = given.get("softDeleteRetentionInDays")
    if retention is not None and not 7 <= retention <= 90:
        raise Refusal(400, "BadRequest", "The property 'softDeleteRetentionInDays' must be between 7 and 90.")
    if given.get("enablePurgeProtection") is False:
        message = (
            'The property "enablePurgeProtection" cannot be set to false. Enabling the purge protection for a vault is '
            "an irreversible action."
        )
        raise Refusal(400, "BadRequest", message)
    for name in (
        "sku",
        "softDeleteRetentionInDays",
        "enableRbacAuthorization",
        "enablePurgeProtection",
        "enabledForDeployment",
        "enabledForDiskEncryption",
        "enabledForTemplateDeployment",
        "publicNetworkAccess",
    ):
        if given.get(name) is not None:
            properties[name] = given[name]
    if (rules := given.get("networkAcls")) is not None:
        _addresses(rules)
        properties.pop("networkAcls", None)
        if rules.get("defaultAction", "Allow") != "Allow" or rules.get("ipRules") or rules.get("virtualNetworkRules"):
            properties["networkAcls"] = rules
    if given.get("accessPolicies") is not None:
        vault_policies.replace(simulation, vault, given["accessPolicies"])
    if sent.get("tags") is not None:
        vault.body["tags"] = sent["tags"]


def _addresses(rules: Json) -> None:
    for each in rules.get("ipRules") or ():
        try:
            vault_access.network(each.get("value") or "")
        except ValueError:
            message = f"The value '{each.get('value')}' of an IP rule is neither an IP address nor a range of them."
            raise Refusal(400, "BadRequest", message) from None


@rule("arm", "recovering brings back policies, not role assignments", Provenance.RECORDED, f"{_SOURCE} recover")
@doubt("arm", "the status and words of SoftDeletedVaultDoesNotExist", "404", f"{_SOURCE} errors.recover_nothing")
def _recovered(simulation: Simulation, identity: str, name: str) -> Vault:
    found = simulation.azure.vaults.get(identity.lower())
    if found is None or found.deleted_at is None:
        message = f"A soft deleted vault with the given name '{name}' does not exist."
        raise Refusal(404, "SoftDeletedVaultDoesNotExist", message)
    found.deleted_at = None
    return found


@TABLE.add("PATCH", _ONE, Provenance.DOCUMENTED, "vaults update")
@needs(f"{KIND}/write", _ONE)
async def patch_vault(simulation: Simulation, request: Request) -> Response:
    """Change some members: 200."""
    found = _find(simulation, request)
    sent = await json_object(request, arm_bodies.VAULT)
    async with sole_writer(simulation, found.body["id"].lower(), lambda: _edited(found.body["name"])):
        _update(simulation, request.state.caller, found, sent)
    return _answered(simulation, request, found)


@TABLE.add("PUT", f"{_ONE}/accessPolicies/{{kind}}", Provenance.DOCUMENTED, f"{_SOURCE} set_policy.dedicated_endpoint")
@needs(f"{KIND}/accessPolicies/write", _ONE)
async def put_policies(simulation: Simulation, request: Request) -> Response:
    """``add`` permissions to principals, ``replace`` theirs, or ``remove`` them: 200. Two writes at once conflict."""
    found, kind = _find(simulation, request), request.path_params["kind"].lower()
    sent = ((await json_object(request, arm_bodies.POLICIES)).get("properties") or {}).get("accessPolicies") or []
    if kind not in vault_policies.CHANGES:
        raise Refusal(400, "BadRequest", f"The access policy operation '{kind}' is not supported.")
    async with sole_writer(simulation, found.body["id"].lower(), lambda: _edited(found.body["name"])):
        before = found.body["properties"]["accessPolicies"]
        vault_policies.replace(simulation, found, vault_policies.CHANGES[kind](before, sent))
        _update(simulation, request.state.caller, found, {})
    body = {
        "id": f"{found.body['id']}/accessPolicies/",
        "type": f"{KIND}/accessPolicies",
        "properties": {"accessPolicies": found.body["properties"]["accessPolicies"]},
    }
    return answer(request, body, headers=_SERVER)


@TABLE.add("DELETE", _ONE, Provenance.RECORDED, f"{_SOURCE} soft_delete.delete")
@needs(f"{KIND}/delete", _ONE)
async def delete_vault(simulation: Simulation, request: Request) -> Response:
    """Soft-delete: 200 with an empty body; 204 when it was gone already."""
    found = live_vault(simulation.azure, _id(request, group(simulation, request)))
    if found is None:
        return answer(request, None, 204)
    found.deleted_at = simulation.clock.now()
    authorization.forget_scope(simulation, found.body["id"])
    return answer(request, None, headers=_SERVER)


@TABLE.add(
    "POST",
    f"{SUBSCRIPTION}/providers/Microsoft.KeyVault/checkNameAvailability",
    Provenance.DOCUMENTED,
    "vaults check name availability",
)
@needs("", SUBSCRIPTION)
async def check_name(simulation: Simulation, request: Request) -> Response:
    """Whether a vault could be called so."""
    subscription(simulation, request.path_params["sub"])
    name = str((await json_object(request, arm_bodies.VAULT_NAME)).get("name") or "")
    if problem := check(name):
        return answer(request, {"nameAvailable": False, "reason": "AccountNameInvalid", "message": problem})
    if holder(simulation.azure, name) is not None:
        message = f"The name '{name}' is already in use."
        return answer(request, {"nameAvailable": False, "reason": "AlreadyExists", "message": message})
    return answer(request, {"nameAvailable": True})
