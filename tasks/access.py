"""What identities may do on vaults: role assignments, and access policies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clients.errors import CloudError, Conflict, Invalid, Missing, translated
from clients.session import Clients
from clients.waiting import REPLICATION_SECONDS, VAULT_SECONDS
from fleet import naming
from fleet.changes import Change
from fleet.observed import Found, Observation
from fleet.resources import AccessPolicy, RoleAssignment
from fleet.spec import Fleet, VaultAuthorization

if TYPE_CHECKING:
    from azure.mgmt.authorization.v2022_04_01.models import RoleAssignment as AzureAssignment

_DEFINITIONS = "/providers/Microsoft.Authorization/roleDefinitions/"


async def observe(clients: Clients, fleet: Fleet, *, beyond: bool = False) -> Observation:
    """The role assignments on the fleet's vaults, by one list of the subscription.

    Ours are those whose name follows from scope, principal and role, as only we make it. Where no grant needs a role,
    they are listed only to look ``beyond``.
    """
    by_role = {vault.name for vault in fleet.vaults if vault.authorization is VaultAuthorization.RBAC}
    grants = [grant for identity in fleet.identities for grant in identity.access]
    if not any(grant.roles or grant.vault in by_role for grant in grants) and not (beyond and fleet.vaults):
        return Observation()

    scopes = {
        naming.vault_id(clients.subscription_id, vault.resource_group, vault.name).lower(): vault.name
        for vault in fleet.vaults
    }
    names = {role_id: name for name, role_id in naming.BUILT_IN_ROLES.items()}
    for role in dict.fromkeys(role for grant in grants for role in grant.roles):
        if role not in naming.BUILT_IN_ROLES:
            names[await _role_id(clients, role)] = role
    found = []
    everything = await assignments(clients)
    for item in everything:
        vault = scopes.get((item.scope or "").lower())
        if vault is not None:
            role_id = (item.role_definition_id or "").rpartition("/")[2]
            assignment = RoleAssignment(
                identity="",
                vault=vault,
                role=names.get(role_id, role_id),
                scope=item.scope or "",
                principal_id=item.principal_id or "",
            )
            name = naming.role_assignment_name(item.scope or "", item.principal_id or "", role_id)
            found.append(Found(resource=assignment, ours=(item.name or "").lower() == name))
    return Observation(found=tuple(found), role_assignments=len(everything))


async def assignments(clients: Clients, principal_id: str = "") -> list[AzureAssignment]:
    """The subscription's role assignments, of one principal or of all."""
    chosen = {"filter": f"principalId eq '{principal_id}'"} if principal_id else {}

    async def everything() -> list[AzureAssignment]:
        with translated("the subscription's role assignments"):
            return [item async for item in _assignments(clients).list_for_subscription(**chosen)]

    return await clients.patience.request(everything)


async def ensure(clients: Clients, fleet: Fleet, change: Change) -> dict[str, str]:  # noqa: ARG001
    """Assign the role under a name that follows from scope, principal and role: twice is once."""
    wanted = change.resource
    assert isinstance(wanted, RoleAssignment)
    role_id = await _role_id(clients, wanted.role)
    name = naming.role_assignment_name(wanted.scope, str(wanted.principal_id), role_id)
    body = {
        "properties": {
            "roleDefinitionId": f"/subscriptions/{clients.subscription_id}{_DEFINITIONS}{role_id}",
            "principalId": str(wanted.principal_id),
            # Saves ARM from looking for a principal that its copy of the directory may not have yet.
            "principalType": "ServicePrincipal",
        }
    }

    async def assign() -> None:
        with translated(_what(wanted)):
            try:
                await _assignments(clients).create(wanted.scope, name, body)
            except Exception as error:
                if _code(error) != "RoleAssignmentUpdateNotPermitted":
                    raise
                # The name is taken by an assignment of a principal that is no more.
                await _assignments(clients).delete(wanted.scope, name)
                await _assignments(clients).create(wanted.scope, name, body)

    try:
        await clients.patience.request(assign, seconds=REPLICATION_SECONDS)
    except Conflict as error:
        if error.code != "RoleAssignmentExists":  # somebody else's name for the same grant serves as well
            raise
    return {}


