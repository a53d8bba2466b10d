"""Fleets of any size, and the cloud in which each begins: clusters there, nothing of ours in them."""

from __future__ import annotations

from typing import Any

import yaml

from fleet.files import load
from fleet.spec import Fleet, IdentityKind, VaultAuthorization

SUBSCRIPTION = "22222222-2222-4222-8222-222222222222"
SECRET_VARIABLE = "KEYVAULT_SECRET_VALUE"
_GROUP = "platform"
_LOCATION = "westeurope"


def fleet(
    workloads: int,
    *,
    clusters: int = 10,
    vaults: int = 50,
    kind: IdentityKind = IdentityKind.APPLICATION,
    authorization: VaultAuthorization = VaultAuthorization.RBAC,
) -> Fleet:
    """A fleet in which every workload has an identity of its own, spread over the clusters and the vaults."""
    return load(yaml.safe_dump(document(workloads, clusters, vaults, kind, authorization)))


def document(
    workloads: int, clusters: int, vaults: int, kind: IdentityKind, authorization: VaultAuthorization
) -> dict[str, Any]:
    """The same as a fleet file's content. There are never more clusters and vaults than workloads."""
    clusters, vaults = min(clusters, workloads), min(vaults, workloads)
    place = {"resource_group": _GROUP, "location": _LOCATION}
    of_arm = place if kind is IdentityKind.MANAGED_IDENTITY else {}
    return {
        "name": "large",
        "subscription": SUBSCRIPTION,
        "clusters": [
            {"name": f"cluster-{number}", "resource_group": _GROUP, "webhook": "addon"} for number in range(clusters)
        ],
        "vaults": [
            {
                "name": f"large-vault-{number}",
                **place,
                "authorization": str(authorization),
                "secrets": [{"name": "password", "value_from": {"env": SECRET_VARIABLE}}],
            }
            for number in range(vaults)
        ],
        "identities": [
            {
                "name": f"app-{number:05}",
                "kind": str(kind),
                **of_arm,
                "access": [{"vault": f"large-vault-{number % vaults}"}],
            }
            for number in range(workloads)
        ],
        "workloads": [
            {
                "namespace": f"team-{number:05}",
                "service_account": "app",
                "clusters": [f"cluster-{number % clusters}"],
                "identity": f"app-{number:05}",
            }
            for number in range(workloads)
        ],
    }


def cloud(clusters: int = 10) -> str:
    """The YAML with which the simulator begins: the tutorial's tenant, with these clusters."""
    operator = {
        "name": "platform-engineer",
        "client_id": "33333333-3333-4333-8333-333333333333",
        "client_secret": "only-the-simulator-knows-this-one",
        "object_id": "44444444-4444-4444-8444-444444444444",
        "roles": [{"role": role, "scope": "Large"} for role in ("Owner", "Key Vault Administrator")],
        "graph": ["Application.ReadWrite.All"],
        "cluster_admin": True,
    }
    subscription = {
        "id": SUBSCRIPTION,
        "name": "Large",
        "resource_groups": [{"name": _GROUP, "location": _LOCATION}],
        "clusters": [
            {"resource_group": _GROUP, "name": f"cluster-{number}", "entra_integrated": True}
            for number in range(clusters)
        ],
    }
    tenant = {"id": "11111111-1111-4111-8111-111111111111", "display_name": "Large", "domain": "large.onmicrosoft.com"}
    return yaml.safe_dump({"tenant": tenant, "subscriptions": [subscription], "operators": [operator]})
