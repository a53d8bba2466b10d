"""Key Vaults, and the secrets that the fleet keeps in them. Nothing is ever purged."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

from clients.errors import CloudError, Conflict, Denied, Invalid, Missing, translated
from clients.secret_sources import read, unrepeated
from clients.session import Clients
from clients.waiting import VAULT_SECONDS
from fleet import ownership
from fleet.changes import Action, Change
from fleet.observed import Found, Observation, Unknown
from fleet.resources import AccessPolicy, Secret, Vault
from fleet.spec import Fleet, VaultAuthorization
from fleet.spec import Secret as SecretSpec
from fleet.spec import Vault as VaultSpec
from fleet.wanted import OPERATOR

if TYPE_CHECKING:
    from azure.mgmt.keyvault.models import Vault as AzureVault
    from azure.mgmt.keyvault.models import VaultCreateOrUpdateParameters, VaultPatchParameters

_UNREADABLE = frozenset({"AccessDenied", "ForbiddenByRbac", "ForbiddenByPolicy"})


async def observe(clients: Clients, fleet: Fleet) -> Observation:
    """Vaults and their access policies by one list of the subscription; soft-deleted ones only where one is missing."""
    if not fleet.vaults:
        return Observation()
    there = {(item.name or "").lower(): item for item in await listed(clients)}
    missing = any(vault.name.lower() not in there for vault in fleet.vaults)
    deleted = await deleted_names(clients) if missing else set()
    found: list[Found] = []
    for vault in fleet.vaults:
        if item := there.get(vault.name.lower()):
            found += [_found(fleet, vault, item), *_policies(vault, item)]
        elif vault.name.lower() in deleted:
            found.append(Found(resource=_wanted(fleet, vault).model_copy(update={"soft_deleted": True})))
    return Observation(found=tuple(found))


async def listed(clients: Clients) -> list[AzureVault]:
    """The subscription's vaults, whoever made them."""

    async def everything() -> list[AzureVault]:
        with translated("the subscription's vaults"):
            return [item async for item in clients.arm.vaults.vaults.list_by_subscription()]

    return await clients.patience.request(everything)


async def deleted_names(clients: Clients) -> set[str]:
    """The names, in lower case, of the subscription's vaults that are soft-deleted."""

    async def everything() -> set[str]:
        with translated("the subscription's deleted vaults"):
            return {(item.name or "").lower() async for item in clients.arm.vaults.vaults.list_deleted()}

    return await clients.patience.request(everything)


async def observe_secrets(clients: Clients, fleet: Fleet, vaults: Observation) -> Observation:
    """How each wanted secret of each existing vault compares with its source."""
    present = {
        found.resource.name
        for found in vaults.found
        if isinstance(found.resource, Vault) and not found.resource.soft_deleted
    }
    readable = {
        found.resource.vault
        for found in vaults.found
        if isinstance(found.resource, AccessPolicy) and found.resource.principal_id == clients.operator_id
    }

    async def of(vault: VaultSpec) -> Observation:
        by_policy = vault.authorization is VaultAuthorization.ACCESS_POLICY
        # Where we may not look in yet, the plan lets us in first, and ensure reads before it writes.
        visible = vault.name in present and (not by_policy or vault.name in readable)
        try:
            return Observation.together([await _look(clients, vault, secret, visible) for secret in vault.secrets])
        except CloudError as error:
            return Observation(unknown=(Unknown(through=f"secrets:{vault.name}", reason=str(error)),))

    return Observation.together(await asyncio.gather(*(of(vault) for vault in fleet.vaults)))


async def _look(clients: Clients, vault: VaultSpec, secret: SecretSpec, visible: bool) -> Observation:
    resource = await _secret(clients, vault, secret) if visible else None
    if resource is not None:
        return Observation(found=(Found(resource=resource),))
    reason = await _no_value(secret)
    return Observation(conflicts={f"secret:{vault.name}/{secret.name}": reason} if reason is not None else {})


