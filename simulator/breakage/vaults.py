"""Vaults that do not let the identity in, and secrets that are not to be had."""

from __future__ import annotations

import uuid
from datetime import timedelta

from simulator.azure import authorization, roles, vault_policies
from simulator.azure.state import Grant, SecretVersion, Vault

from .catalogue import breakage
from .chain import Chain, NotBreakable

_LINK = "vault"
_LATER = timedelta(minutes=10)
_HOUR = 3600


def _by_role(vault: Vault) -> bool:
    return bool(vault.body["properties"].get("enableRbacAuthorization"))


def _grant(chain: Chain) -> Grant:
    found = chain.vault.grants.get(chain.principal.body["id"])
    if found is None:
        message = f"{chain} has no access policy on vault {chain.vault.body['name']}"
        raise NotBreakable(message)
    return found


def _without_access(chain: Chain) -> None:
    principal = chain.principal.body["id"]
    if _by_role(chain.vault):
        held = {id(one) for one in chain.assignments}
        assignments = chain.simulation.azure.role_assignments
        for key in [key for key, one in assignments.items() if id(one) in held]:
            del assignments[key]
        return
    _grant(chain)
    properties = chain.vault.body["properties"]
    vault = chain.vault
    properties["accessPolicies"] = [one for one in properties["accessPolicies"] if one["objectId"] != principal]
    del vault.grants[principal]


@breakage("access-missing", _LINK, "the identity has no access policy, or no role, on the vault")
async def access_missing(chain: Chain) -> None:
    """Whichever of them the vault goes by."""
    _without_access(chain)


@breakage("access-elsewhere", _LINK, "the identity may read another vault, not this one")
async def access_elsewhere(chain: Chain) -> None:
    """Right policy, wrong vault."""
    vault, principal = chain.vault, chain.principal.body["id"]
    other = next((one for one in chain.simulation.azure.vaults.values() if one is not vault), None)
    _without_access(chain)
    if other is not None and not _by_role(other):
        policy = {"tenantId": chain.simulation.azure.tenant_id, "objectId": principal}
        granted = {**policy, "permissions": {"secrets": ["get"]}}
        before = other.body["properties"]["accessPolicies"]
        vault_policies.replace(chain.simulation, other, vault_policies.CHANGES["add"](before, [granted]))
    else:
        group = vault.body["id"].rpartition("/providers/")[0]
        role = roles.BY_NAME["Key Vault Secrets User"].id
        scope = f"{group}/providers/Microsoft.KeyVault/vaults/{vault.body['name']}-other"
        name = str(uuid.uuid4())
        authorization.assign(chain.simulation, principal, scope, name, principal, role, "ServicePrincipal")


@breakage("access-narrow", _LINK, "the identity may list the vault's secrets, not read them")
async def access_narrow(chain: Chain) -> None:
    """Permission list, or the role Key Vault Reader."""
    principal = chain.principal.body["id"]
    if _by_role(chain.vault):
        scope = chain.vault.body["id"]
        _without_access(chain)
        role = roles.BY_NAME["Key Vault Reader"].id
        made = authorization.assign(
            chain.simulation, principal, scope, str(uuid.uuid4()), principal, role, "ServicePrincipal"
        )
        made.effective_at = chain.simulation.clock.now()
        return
    _grant(chain).secrets[:] = ["list"]
    for policy in chain.vault.body["properties"]["accessPolicies"]:
        if policy["objectId"] == principal:
            policy["permissions"]["secrets"] = ["list"]


@breakage("access-young", _LINK, "the identity was given access just now, and the vault does not honour it yet")
async def access_young(chain: Chain) -> None:
    """It will, ten minutes from now."""
    later = chain.simulation.clock.now() + _LATER
    if _by_role(chain.vault):
        for one in chain.assignments:
            one.effective_at = later
        return
    grant = _grant(chain)
    grant.effective_at, grant.former = later, []


@breakage("access-model", _LINK, "the vault goes by roles now where it went by access policies, or the other way round")
async def access_model(chain: Chain) -> None:
    """Nobody carried the permissions over."""
    properties = chain.vault.body["properties"]
    properties["enableRbacAuthorization"] = not properties.get("enableRbacAuthorization")


@breakage("vault-firewall", _LINK, "the vault's firewall lets nobody in")
async def vault_firewall(chain: Chain) -> None:
    """defaultAction Deny without a rule for the caller."""
    rules = {"bypass": "None", "defaultAction": "Deny", "ipRules": [], "virtualNetworkRules": []}
    chain.vault.body["properties"]["networkAcls"] = rules


@breakage("vault-private", _LINK, "the vault answers on private endpoints only")
async def vault_private(chain: Chain) -> None:
    """publicNetworkAccess Disabled."""
    chain.vault.body["properties"]["publicNetworkAccess"] = "Disabled"


@breakage("vault-deleted", _LINK, "the vault is soft-deleted, so that its name does not resolve")
async def vault_deleted(chain: Chain) -> None:
    """With everything in it."""
    vault = chain.vault
    vault.deleted_at = chain.simulation.clock.now()
    authorization.forget_scope(chain.simulation, vault.body["id"])


def _latest(chain: Chain) -> SecretVersion:
    return chain.secret.versions[-1]


@breakage("secret-deleted", "secret", "the secret is soft-deleted")
async def secret_deleted(chain: Chain) -> None:
    """Its name is reserved."""
    chain.secret.deleted_at = chain.simulation.clock.now()


@breakage("secret-missing", "secret", "the secret never was in the vault")
async def secret_missing(chain: Chain) -> None:
    """Under that name."""
    del chain.vault.secrets[chain.secret.name.lower()]


@breakage("secret-disabled", "secret", "the secret is disabled")
async def secret_disabled(chain: Chain) -> None:
    """enabled is false."""
    _latest(chain).enabled = False


@breakage("secret-expired", "secret", "the secret has expired")
async def secret_expired(chain: Chain) -> None:
    """An hour ago."""
    _latest(chain).expires = int(chain.simulation.clock.seconds()) - _HOUR


@breakage("secret-early", "secret", "the secret is not valid yet")
async def secret_early(chain: Chain) -> None:
    """An hour from now."""
    _latest(chain).not_before = int(chain.simulation.clock.seconds()) + _HOUR
