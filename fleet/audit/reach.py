"""What identities may do: more than their spec says, and vaults that those may read whom no workload uses."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.spec import Fleet, VaultAuthorization

from .findings import AuditFinding, Level, Rule
from .inventory import Identity, Inventory, Role, VaultInventory

_READS = frozenset({"get", "all"})


def judge_access(fleet: Fleet | None, inventory: Inventory) -> Iterator[AuditFinding]:
    """Both of them."""
    for identity in inventory.identities:
        if fleet is not None and identity.fleet == fleet.name and identity.principal_id:
            yield from _wider(fleet, inventory, identity)
    yield from _idle(fleet, inventory)


def _wider(fleet: Fleet, inventory: Inventory, identity: Identity) -> Iterator[AuditFinding]:
    """Roles and permissions of a fleet's identity that its file does not give it."""
    spec = next((one for one in fleet.identities if one.name == identity.name), None)
    vaults = {one.id.lower(): one for one in inventory.vaults}
    allowed = set(_roles(fleet, identity.name)) if spec else set()
    for role in inventory.roles:
        if role.principal_id != identity.principal_id:
            continue
        vault = vaults.get(role.scope.lower())
        if (vault.name.lower() if vault else "", role.role) not in allowed:
            yield AuditFinding(
                rule=Rule.WIDER_THAN_SPEC,
                level=Level.WARNING,
                where=f"identity {identity.name}/role {role.role} at {role.scope}",
                what=f"it holds {role.role} at {_scope(role, vault)}, which the fleet file does not say",
                advice=f"az role assignment delete --assignee {identity.principal_id} --role '{role.role}' "
                f"--scope {role.scope}; or write it into the identity's access",
            )
    wanted = {grant.vault.lower(): set(grant.secrets) for grant in spec.access} if spec else {}
    for policy in inventory.policies:
        if policy.principal_id != identity.principal_id:
            continue
        more = sorted(set(policy.secrets) - wanted.get(policy.vault.lower(), set()))
        if more:
            yield AuditFinding(
                rule=Rule.WIDER_THAN_SPEC,
                level=Level.WARNING,
                where=f"identity {identity.name}/access policy of vault {policy.vault}",
                what=f"it may {', '.join(more)} secrets, which the fleet file does not say",
                advice=f"az keyvault set-policy --name {policy.vault} --object-id {policy.principal_id} "
                f"--secret-permissions {' '.join(sorted(wanted.get(policy.vault.lower(), set()))) or 'none'}",
            )


def _roles(fleet: Fleet, identity: str) -> Iterator[tuple[str, str]]:
    """Vault and role of everything that the file grants."""
    spec = fleet.identity(identity)
    for grant in spec.access:
        vault = fleet.vault(grant.vault)
        yield from ((vault.name.lower(), role) for role in grant.roles)
        if vault.authorization is VaultAuthorization.RBAC and grant.secrets:
            yield vault.name.lower(), "Key Vault Secrets User"


def _idle(fleet: Fleet | None, inventory: Inventory) -> Iterator[AuditFinding]:
    """Identities that may read a fleet's vault, and that no ServiceAccount is annotated with."""
    if any(cluster.accounts is None for cluster in inventory.clusters):
        return  # whoever is not seen may be used where we cannot look
    used = {account.client_id for cluster in inventory.clusters for account in cluster.accounts or ()}
    vaults = fleet.vaults if fleet is not None else inventory.vaults
    ours = {vault.name.lower() for vault in vaults}
    for identity in inventory.identities:
        if identity.client_id in used or identity.principal_id in ("", inventory.operator_id):
            continue
        for vault in inventory.vaults:
            if vault.name.lower() in ours and (how := _reads(inventory, vault, identity.principal_id)):
                yield AuditFinding(
                    rule=Rule.VAULT_READ_BY_IDLE,
                    level=Level.WARNING if identity.credentials or identity.fleet is not None else Level.NOTE,
                    where=f"vault {vault.name}/identity {identity.name}",
                    what=f"it may read the vault's secrets by {how}, and no ServiceAccount of these clusters is its",
                    advice="take its access away, if nothing else uses it",
                )


def _reads(inventory: Inventory, vault: VaultInventory, principal_id: str) -> str:
    """By what a principal may read a vault's secrets; '' where it may not."""
    if vault.by_role:
        scope = vault.id.lower()
        held = (one for one in inventory.roles if one.principal_id == principal_id and one.reads_secrets)
        reaching = (one for one in held if scope == one.scope.lower() or scope.startswith(f"{one.scope.lower()}/"))
        role = next(reaching, None)
        return f"{role.role} at {_scope(role, vault)}" if role else ""
    permitted = (one for one in inventory.policies if (one.vault, one.principal_id) == (vault.name, principal_id))
    return "an access policy" if any(_READS & set(one.secrets) for one in permitted) else ""


def _scope(role: Role, vault: VaultInventory | None) -> str:
    return f"vault {vault.name}" if vault is not None and role.scope.lower() == vault.id.lower() else role.scope