async def remove(clients: Clients, fleet: Fleet, change: Change) -> None:  # noqa: ARG001
    """Take back the role that we assigned. One under another's name is not ours."""
    assignment = change.resource
    assert isinstance(assignment, RoleAssignment)
    role_id = await _role_id(clients, assignment.role)
    name = naming.role_assignment_name(assignment.scope, str(assignment.principal_id), role_id)

    async def delete() -> None:
        with translated(_what(assignment)):
            await _assignments(clients).delete(assignment.scope, name)

    try:
        await clients.patience.request(delete)
    except Missing:
        return


async def ensure_policy(clients: Clients, fleet: Fleet, change: Change) -> dict[str, str]:  # noqa: ARG001
    """Add the permissions to the vault's policies, one writer at a time per vault; those of others stay."""
    wanted = change.resource
    assert isinstance(wanted, AccessPolicy)
    await _write_policy(clients, wanted, "add")

    async def effective() -> bool | None:
        with translated(f"vault {wanted.vault}"):
            vault = await clients.arm.vaults.vaults.get(wanted.resource_group, wanted.vault)
        for policy in vault.properties.access_policies or ():
            if policy.object_id == wanted.principal_id:
                permissions = (policy.permissions.secrets if policy.permissions else None) or ()
                had = tuple(str(getattr(permission, "value", permission)) for permission in permissions)
                return not wanted.differences(wanted.model_copy(update={"secrets": had})) or None
        return None

    await clients.patience.until(
        f"the access policy of {wanted.identity} on vault {wanted.vault}", effective, seconds=VAULT_SECONDS
    )
    return {}


async def remove_policy(clients: Clients, fleet: Fleet, change: Change) -> None:  # noqa: ARG001
    """Take back the permissions."""
    policy = change.resource
    assert isinstance(policy, AccessPolicy)
    try:
        await _write_policy(clients, policy, "remove")
    except Missing:
        return


async def _write_policy(clients: Clients, policy: AccessPolicy, operation: str) -> None:
    from azure.mgmt.keyvault.models import VaultAccessPolicyParameters

    entry = {
        "tenantId": clients.tenant_id,
        "objectId": str(policy.principal_id),
        "permissions": {"secrets": list(policy.secrets)},
    }
    body = VaultAccessPolicyParameters({"properties": {"accessPolicies": [entry]}})

    async def write() -> None:
        with translated(f"vault {policy.vault}, its access policies"):
            await clients.arm.vaults.vaults.update_access_policy(policy.resource_group, policy.vault, operation, body)

    async with clients.writing(f"vault {policy.vault}"):
        await clients.patience.request(write, also=(Conflict,))


def _what(assignment: RoleAssignment) -> str:
    return f"role {assignment.role} of {assignment.identity} on vault {assignment.vault}"


def _assignments(clients: Clients) -> Any:
    return clients.arm.authorization.role_assignments


def _code(error: BaseException) -> str:
    return str(getattr(getattr(error, "error", None), "code", "") or "")


async def _role_id(clients: Clients, role: str) -> str:
    """The GUID of a role by name; built-in ones are the same everywhere, others are looked up in the subscription.

    A role that the fleet does not name was found by its GUID, and has no other name here.
    """
    if naming.GUID.fullmatch(role):
        return role
    if role in naming.BUILT_IN_ROLES:
        return naming.BUILT_IN_ROLES[role]
    scope = f"/subscriptions/{clients.subscription_id}"

    async def definitions() -> list[str]:
        quoted = role.replace("'", "''")
        with translated(f"role {role}"):
            listed = clients.arm.authorization.role_definitions.list(scope, filter=f"roleName eq '{quoted}'")
            return [item.name or "" async for item in listed]

    found = await clients.patience.request(definitions)
    if not found:
        raise _unknown_role(role)
    return found[0]


def _unknown_role(role: str) -> CloudError:
    return Invalid(f"role {role}", "there is no such role", code="NoSuchRole", advice="az role definition list")