async def ensure(clients: Clients, fleet: Fleet, change: Change) -> dict[str, str]:
    """Create, recover or adjust a vault, and wait until its name serves."""
    wanted = change.resource
    assert isinstance(wanted, Vault)
    what = f"vault {wanted.name}"
    if change.action is Action.RECOVER:
        await _recover(clients, wanted, adopted=change.adopted)

    async def write() -> None:
        operations = clients.arm.vaults.vaults
        with translated(what):
            try:
                there = await operations.get(wanted.resource_group, wanted.name)
            except Exception as error:
                if getattr(error, "status_code", None) != 404:
                    raise
                poller = await operations.begin_create_or_update(
                    wanted.resource_group, wanted.name, _new(clients, wanted, accessPolicies=[])
                )
                await poller.result()
                return
            if wanted.differences(_as_found(wanted, there)):
                await operations.update(
                    wanted.resource_group, wanted.name, _patch(fleet, wanted, there, adopted=change.adopted)
                )

    async def ready() -> bool | None:
        with translated(what):
            there = await clients.arm.vaults.vaults.get(wanted.resource_group, wanted.name)
        settled = there.properties.provisioning_state in (None, "Succeeded")
        return (settled and not wanted.differences(_as_found(wanted, there))) or None

    async with clients.writing(what):
        await clients.patience.request(write)
    await clients.patience.until(f"{what} to be ready", ready, seconds=VAULT_SECONDS)
    return {}


async def ensure_secret(clients: Clients, fleet: Fleet, change: Change) -> dict[str, str]:  # noqa: ARG001
    """Write the secret where it is absent or different from its source; a new permission is waited for."""
    wanted = change.resource
    assert isinstance(wanted, Secret)
    what = f"secret {wanted.name} of vault {wanted.vault}"
    client = clients.secrets(wanted.vault)
    value = await read(wanted.source)

    async def write() -> None:
        with translated(what):
            if change.action is Action.RECOVER:
                await _recover_secret(clients, wanted)
            try:
                there = (await client.get_secret(wanted.name)).value
            except Exception as error:
                if getattr(error, "status_code", None) != 404 and _inner_code(error) != "SecretDisabled":
                    raise
                there = None
            if there is None or not _equal(there, value.get_secret_value()):
                await client.set_secret(wanted.name, value.get_secret_value())

    async def written() -> bool | None:
        with translated(what):
            there = (await client.get_secret(wanted.name)).value
        return (there is not None and _equal(there, value.get_secret_value())) or None

    # The vault's name and our policy may be younger than their propagation. Our role on it is not of our making.
    with unrepeated(value):
        await clients.patience.request(write, also=(Conflict,), codes=_UNREADABLE, seconds=VAULT_SECONDS)
        await clients.patience.until(f"{what} to be readable", written, seconds=VAULT_SECONDS)
    return {}


async def remove(clients: Clients, fleet: Fleet, change: Change) -> None:  # noqa: ARG001
    """Soft-delete the vault with its secrets; it can be recovered until its retention ends."""
    vault = change.resource
    assert isinstance(vault, Vault)

    async def delete() -> None:
        with translated(f"vault {vault.name}"):
            await clients.arm.vaults.vaults.delete(vault.resource_group, vault.name)

    try:
        await clients.patience.request(delete)
    except Missing:
        return


async def release(clients: Clients, fleet: Fleet, change: Change) -> None:
    """Take our tags off the vault; it stays, with all that is in it."""
    from azure.mgmt.keyvault.models import VaultPatchParameters

    vault = change.resource
    assert isinstance(vault, Vault)
    what = f"vault {vault.name}"
    operations = clients.arm.vaults.vaults

    async def write() -> None:
        with translated(what):
            there = await operations.get(vault.resource_group, vault.name)
            if ownership.owner_by_tags(there.tags) == fleet.name:
                body = VaultPatchParameters({"tags": ownership.without_tags(there.tags)})
                await operations.update(vault.resource_group, vault.name, body)

    try:
        async with clients.writing(what):
            await clients.patience.request(write)
    except Missing:
        return


def _wanted(fleet: Fleet, vault: VaultSpec) -> Vault:
    return Vault(
        name=vault.name,
        resource_group=vault.resource_group,
        location=vault.location,
        authorization=vault.authorization,
        owner=fleet.name,
    )


def _as_found(wanted: Vault, item: AzureVault) -> Vault:
    by_role = bool(item.properties.enable_rbac_authorization)
    return wanted.model_copy(
        update={
            "authorization": VaultAuthorization.RBAC if by_role else VaultAuthorization.ACCESS_POLICY,
            "owner": ownership.owner_by_tags(item.tags),
        }
    )


