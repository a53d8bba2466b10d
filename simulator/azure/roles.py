"""Azure's built-in roles, and what a caller's role assignments allow."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from simulator.provenance import Provenance, rule

if TYPE_CHECKING:
    from simulator.simulation import Simulation

    from .state import AzureState, Json, RoleAssignment

_KEY_VAULT = "Microsoft.KeyVault/vaults"
_READING = (
    "Microsoft.Authorization/*/read",
    "Microsoft.Resources/deployments/*",
    "Microsoft.Resources/subscriptions/resourceGroups/read",
)
_VAULT_READING = (
    *_READING,
    "Microsoft.KeyVault/checkNameAvailability/read",
    "Microsoft.KeyVault/deletedVaults/read",
    "Microsoft.KeyVault/locations/*/read",
    f"{_KEY_VAULT}/*/read",
    f"{_KEY_VAULT}/read",
    "Microsoft.KeyVault/operations/read",
)
_CLUSTERS = "Microsoft.ContainerService/managedClusters"
_IDENTITIES = "Microsoft.ManagedIdentity/userAssignedIdentities"


@dataclass(frozen=True)
class Role:
    """A built-in role definition; actions may hold ``*``."""

    name: str
    id: str
    description: str
    actions: tuple[str, ...] = ()
    not_actions: tuple[str, ...] = ()
    data_actions: tuple[str, ...] = ()

    def body(self, subscription: str) -> Json:
        """As ARM answers it, asked under this subscription ('' for none)."""
        prefix = f"/subscriptions/{subscription}" if subscription else ""
        permissions = {
            "actions": list(self.actions),
            "notActions": list(self.not_actions),
            "dataActions": list(self.data_actions),
            "notDataActions": [],
        }
        return {
            "properties": {
                "roleName": self.name,
                "type": "BuiltInRole",
                "description": self.description,
                "assignableScopes": ["/"],
                "permissions": [permissions],
                "createdOn": "2015-02-02T21:55:09.8806423Z",
                "updatedOn": "2021-11-11T20:13:28.6061853Z",
                "createdBy": None,
                "updatedBy": None,
            },
            "id": f"{prefix}/providers/Microsoft.Authorization/roleDefinitions/{self.id}",
            "type": "Microsoft.Authorization/roleDefinitions",
            "name": self.id,
        }


BUILT_IN = (
    Role(
        "Owner",
        "8e3af657-a8ff-443c-a75c-2fe8c4bcb635",
        "Grants full access to manage all resources, including the ability to assign roles in Azure RBAC.",
        ("*",),
    ),
    Role(
        "Contributor",
        "b24988ac-6180-42a0-ab88-20f7382dd24c",
        "Grants full access to manage all resources, but does not allow you to assign roles in Azure RBAC.",
        ("*",),
        (
            "Microsoft.Authorization/*/Delete",
            "Microsoft.Authorization/*/Write",
            "Microsoft.Authorization/elevateAccess/Action",
        ),
    ),
    Role(
        "Reader",
        "acdd72a7-3385-48ef-bd42-f606fba81ae7",
        "View all resources, but does not allow you to make any changes.",
        ("*/read",),
    ),
    Role(
        "User Access Administrator",
        "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9",
        "Lets you manage user access to Azure resources.",
        ("*/read", "Microsoft.Authorization/*", "Microsoft.Support/*"),
    ),
    Role(
        "Role Based Access Control Administrator",
        "f58310d9-a9f6-439a-9e8d-f62e7b41a168",
        "Manage access to Azure resources by assigning roles using Azure RBAC.",
        ("Microsoft.Authorization/roleAssignments/write", "Microsoft.Authorization/roleAssignments/delete", "*/read"),
    ),
    Role(
        "Key Vault Administrator",
        "00482a5a-887f-4fb3-b363-3b7fe8e74483",
        "Perform all data plane operations on a key vault and all objects in it.",
        _VAULT_READING,
        data_actions=(f"{_KEY_VAULT}/*",),
    ),
    Role(
        "Key Vault Reader",
        "21090545-7ca7-4776-b22c-e363652d74d2",
        "Read metadata of key vaults and its certificates, keys, and secrets.",
        _VAULT_READING,
        data_actions=(f"{_KEY_VAULT}/*/read", f"{_KEY_VAULT}/secrets/readMetadata/action"),
    ),
    Role(
        "Key Vault Secrets Officer",
        "b86a8fe4-44ce-4948-aee5-eccb2c155cd7",
        "Perform any action on the secrets of a key vault, except manage permissions.",
        _VAULT_READING,
        data_actions=(f"{_KEY_VAULT}/secrets/*",),
    ),
    Role(
        "Key Vault Secrets User",
        "4633458b-17de-408a-b874-0445c86b69e6",
        "Read secret contents.",
        data_actions=(f"{_KEY_VAULT}/secrets/getSecret/action", f"{_KEY_VAULT}/secrets/readMetadata/action"),
    ),
    Role(
        "Key Vault Contributor",
        "f25e0fa2-a7c8-4377-a976-54943a77a395",
        "Lets you manage key vaults, but not access to them.",
        (*_READING, "Microsoft.KeyVault/*"),
        ("Microsoft.KeyVault/locations/deletedVaults/purge/action", "Microsoft.KeyVault/hsmPools/*"),
    ),
    Role(
        "Managed Identity Contributor",
        "e40ec5ca-96e0-45a2-b4ff-59039f2c2b59",
        "Create, Read, Update, and Delete User Assigned Identity",
        (
            *_READING,
            f"{_IDENTITIES}/read",
            f"{_IDENTITIES}/write",
            f"{_IDENTITIES}/delete",
            f"{_IDENTITIES}/*/read",
            f"{_IDENTITIES}/federatedIdentityCredentials/*",
            f"{_IDENTITIES}/revokeTokens/action",
        ),
    ),
    Role(
        "Managed Identity Operator",
        "f1a07417-d97a-45cb-824c-7a7467783830",
        "Read and Assign User Assigned Identity",
        (*_READING, f"{_IDENTITIES}/*/read", f"{_IDENTITIES}/*/assign/action", f"{_IDENTITIES}/read"),
    ),
    Role(
        "Azure Kubernetes Service Contributor Role",
        "ed7f3fbd-7b88-4dd4-9017-9adb7ce333f8",
        "Grants access to read and write Azure Kubernetes Service clusters",
        (
            "Microsoft.Authorization/*/read",
            "Microsoft.ContainerService/*",
            "Microsoft.Resources/deployments/*",
        ),
    ),
    Role(
        "Azure Kubernetes Service Cluster Admin Role",
        "0ab0b1a8-8aac-4efd-b8c2-3ee1fb270be8",
        "List cluster admin credential action.",
        (
            f"{_CLUSTERS}/listClusterAdminCredential/action",
            f"{_CLUSTERS}/accessProfiles/listCredential/action",
            f"{_CLUSTERS}/read",
            f"{_CLUSTERS}/runcommand/action",
        ),
    ),
    Role(
        "Azure Kubernetes Service Cluster User Role",
        "4abbcc35-e782-43d8-92c5-2d3f1bd2253f",
        "List cluster user credential action.",
        (f"{_CLUSTERS}/listClusterUserCredential/action", f"{_CLUSTERS}/read"),
    ),
)

BY_ID = {role.id: role for role in BUILT_IN}
BY_NAME = {role.name: role for role in BUILT_IN}


@lru_cache(maxsize=4096)
def _covers(pattern: str, action: str) -> bool:
    expression = ".*".join(re.escape(part) for part in pattern.split("*"))
    return re.fullmatch(expression, action, re.IGNORECASE) is not None


def _allows(role: Role, action: str, *, data: bool) -> bool:
    if data:
        return any(_covers(pattern, action) for pattern in role.data_actions)
    return any(_covers(pattern, action) for pattern in role.actions) and not any(
        _covers(pattern, action) for pattern in role.not_actions
    )


def role_of(assignment: RoleAssignment) -> Role:
    """The role that is assigned."""
    return BY_ID[assignment.body["properties"]["roleDefinitionId"].rpartition("/")[2].lower()]


def reaches(assigned: str, scope: str) -> bool:
    """Whether an assignment at the scope ``assigned`` holds at ``scope``: at itself and everything below."""
    assigned, scope = assigned.lower().rstrip("/"), scope.lower()
    return scope == assigned or scope.startswith(f"{assigned}/")


def of_principal(azure: AzureState, object_id: str) -> Iterator[RoleAssignment]:
    """All assignments to a principal, wherever."""
    return (one for one in azure.role_assignments.values() if one.body["properties"]["principalId"] == object_id)


@rule("arm", "an assigned role holds at its scope and below", Provenance.DOCUMENTED, "wire/role-assignments.yaml list")
def allowed(simulation: Simulation, object_id: str, action: str, scope: str) -> bool:
    """Whether ARM lets the principal do ``action`` at ``scope``."""
    return any(
        reaches(one.body["properties"]["scope"], scope) and _allows(role_of(one), action, data=False)
        for one in of_principal(simulation.azure, object_id)
    )


@rule("key vault", "a role assignment reaches the data plane later", Provenance.DOCUMENTED, "E1 role change visible")
def allowed_on_data(simulation: Simulation, object_id: str, action: str, scope: str) -> bool:
    """Whether the data plane lets the principal do ``action`` at ``scope``, by the assignments it has heard of."""
    now = simulation.clock.now()
    return any(
        one.effective_at <= now
        and reaches(one.body["properties"]["scope"], scope)
        and _allows(role_of(one), action, data=True)
        for one in of_principal(simulation.azure, object_id)
    )
