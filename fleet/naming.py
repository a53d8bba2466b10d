"""Every name that the project makes up, and the rules that names given by others must keep.

Names are functions of what they name: two runs, two machines and two operators arrive at the same one, and a name
never means two things.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid

AUDIENCE = "api://AzureADTokenExchange"
"""The audience that the webhook asks for and Entra expects from a Kubernetes workload."""

FIELD_MANAGER = "workload-identity"
"""Our field manager in server-side apply."""

MIGRATION_MANAGER = "workload-identity-migrate"
"""Our field manager for what a migration changes in the workloads of others, so that it can be told and taken back."""

BEFORE_MIGRATION = "workload-identity.io/before-migration"
"""Annotates a workload with what its template said before it was switched."""

OPERATOR = "operator"
"""Stands for whoever runs us where an identity is named, so no identity of a fleet may have this name."""

MAX_FEDERATED_CREDENTIALS = 20
"""Per application or managed identity (Microsoft's documentation of workload identity federation)."""

MAX_ROLE_ASSIGNMENTS = 4000
"""Per subscription (Azure RBAC limits)."""

FEDERATED_CREDENTIAL_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_-]{2,119}$")
DNS_LABEL = re.compile(r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")
DNS_SUBDOMAIN = re.compile(r"^(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
VAULT_NAME = re.compile(r"^(?=.{3,24}$)[A-Za-z](?!.*--)[A-Za-z0-9-]*[A-Za-z0-9]$")
RESOURCE_NAME = re.compile(r"^[A-Za-z0-9_(][-A-Za-z0-9_.()]{0,88}[-A-Za-z0-9_)]$|^[A-Za-z0-9]$")
DISPLAY_NAME = re.compile(r"^[^\s/\\?%&<>:\"'`][^/\\?%&<>:\"'`\x00-\x1f]{0,89}$")
MANAGED_IDENTITY_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_-]{2,127}$")
LOCATION = re.compile(r"^[a-z0-9]{2,40}$")
GUID = re.compile(r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")
FLEET_NAME = re.compile(r"^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$")
SECRET_NAME = re.compile(r"^[0-9A-Za-z-]{1,127}$")
ENVIRONMENT_VARIABLE = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")
PREFECT_BLOCK = re.compile(r"^[a-z0-9-]+$")
PARAMETER_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")

_ROLE_ASSIGNMENTS = uuid.UUID("5b0c4b57-3c0e-5f0a-9a5c-6c6a1d6f0f35")
"""Namespace of our role assignments' names; arbitrary, never to be changed."""

BUILT_IN_ROLES = {
    "Reader": "acdd72a7-3385-48ef-bd42-f606fba81ae7",
    "Key Vault Reader": "21090545-7ca7-4776-b22c-e363652d74d2",
    "Key Vault Secrets User": "4633458b-17de-408a-b874-0445c86b69e6",
    "Key Vault Secrets Officer": "b86a8fe4-44ce-4948-aee5-eccb2c155cd7",
    "Key Vault Certificate User": "db79e9a7-68ee-4b58-9aeb-b90e7c24fcba",
    "Key Vault Crypto User": "12338af0-0e69-4776-bea7-57ae8d297424",
}
"""Azure's built-in roles that a workload is granted on a vault, by name; ids are the same in every tenant."""


def subject(namespace: str, service_account: str) -> str:
    """The subject of a ServiceAccount's tokens, which Entra compares case-sensitively."""
    return f"system:serviceaccount:{namespace}:{service_account}"


def service_account_of(subject: str) -> tuple[str, str] | None:
    """Namespace and name of the ServiceAccount whose tokens carry the subject; None of every other subject."""
    parts = subject.split(":")
    if len(parts) != 4 or parts[:2] != ["system", "serviceaccount"]:
        return None
    namespace, account = parts[2:]
    return (namespace, account) if DNS_LABEL.fullmatch(namespace) and DNS_SUBDOMAIN.fullmatch(account) else None


def federated_credential_name(cluster: str, namespace: str, service_account: str, issuer: str) -> str:
    """The name of the federated credential by which ``issuer`` vouches for the ServiceAccount.

    It starts readable and ends in a hash over (issuer, subject), encoded so that no two pairs collide: a rebuilt
    cluster gets a credential of its own, and two clusters never fight over one name. 3 to 120 characters.
    """
    readable = re.sub(r"[^A-Za-z0-9_-]+", "-", f"{cluster}-{namespace}-{service_account}").strip("-_")
    return f"{readable[:100]}-{_digest(issuer, subject(namespace, service_account))}"


def is_federated_credential_name(name: str, issuer: str, subject: str) -> bool:
    """Whether :func:`federated_credential_name` made the name for this pair, on whatever cluster."""
    return name.endswith(f"-{_digest(issuer, subject)}")


def _digest(issuer: str, subject: str) -> str:
    return hashlib.sha256(json.dumps([issuer, subject]).encode()).hexdigest()[:16]


def shard_name(identity: str, number: int) -> str:
    """The name of the ``number``-th of the identities, from 1, over which the workloads of one are spread.

    The first keeps the name, so that an identity that outgrows its budget stays, with what is granted to it.
    """
    return identity if number == 1 else f"{identity}-{number}"


def unique_name(fleet: str, identity: str) -> str:
    """The Graph ``uniqueName`` of an identity's application: the key that makes its creation idempotent."""
    return f"workload-identity:{fleet}:{identity}"


def role_assignment_name(scope: str, principal_id: str, role_id: str) -> str:
    """The GUID of a role assignment. ARM ids compare case-insensitively, hence the lower case."""
    return str(uuid.uuid5(_ROLE_ASSIGNMENTS, f"{scope.lower()}|{principal_id.lower()}|{role_id.lower()}"))


def resource_group_id(subscription_id: str, resource_group: str) -> str:
    """The ARM id of a resource group."""
    return f"/subscriptions/{subscription_id}/resourceGroups/{resource_group}"


def cluster_id(subscription_id: str, resource_group: str, cluster: str) -> str:
    """The ARM id of a managed cluster."""
    provider = "Microsoft.ContainerService/managedClusters"
    return f"{resource_group_id(subscription_id, resource_group)}/providers/{provider}/{cluster}"


def vault_id(subscription_id: str, resource_group: str, vault: str) -> str:
    """The ARM id of a vault, the scope of its role assignments."""
    return f"{resource_group_id(subscription_id, resource_group)}/providers/Microsoft.KeyVault/vaults/{vault}"


def vault_url(vault: str) -> str:
    """Where the secrets of a vault are served (public cloud)."""
    return f"https://{vault.lower()}.vault.azure.net"


def slug(text: str) -> str:
    """Lower-case letters, digits and dashes, as artifact keys need them."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
