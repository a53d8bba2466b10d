"""Managed clusters: the OIDC issuer, and AKS's managed webhook. Clusters are never made or deleted here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from azure.core import MatchConditions

from clients.errors import Conflict, translated
from clients.session import Clients
from clients.waiting import CLUSTER_SECONDS
from fleet.changes import Change
from fleet.observed import Found, Observation
from fleet.resources import ClusterSettings
from fleet.spec import Cluster, Fleet

from . import features

if TYPE_CHECKING:
    from azure.mgmt.containerservice.models import ManagedCluster


_OTHERS_WORK = frozenset({"Upgrading", "Scaling", "Starting", "Stopping", "Migrating", "Deleting"})
"""Provisioning states that no change of ours brings about, and that may last for hours."""


async def observe(clients: Clients, fleet: Fleet) -> Observation:
    """The AKS clusters of the fleet, by one list of the subscription."""
    wanted = [cluster for cluster in fleet.clusters if cluster.is_aks]
    if not wanted:
        return Observation()

    there = await clients.managed_clusters(anew=True)
    found, conflicts = [], {}
    for cluster in wanted:
        match = next((item for item in there if _is(item, cluster)), None)
        if match is None:
            others = ", ".join(f"{group_of(item)}/{item.name}" for item in there) or "none"
            conflicts[f"cluster:{cluster.name}"] = (
                f"there is no AKS cluster {cluster.resource_group}/{cluster.name}; the operator sees: {others}"
            )
        else:
            found.append(_found(cluster, match))
    return Observation(found=tuple(found), conflicts=conflicts)


async def ensure(clients: Clients, fleet: Fleet, change: Change) -> dict[str, str]:
    """Switch on what is missing and keep everything else of the cluster as it is; returns the issuer."""
    wanted = change.resource
    assert isinstance(wanted, ClusterSettings)
    operations = clients.arm.clusters.managed_clusters
    what = f"cluster {wanted.name}"

    async def update() -> ManagedCluster:
        from azure.mgmt.containerservice.models import (
            ManagedClusterOIDCIssuerProfile,
            ManagedClusterSecurityProfile,
            ManagedClusterSecurityProfileWorkloadIdentity,
        )

        with translated(what):
            cluster = await operations.get(wanted.resource_group, wanted.name)
            if not wanted.differences(_settings(wanted, cluster)) and _is_settled(cluster):
                return cluster
            _refuse_while_busy(what, cluster)
            if wanted.oidc_issuer and not _settings(wanted, cluster).oidc_issuer:
                cluster.oidc_issuer_profile = ManagedClusterOIDCIssuerProfile(enabled=True)
            if wanted.workload_identity and not _settings(wanted, cluster).workload_identity:
                profile = cluster.security_profile or ManagedClusterSecurityProfile()
                profile.workload_identity = ManagedClusterSecurityProfileWorkloadIdentity(enabled=True)
                cluster.security_profile = profile
            # The whole object goes back, as AKS wants it: the tag keeps us from undoing what came in between.
            unchanged: dict[str, Any] = {}
            if cluster.e_tag:
                unchanged = {"etag": cluster.e_tag, "match_condition": MatchConditions.IfNotModified}
            poller = await operations.begin_create_or_update(wanted.resource_group, wanted.name, cluster, **unchanged)
            return await poller.result()

    async def settled() -> ManagedCluster | None:
        with translated(what):
            cluster = await operations.get(wanted.resource_group, wanted.name)
            return cluster if _is_settled(cluster) and issuer_of(cluster) else None

    if fleet.cluster(wanted.name).preview_features and not any(key.startswith("feature:") for key in change.after):
        # Registered earlier, by hand or by a run that died before it refreshed the provider: not in effect without.
        await features.refresh_provider(clients)
    # Only one operation runs on a cluster at a time: a Conflict means that another one is not done yet.
    await clients.patience.request(update, also=(Conflict,), seconds=CLUSTER_SECONDS)
    cluster = await clients.patience.until(
        f"{what} to have its issuer", settled, seconds=CLUSTER_SECONDS, advice="az aks show tells its state"
    )
    return {"issuer": issuer_of(cluster)}


def _is(item: ManagedCluster, cluster: Cluster) -> bool:
    """ARM names compare without case."""
    names = (group_of(item).lower(), (item.name or "").lower())
    return names == ((cluster.resource_group or "").lower(), cluster.name.lower())


def group_of(item: ManagedCluster) -> str:
    """Its resource group, as ARM spells it."""
    parts = (item.id or "").split("/")
    return parts[4] if len(parts) > 4 else ""


def _found(cluster: Cluster, item: ManagedCluster) -> Found:
    resource = ClusterSettings(name=cluster.name, resource_group=cluster.resource_group or "")
    issuer = issuer_of(item)
    return Found(resource=_settings(resource, item), outputs={"issuer": issuer} if issuer else {})


def _settings(wanted: ClusterSettings, item: ManagedCluster) -> ClusterSettings:
    oidc, security = item.oidc_issuer_profile, item.security_profile
    identity = security.workload_identity if security else None
    return wanted.model_copy(
        update={
            "oidc_issuer": bool(oidc and oidc.enabled),
            "workload_identity": bool(identity and identity.enabled),
            "settled": item.provisioning_state != "Updating",
            "busy": item.provisioning_state if item.provisioning_state in _OTHERS_WORK else None,
        }
    )


def issuer_of(item: ManagedCluster) -> str:
    """To the byte as AKS tells it: the slash at its end is part of the issuer."""
    return (item.oidc_issuer_profile.issuer_url if item.oidc_issuer_profile else None) or ""


def _is_settled(cluster: ManagedCluster) -> bool:
    return cluster.provisioning_state in (None, "Succeeded")


def _refuse_while_busy(what: str, cluster: ManagedCluster) -> None:
    if cluster.provisioning_state in ("Creating", "Updating", "Upgrading", "Scaling", "Starting", "Migrating"):
        raise Conflict(what, f"is {cluster.provisioning_state}", code="OperationNotAllowed")
