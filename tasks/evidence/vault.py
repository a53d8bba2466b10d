"""What a vault and its secret show, to the operator and to the workload."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clients.errors import Missing, translated
from clients.session import Clients
from fleet.diagnosis.evidence import Grant, SecretEvidence, VaultEvidence

from .using import told

if TYPE_CHECKING:
    from azure.mgmt.authorization.v2022_04_01.models import RoleAssignment
    from azure.mgmt.keyvault.models import Vault

READ_SECRET = "Microsoft.KeyVault/vaults/secrets/getSecret/action"


async def everything(clients: Clients) -> list[Vault]:
    """The subscription's vaults."""

    async def listed() -> list[Vault]:
        with translated("the subscription's vaults"):
            return [item async for item in clients.arm.vaults.vaults.list_by_subscription()]

    return await clients.patience.request(listed)


async def is_deleted(clients: Clients, name: str) -> bool:
    """Whether a vault of this name is soft-deleted."""

    async def listed() -> set[str]:
        with translated("the subscription's deleted vaults"):
            return {(item.name or "").lower() async for item in clients.arm.vaults.vaults.list_deleted()}

    return name.lower() in await clients.patience.request(listed)


async def holdings(clients: Clients, principal_id: str) -> tuple[Grant, ...]:
    """The roles that the principal holds anywhere in the subscription."""

    async def listed() -> list[RoleAssignment]:
        operations = clients.arm.authorization.role_assignments
        with translated("the subscription's role assignments"):
            return [item async for item in operations.list_for_subscription(filter=f"principalId eq '{principal_id}'")]

    found = []
    for item in await clients.patience.request(listed):
        meaning = await role(clients, item.role_definition_id or "")
        found.append(Grant(meaning.name, item.scope or "", meaning.reads_secrets, item.created_on))
    return tuple(found)


@dataclass(frozen=True)
class RoleMeaning:
    """A role definition, as far as secrets are concerned."""

    name: str
    reads_secrets: bool


async def role(clients: Clients, definition_id: str) -> RoleMeaning:
    """What a role definition, by its ARM id, is called and lets do."""

    async def defined() -> Any:
        with translated(f"role {definition_id.rpartition('/')[2]}"):
            return await clients.arm.authorization.role_definitions.get_by_id(definition_id)

    definition = await clients.patience.request(defined)
    allowed = any(
        _matches(one.data_actions) and not _matches(one.not_data_actions) for one in definition.permissions or ()
    )
    return RoleMeaning(definition.role_name or "", allowed)


def _matches(actions: list[str] | None) -> bool:
    return any(fnmatch.fnmatchcase(READ_SECRET.lower(), action.lower()) for action in actions or ())


def reading(vault: Vault, principal_id: str, held: tuple[Grant, ...], others: list[Vault]) -> VaultEvidence:
    """What a vault's own settings and the principal's roles say."""
    properties = vault.properties
    rules = properties.network_acls
    scope = (vault.id or "").lower()
    here = tuple(
        one for one in held if scope == one.scope.lower() or scope.startswith(one.scope.lower().rstrip("/") + "/")
    )
    elsewhere = {
        (other.name or "")
        for other in others
        if (other.id or "").lower() != scope and "get" in (permissions(other, principal_id) or ())
    }
    elsewhere |= {
        one.scope.rpartition("/")[2]
        for one in held
        if one.reads_secrets and "/vaults/" in one.scope and one not in here
    }
    system = getattr(vault, "system_data", None)
    return VaultEvidence(
        name=vault.name or "",
        by_role=bool(properties.enable_rbac_authorization),
        permissions=permissions(vault, principal_id),
        grants=here,
        elsewhere=tuple(sorted(elsewhere)),
        public=(properties.public_network_access or "Enabled").lower() != "disabled",
        open_to_all=rules is None or str(getattr(rules.default_action, "value", rules.default_action)) != "Deny",
        changed=getattr(system, "last_modified_at", None),
    )


def permissions(vault: Vault, principal_id: str) -> tuple[str, ...] | None:
    """What the principal's access policy lets it do with secrets; None where it has none."""
    for policy in vault.properties.access_policies or ():
        if policy.object_id == principal_id:
            held = (policy.permissions.secrets if policy.permissions else None) or ()
            return tuple(str(getattr(one, "value", one)).lower() for one in held)
    return None


async def secret(clients: Clients, vault: str, name: str) -> SecretEvidence | None:
    """A secret's newest version as the operator sees it, without its value; None where there is none.

    Raises ``Denied`` where the operator may not list the vault's secrets.
    """
    client = clients.secrets(vault)
    what = f"secret {name} of vault {vault}"

    async def versions() -> list[Any]:
        with translated(what):
            return [item async for item in client.list_properties_of_secret_versions(name)]

    async def deleted() -> bool:
        with translated(what):
            return any([item.name == name async for item in client.list_deleted_secrets()])

    try:
        found = await clients.patience.request(versions)
    except Missing:
        found = []
    if found:
        return told(max(found, key=lambda item: item.created_on))
    return SecretEvidence(deleted=True) if await clients.patience.request(deleted) else None
