"""The chain that somebody means who has no fleet file: found by what they know of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from clients.errors import Invalid, Missing
from clients.kubernetes import path_of
from clients.session import Clients
from fleet import naming
from fleet.diagnosis import codes
from fleet.diagnosis.evidence import IdentityEvidence, Question
from fleet.running import account_of
from fleet.spec import Cluster
from tasks import applications
from tasks.clusters import group_of, issuer_of

from . import directory

_MANY = 20
"""Things to name where what was asked for is not among them."""
_ANY_CONTEXT = "https://unknown.invalid/"
"""Stands for the issuer of a cluster that is known by its context alone; its tokens tell."""


class NothingToDiagnoseError(Exception):
    """What was asked about is not there, or is not clear. The message says what to do."""


@dataclass(frozen=True)
class Ask:
    """What somebody knows of a chain that no fleet file describes. '' is unknown."""

    cluster: str = ""
    """Name of an AKS cluster, or of a context of the kubeconfig."""
    service_account: str = ""
    """NAMESPACE/NAME."""
    pod: str = ""
    """NAMESPACE/NAME."""
    client_id: str = ""
    vault: str = ""
    secret: str = ""
    subscription: str = ""
    """By name or id; without it, the only one that the operator sees."""


Asked = tuple[dict[str, Cluster], list[Question]]
"""The clusters by name, and the questions."""


async def questions(clients: Clients, ask: Ask) -> Asked:
    """What ``ask`` means. The tenancy must be known.

    Raises :class:`NothingToDiagnoseError` where it does not say enough, or what it names is not there.
    """
    if ask.cluster:
        cluster = await _cluster(clients, ask.cluster)
        return {cluster.name: cluster}, [await _question(clients, cluster, ask)]
    if not ask.client_id:
        message = "name a cluster with --cluster, and a --service-account or --pod there; or an identity by --client-id"
        raise NothingToDiagnoseError(message)
    return await _of_identity(clients, ask)


async def _cluster(clients: Clients, name: str) -> Cluster:
    """The AKS cluster of this name, else the one behind the kubeconfig's context of this name."""
    there = [one for one, _ in await aks_clusters(clients)]
    found = [one for one in there if one.name.lower() == name.lower()]
    if len(found) > 1:
        groups = ", ".join(str(one.resource_group) for one in found)
        message = f"several AKS clusters are named {name}, in {groups}: name a context of the kubeconfig instead"
        raise NothingToDiagnoseError(message)
    if found:
        return found[0]
    cluster = Cluster(name=name, context=name, issuer=_ANY_CONTEXT)
    try:
        await clients.cluster(cluster)
    except Invalid:
        listed = ", ".join(one.name for one in there[:_MANY]) or "none"
        message = f"there is no AKS cluster {name} in the subscription, and no such context; its clusters: {listed}"
        raise NothingToDiagnoseError(message) from None
    return cluster


async def aks_clusters(clients: Clients) -> list[tuple[Cluster, str]]:
    """The subscription's AKS clusters, each with its issuer, '' for none."""
    found = []
    for item in await clients.managed_clusters():
        cluster = Cluster(name=item.name or "", resource_group=group_of(item))
        found.append((cluster, issuer_of(item)))
    return found


async def _question(clients: Clients, cluster: Cluster, ask: Ask) -> Question:
    if ask.pod:
        namespace, name = _address("--pod", ask.pod)
        kubernetes = await clients.cluster(cluster)
        try:
            account = account_of(await kubernetes.get(path_of("Pod", namespace, name)))
        except Missing:
            there = [one["metadata"]["name"] for one in await kubernetes.list(path_of("Pod", namespace))]
            message = (
                f"there is no pod {namespace}/{name} on {cluster.name}; there is {', '.join(there[:_MANY]) or 'none'}"
            )
            raise NothingToDiagnoseError(message) from None
    elif ask.service_account:
        (namespace, account), name = _address("--service-account", ask.service_account), ""
    else:
        message = f"say what of {cluster.name} is in doubt: --service-account NAMESPACE/NAME, or --pod NAMESPACE/NAME"
        raise NothingToDiagnoseError(message)
    return Question(
        cluster=cluster.name,
        namespace=namespace,
        service_account=account,
        tenant_id=clients.tenant_id,
        pod=name,
        client_id=ask.client_id,
        vault=ask.vault,
        secret=ask.secret,
    )


async def _of_identity(clients: Clients, ask: Ask) -> Asked:
    """Of every ServiceAccount that an identity trusts, on the subscription's clusters."""
    identity = await directory.by_client_id(clients, ask.client_id)
    if identity is None:
        binned = any(one.get("appId") == ask.client_id for one in await applications.deleted(clients))
        message = (
            f"the application {ask.client_id} is deleted: restore it within 30 days"
            if binned
            else f"no application and no managed identity has the client id {ask.client_id}: "
            f"{codes.MEANINGS['AADSTS700016'].look_at}"
        )
        raise NothingToDiagnoseError(message)
    by_issuer = {issuer: one for one, issuer in await aks_clusters(clients) if issuer}
    clusters: dict[str, Cluster] = {}
    asked = []
    for namespace, account, issuer in _trusted(identity):
        if (found := by_issuer.get(issuer)) is not None:
            clusters[found.name] = found
            one = replace(ask, cluster=found.name, service_account=f"{namespace}/{account}")
            asked.append(await _question(clients, found, one))
    if not asked:
        told = "; ".join(f"{one.subject} by {one.issuer}" for one in identity.credentials) or "nobody at all"
        message = (
            f"identity {identity.name} trusts no ServiceAccount of this subscription's clusters. It trusts {told}. "
            "Name the chain that should work: --cluster and --service-account"
        )
        raise NothingToDiagnoseError(message)
    return clusters, asked


def _trusted(identity: IdentityEvidence) -> list[tuple[str, str, str]]:
    of = ((naming.service_account_of(one.subject), one.issuer) for one in identity.credentials)
    return [(*account, issuer) for account, issuer in of if account is not None]


def _address(option: str, text: str) -> tuple[str, str]:
    namespace, slash, name = text.partition("/")
    if not slash or not naming.DNS_LABEL.fullmatch(namespace) or not naming.DNS_SUBDOMAIN.fullmatch(name):
        message = f"{option} {text}: give it as NAMESPACE/NAME"
        raise NothingToDiagnoseError(message)
    return namespace, name