def _found(fleet: Fleet, vault: VaultSpec, item: AzureVault) -> Found:
    resource = _as_found(_wanted(fleet, vault), item)
    return Found(resource=resource, ours=resource.owner == fleet.name, adopted=ownership.is_adopted_by_tags(item.tags))


def _policies(vault: VaultSpec, item: AzureVault) -> Iterable[Found]:
    for policy in item.properties.access_policies or ():
        permissions = (policy.permissions.secrets if policy.permissions else None) or ()
        yield Found(
            resource=AccessPolicy(
                identity=OPERATOR,
                vault=vault.name,
                resource_group=vault.resource_group,
                principal_id=policy.object_id,
                secrets=tuple(str(getattr(permission, "value", permission)) for permission in permissions),
            )
        )


def _new(clients: Clients, wanted: Vault, *, adopted: bool = False, **properties: Any) -> VaultCreateOrUpdateParameters:
    from azure.mgmt.keyvault.models import VaultCreateOrUpdateParameters

    body = {
        "location": wanted.location,
        "tags": ownership.with_tags(None, str(wanted.owner), adopted=adopted),
        "properties": {
            "tenantId": clients.tenant_id,
            "sku": {"family": "A", "name": "standard"},
            "enableRbacAuthorization": wanted.authorization is VaultAuthorization.RBAC,
            **properties,
        },
    }
    return VaultCreateOrUpdateParameters(body)


def _patch(fleet: Fleet, wanted: Vault, there: AzureVault, *, adopted: bool) -> VaultPatchParameters:
    from azure.mgmt.keyvault.models import VaultPatchParameters

    body = {
        "tags": ownership.with_tags(there.tags, fleet.name, adopted=adopted),
        "properties": {"enableRbacAuthorization": wanted.authorization is VaultAuthorization.RBAC},
    }
    return VaultPatchParameters(body)


async def _recover(clients: Clients, wanted: Vault, *, adopted: bool) -> None:
    body = _new(clients, wanted, adopted=adopted, createMode="recover")

    async def recover() -> None:
        with translated(f"vault {wanted.name}"):
            poller = await clients.arm.vaults.vaults.begin_create_or_update(wanted.resource_group, wanted.name, body)
            await poller.result()

    try:
        await clients.patience.request(recover)
    except CloudError as error:
        if error.code != "SoftDeletedVaultDoesNotExist":  # recovered or purged by somebody else: then create
            raise


async def _secret(clients: Clients, vault: VaultSpec, secret: SecretSpec) -> Secret | None:
    what = f"secret {secret.name} of vault {vault.name}"
    client = clients.secrets(vault.name)
    resource = Secret(vault=vault.name, name=secret.name, source=secret.value_from)

    async def get() -> str | None:
        with translated(what):
            return (await client.get_secret(secret.name)).value

    async def deleted() -> bool:
        with translated(what):
            await client.get_deleted_secret(secret.name)
        return True

    try:
        there = await clients.patience.request(get)
    except Missing:
        try:
            await clients.patience.request(deleted)
        except (Missing, Denied):
            return None
        return resource.model_copy(update={"soft_deleted": True})
    except Invalid as error:
        if error.code != "SecretDisabled":
            raise
        return resource.model_copy(update={"value": "disabled"})
    if there is None or await _no_value(secret) is not None:  # nothing to compare with: what is there stays
        return resource
    same = _equal(there, (await read(secret.value_from)).get_secret_value())
    value: Literal["as in its source", "different"] = "as in its source" if same else "different"
    return resource.model_copy(update={"value": value})


async def _no_value(secret: SecretSpec) -> str | None:
    """Why the secret's source gives no value, or None where it does."""
    try:
        await read(secret.value_from)
    except Invalid as error:
        return str(error)
    return None


async def _recover_secret(clients: Clients, wanted: Secret) -> None:
    client = clients.secrets(wanted.vault)
    try:
        await client.recover_deleted_secret(wanted.name)
    except Exception as error:
        if getattr(error, "status_code", None) != 404:  # recovered already, by an earlier try
            raise


def _equal(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def _inner_code(error: BaseException) -> str:
    inner = getattr(getattr(error, "error", None), "innererror", None) or {}
    return str(inner.get("code", "")) if isinstance(inner, dict) else ""
