"""What a simulated cloud holds, by names alone: an inventory that may be shown to anybody."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.tree import Tree

from .azure import roles

if TYPE_CHECKING:
    from .azure.state import FederatedCredential
    from .kubernetes.cluster import Cluster
    from .simulation import Simulation

_CLIENT_ID = "azure.workload.identity/client-id"
_OWN_NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")

Inventory = dict[str, Any]


def held(simulation: Simulation) -> Inventory:
    """The inventory as nested mappings and lists of texts, each level by name."""
    azure = simulation.azure
    return {
        "subscriptions": {one.name: {"id": one.id} for one in azure.subscriptions.values()},
        "clusters": {cluster.state.name: _cluster(cluster) for cluster in simulation.clusters.values()},
        "vaults": {
            vault.body["name"] + (" (deleted)" if vault.deleted_at else ""): {
                "secrets": [
                    secret.name + (" (deleted)" if secret.deleted_at else "") for secret in vault.secrets.values()
                ],
                "access policies": list(vault.grants),
            }
            for vault in azure.vaults.values()
        },
        "applications": {
            f"{one.body['displayName']} ({one.body['appId']})" + (" (deleted)" if one.deleted_at else ""): {
                "federated credentials": _federated(one.federated)
            }
            for one in azure.applications.values()
        },
        "managed identities": {
            f"{one.body['name']} ({one.body['properties']['clientId']})": {
                "federated credentials": _federated(one.federated)
            }
            for one in azure.identities.values()
        },
        "role assignments": [_assignment(one.body) for one in azure.role_assignments.values()],
    }


def _federated(credentials: Iterable[FederatedCredential]) -> Inventory:
    return {
        one.name: {"issuer": one.trust.issuer, "subject": one.trust.subject, "audiences": one.trust.audiences}
        for one in credentials
    }


def _assignment(body: dict[str, Any]) -> str:
    properties = body["properties"]
    role_id = properties["roleDefinitionId"].rpartition("/")[2].lower()
    role = roles.BY_ID[role_id].name if role_id in roles.BY_ID else role_id
    return f"{role} to {properties['principalId']} on {properties['scope']}"


def _cluster(cluster: Cluster) -> Inventory:
    """Its own ServiceAccounts and namespaces, those that every cluster has left out."""
    namespaces = [item["metadata"]["name"] for item in cluster.list("namespaces")]
    accounts: dict[str, list[str]] = {name: [] for name in namespaces if name not in _OWN_NAMESPACES}
    for item in cluster.list("serviceaccounts"):
        metadata = item["metadata"]
        if metadata["namespace"] in accounts and metadata["name"] != "default":
            client_id = (metadata.get("annotations") or {}).get(_CLIENT_ID)
            accounts[metadata["namespace"]].append(metadata["name"] + (f" as {client_id}" if client_id else ""))
    return {"issuer": cluster.state.issuer, "namespaces, their ServiceAccounts": accounts}


def tell(inventory: Inventory, console: Console | None = None) -> None:
    """Print an inventory as a tree."""
    console = console or Console()
    for name, content in inventory.items():
        tree = Tree(f"[bold]{name}[/]")
        _grow(tree, content)
        # Unbroken, as identifiers are there to be copied.
        console.print(tree, highlight=False, soft_wrap=True)


def _grow(tree: Tree, content: Any) -> None:
    if not content:
        tree.add("none")
    elif isinstance(content, dict):
        for name, inner in content.items():
            if isinstance(inner, str):
                tree.add(f"{name}: {inner}")
            else:
                _grow(tree.add(name), inner)
    else:
        for item in content:
            tree.add(str(item))
