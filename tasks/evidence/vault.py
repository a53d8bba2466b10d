"""What a vault and its secret show, to the operator and to the workload."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clients.errors import Missing, translated
from clients.session import Clients
from fleet.diagnosis.evidence import Grant, SecretEvidence, VaultEvidence

from .using import told

if TYPE_CHECKING:
    from azure.mgmt.keyvault.models import Vault


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
