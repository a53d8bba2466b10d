"""Old set-ups in values, for tests of what becomes of them."""

from __future__ import annotations

from typing import Any

from fleet.entries import Cluster
from fleet.migration.identities import Known, RealIdentity
from fleet.migration.proposal import Proposal, propose
from fleet.migration.set_up import AzureIdentity, Binding, IdentityType, Kind, Owner, Scope, SetUp

SUBSCRIPTION = "22222222-2222-4222-8222-222222222222"


def resource_id(name: str, group: str = "ids", subscription: str = SUBSCRIPTION) -> str:
    """The ARM id of a managed identity, as people write it."""
    provider = "Microsoft.ManagedIdentity/userAssignedIdentities"
    return f"/subscriptions/{subscription}/resourcegroups/{group}/providers/{provider}/{name}"


def real(name: str, group: str = "ids", **more: Any) -> RealIdentity:
    """A managed identity as Azure knows it."""
    return RealIdentity(name, f"client-of-{name}", resource_group=group, location="westeurope", **more)


def identity(name: str, namespace: str = "shop", **more: Any) -> AzureIdentity:
    """An AzureIdentity of a managed identity of the same name."""
    return AzureIdentity(namespace, name, **({"type": 0, "resource_id": resource_id(name)} | more))


def binding(name: str, namespace: str = "shop", *, selector: str = "", names: str = "") -> Binding:
    """A binding that selects its own name, for the AzureIdentity of its own name."""
    return Binding(namespace, name, names or name, selector or name)


def owner(name: str = "web", kind: Kind = Kind.DEPLOYMENT, namespace: str = "shop", **more: Any) -> Owner:
    """What makes pods; selected by the label ``shop`` if nothing else is said."""
    return Owner(kind, namespace, name, **({"label": "shop", "uid": f"{kind}-{namespace}-{name}"} | more))


def known(*identities: RealIdentity, applications: tuple[RealIdentity, ...] = ()) -> Known:
    """Azure around a cluster, with these identities."""
    return Known(
        cluster=Cluster(name="prod", resource_group="clusters"),
        subscription="Production",
        subscription_id=SUBSCRIPTION,
        managed={resource_id(one.name, one.resource_group).lower(): one for one in identities},
        applications={one.client_id.lower(): one for one in applications},
    )


def set_up(*owners: Owner, **more: Any) -> SetUp:
    """A set-up where the label ``shop`` gives the managed identity shop."""
    usual = {"identities": (identity("shop"),), "bindings": (binding("shop"),), "scope": Scope.CLUSTER}
    return SetUp(**(usual | {"owners": owners} | more))


def proposal_of(one: SetUp, around: Known | None = None) -> Proposal:
    """What the first workload is proposed to have."""
    return propose(one, around or known(real("shop"))).proposals[0]


APPLICATION = RealIdentity("reports", "c2222222-0000-4000-8000-000000000001", IdentityType.SERVICE_PRINCIPAL)
