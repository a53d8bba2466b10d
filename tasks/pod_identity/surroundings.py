"""What surrounds a cluster in Azure: which one is meant, and the identities that its AzureIdentities stand for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from clients import kubernetes as kubeconfigs
from clients.errors import CloudError, Denied, Invalid, Missing
from clients.kubernetes import Kubernetes
from clients.session import Clients
from fleet import naming, ownership
from fleet.migration.identities import Known, RealIdentity
from fleet.migration.set_up import Hidden, IdentityType, SetUp
from fleet.spec import Cluster, WebhookDelivery
from fleet.webhook_contract import ADDON_NAMESPACE
from tasks import managed_identities
from tasks.clusters import group_of
from tasks.webhook import configured_namespace, registered

if TYPE_CHECKING:
    from azure.mgmt.containerservice.models import ManagedCluster
    from azure.mgmt.msi.models import Identity


async def find_cluster(clients: Clients, name: str) -> Cluster:
    """The AKS cluster of this name (or ``RESOURCE_GROUP/NAME``) in the subscription, else the kubeconfig's context.

    Raises ``Missing`` where there is neither, with what there is, and ``Invalid`` where several have the name.
    """
    contexts = kubeconfigs.contexts()
    try:
        there = await clients.managed_clusters()
    except Denied:
        if name not in contexts:
            raise
        there = []
    group, _, short = name.rpartition("/")
    found = [
        item
        for item in there
        if (item.name or "").lower() == short.lower() and group.lower() in ("", group_of(item).lower())
    ]
    if len(found) > 1:
        which = ", ".join(f"{group_of(item)}/{item.name}" for item in found)
        raise Invalid(
            f"cluster {name}", f"there are several of this name: {which}", code="Cluster", advice="Name one of them so"
        )
    if found:
        return Cluster(name=found[0].name or "", resource_group=group_of(found[0]), webhook=_delivery(found[0]))
    if name in contexts:
        return await _of_context(clients, name, there)
    seen = ", ".join(sorted(f"{group_of(item)}/{item.name}" for item in there)) or "none"
    message = f"no AKS cluster of the subscription {clients.subscription_id} and no kubeconfig context has this name"
    advice = f"AKS clusters there: {seen}. Contexts: {', '.join(contexts) or 'none'}"
    raise Missing(f"cluster {name}", message, code="Cluster", advice=advice)


async def _of_context(clients: Clients, context: str, there: list[ManagedCluster]) -> Cluster:
    """An AKS cluster is known by the name under which it is served; any other tells its issuer itself."""
    kubernetes = await kubeconfigs.from_context(context, context, clients.patience, clients.traffic, clients.pace)
    try:
        aks = next((item for item in there if kubernetes.host in (item.fqdn, item.private_fqdn)), None)
        if aks is not None:
            delivery = _delivery(aks)
            return Cluster(name=aks.name or "", resource_group=group_of(aks), context=context, webhook=delivery)
        issuer = (await kubernetes.get("/.well-known/openid-configuration")).get("issuer")
    finally:
        await kubernetes.close()
    if not isinstance(issuer, str) or not issuer.startswith("https://"):
        message = f"its issuer is {issuer}, which Entra cannot reach"
        advice = "Give the API server an https:// issuer (--service-account-issuer) and publish its documents there"
        raise Invalid(f"cluster {context}", message, code="Issuer", advice=advice)
    return Cluster(name=naming.slug(context) or "cluster", context=context, issuer=issuer)


def _delivery(item: ManagedCluster) -> WebhookDelivery:
    """AKS's own where it is on."""
    profile = item.security_profile.workload_identity if item.security_profile else None
    return WebhookDelivery.ADDON if profile is not None and profile.enabled else WebhookDelivery.CHART


async def webhook_of(kubernetes: Kubernetes, cluster: Cluster) -> Cluster:
    """The cluster with the webhook as it has it."""
    try:
        namespace = configured_namespace(await registered(kubernetes))
    except Denied:
        return cluster
    delivery = WebhookDelivery.ADDON if namespace == ADDON_NAMESPACE and cluster.is_aks else WebhookDelivery.CHART
    return cluster.model_copy(update={"webhook": delivery}) if namespace else cluster


async def look_around(clients: Clients, cluster: Cluster, set_up: SetUp) -> Known:
    """The identities that the objects name, as Azure knows them, with how many federated credentials they hold."""
    assert clients.tenancy is not None
    (managed, hidden_managed), (applications, hidden_applications) = await asyncio.gather(
        _managed(
            clients, {one.resource_id.lower() for one in set_up.identities if one.type == IdentityType.MANAGED_IDENTITY}
        ),
        _applications(
            clients, {one.client_id.lower() for one in set_up.identities if one.type != IdentityType.MANAGED_IDENTITY}
        ),
    )
    return Known(
        cluster=cluster,
        subscription=clients.tenancy.subscription_name or clients.tenancy.subscription_id,
        subscription_id=clients.tenancy.subscription_id,
        managed=managed,
        applications=applications,
        hidden=(*hidden_managed, *hidden_applications),
    )


async def _managed(clients: Clients, wanted: set[str]) -> tuple[dict[str, RealIdentity], list[Hidden]]:
    try:
        items = [item for item in await managed_identities.listed(clients) if (item.id or "").lower() in wanted]
        held = await asyncio.gather(*(_held(clients, item) for item in items))
    except Denied as error:
        needs = "Needs Microsoft.ManagedIdentity/userAssignedIdentities/read (Reader)"
        return {}, [Hidden("managed identities", f"{error.message}. {needs}")]
    return {(item.id or "").lower(): _real(item, count) for item, count in zip(items, held, strict=True)}, []


async def _held(clients: Clients, item: Identity) -> int:
    """Federated credentials that are not of our making: ours are counted where they are planned."""
    found = await managed_identities.credentials_of(clients, (item.id or "").split("/")[4], item.name or "")
    return sum(
        not naming.is_federated_credential_name(one.name or "", one.issuer or "", one.subject or "") for one in found
    )


def _real(item: Identity, held: int) -> RealIdentity:
    return RealIdentity(
        name=item.name or "",
        client_id=str(item.client_id or ""),
        resource_group=(item.id or "").split("/")[4],
        location=item.location,
        credentials=held,
        fleet=ownership.owner_by_tags(item.tags),
    )


async def _applications(clients: Clients, wanted: set[str]) -> tuple[dict[str, RealIdentity], list[Hidden]]:
    """By client id. Nothing is asked of Graph where no identity is an application."""
    found: dict[str, RealIdentity] = {}
    hidden: list[Hidden] = []
    for client_id in sorted(one for one in wanted if naming.GUID.fullmatch(one)):
        try:
            answer = await clients.graph.get(f"application {client_id}", f"/applications(appId='{client_id}')")
        except Missing:
            continue
        except CloudError as error:
            hidden.append(Hidden("applications", f"{error.message}. Needs Application.Read.All of Microsoft Graph"))
            break
        kind = IdentityType.SERVICE_PRINCIPAL
        fleet = ownership.owner_by_graph_tags(answer.get("tags"))
        found[client_id] = RealIdentity(str(answer.get("displayName") or ""), client_id, kind, fleet=fleet)
    return found, hidden
