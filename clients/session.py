"""Everything a run needs to talk to the outside, opened once and closed together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

import aiohttp
import jwt

from fleet import naming
from fleet.observed import Tenancy
from fleet.spec import Cluster

from . import known_clusters, kubernetes
from .credentials import SharedCredential
from .errors import CloudError, Denied, translated
from .pace import Pace
from .traffic import Traffic
from .transport import PacedTransport
from .waiting import Patience

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.identity.aio import ClientAssertionCredential
    from azure.keyvault.secrets.aio import SecretClient
    from azure.mgmt.authorization.aio import AuthorizationManagementClient
    from azure.mgmt.containerservice.aio import ContainerServiceClient
    from azure.mgmt.containerservice.models import ManagedCluster
    from azure.mgmt.keyvault.aio import KeyVaultManagementClient
    from azure.mgmt.msi.aio import ManagedServiceIdentityClient
    from azure.mgmt.resource.features.aio import FeatureClient
    from azure.mgmt.resource.resources.aio import ResourceManagementClient

    from .graph import Graph

Everywhere = Callable[[str], AbstractAsyncContextManager[object]]
"""By the name of a thing, what makes its holder the only one who writes to it, on whatever machine."""
ARM_SCOPE = "https://management.azure.com/.default"
_AKS_SCOPE = f"{kubernetes.AKS_SERVER_APPLICATION}/.default"
_POLL_SECONDS = 5

Client = TypeVar("Client")


@dataclass
class Arm:
    """The Azure Resource Manager clients of one subscription, each made when it is first used.

    Imports stand inside: together they take longer than the requests of a small plan.
    """

    credential: AsyncTokenCredential
    subscription_id: str
    transport: PacedTransport

    def _make(self, client: Callable[..., Client]) -> Client:
        # Retries are ours (waiting.py); the SDK's own would multiply with them.
        return client(
            self.credential,
            self.subscription_id,
            transport=self.transport,
            retry_total=0,
            polling_interval=_POLL_SECONDS,
        )

    @cached_property
    def clusters(self) -> ContainerServiceClient:
        from azure.mgmt.containerservice.aio import ContainerServiceClient

        return self._make(ContainerServiceClient)

    @cached_property
    def vaults(self) -> KeyVaultManagementClient:
        from azure.mgmt.keyvault.aio import KeyVaultManagementClient

        return self._make(KeyVaultManagementClient)

    @cached_property
    def identities(self) -> ManagedServiceIdentityClient:
        from azure.mgmt.msi.aio import ManagedServiceIdentityClient

        return self._make(ManagedServiceIdentityClient)

    @cached_property
    def authorization(self) -> AuthorizationManagementClient:
        from azure.mgmt.authorization.aio import AuthorizationManagementClient

        return self._make(AuthorizationManagementClient)

    @cached_property
    def features(self) -> FeatureClient:
        from azure.mgmt.resource.features.aio import FeatureClient

        return self._make(FeatureClient)

    @cached_property
    def resources(self) -> ResourceManagementClient:
        from azure.mgmt.resource.resources.aio import ResourceManagementClient

        return self._make(ResourceManagementClient)


class Clients:
    """The signed-in operator's clients. Use :func:`open_clients`.

    A plain class on purpose: Prefect walks through dataclasses and models that it is handed, and has no business here.
    """

    def __init__(
        self,
        credential: AsyncTokenCredential,
        session: aiohttp.ClientSession,
        patience: Patience,
        traffic: Traffic,
        everywhere: Everywhere = nullcontext,
    ) -> None:
        self.credential, self.patience, self.traffic, self._everywhere = credential, patience, traffic, everywhere
        self.pace = Pace()
        self.transport = PacedTransport(session, self.pace)
        self.closing = AsyncExitStack()
        self.tenancy: Tenancy | None = None
        self._vaults: dict[str, SecretClient] = {}
        self._listing: asyncio.Task[list[ManagedCluster]] | None = None
        self._clusters: dict[str, asyncio.Task[kubernetes.Kubernetes]] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    @cached_property
    def arm(self) -> Arm:
        """The fleet's subscription. The tenancy must be known."""
        assert self.tenancy is not None
        return Arm(self.credential, self.tenancy.subscription_id, self.transport)

    @property
    def tenant_id(self) -> str:
        """The subscription's tenant. The tenancy must be known."""
        assert self.tenancy is not None
        return self.tenancy.tenant_id

    @property
    def subscription_id(self) -> str:
        """The subscription. The tenancy must be known."""
        assert self.tenancy is not None
        return self.tenancy.subscription_id

    @property
    def operator_id(self) -> str:
        """Our own object id. The tenancy must be known."""
        assert self.tenancy is not None
        return self.tenancy.operator_id

    @cached_property
    def graph(self) -> Graph:
        """Microsoft Graph, v1.0."""
        from .graph import Graph

        return Graph(self.credential, self.transport, self.patience, self.pace)

    def secrets(self, vault: str) -> SecretClient:
        """The secrets of a vault, as the operator."""
        if vault not in self._vaults:
            self._vaults[vault] = self.secrets_as(self.credential, vault)
        return self._vaults[vault]

    def secrets_as(self, credential: AsyncTokenCredential, vault: str) -> SecretClient:
        """The secrets of a vault, as somebody else."""
        from .key_vault import secrets_of

        return secrets_of(vault, self.tenant_id, credential, self.transport)

    def workload(self, tenant_id: str, client_id: str, assertion: str) -> ClientAssertionCredential:
        """What WorkloadIdentityCredential is inside a pod, with the token in hand instead of in a file."""
        from azure.identity.aio import ClientAssertionCredential

        return ClientAssertionCredential(
            tenant_id, client_id, lambda: assertion, transport=self.transport, retry_total=0
        )

    async def cluster(self, cluster: Cluster) -> kubernetes.Kubernetes:
        """The cluster's API, signed in once however many ask at the same time."""
        if cluster.name not in self._clusters:
            task = asyncio.create_task(self._sign_in(cluster))
            self._clusters[cluster.name] = task
        try:
            return await asyncio.shield(self._clusters[cluster.name])
        except BaseException:
            self._clusters.pop(cluster.name, None)
            raise

    async def _sign_in(self, cluster: Cluster) -> kubernetes.Kubernetes:
        if cluster.context is not None:
            return self._keep(
                await kubernetes.from_context(cluster.name, cluster.context, self.patience, self.traffic, self.pace)
            )
        host = await self._host_of(cluster)
        if host and (kept := known_clusters.recall(host)) is not None:
            client = await self._by(cluster, kept)
            client.renew = lambda: self._afresh(cluster, host)
            return self._keep(client)
        return self._keep(await self._afresh(cluster, host))

    async def _afresh(self, cluster: Cluster, host: str | None) -> kubernetes.Kubernetes:
        """By a kubeconfig that ARM hands out."""
        group = cluster.resource_group or ""

        async def credentials() -> kubernetes.Json:
            with translated(f"cluster {cluster.name}, its kubeconfig"):
                answer = await self.arm.clusters.managed_clusters.list_cluster_user_credentials(group, cluster.name)
            value = next(iter(answer.kubeconfigs or ())).value or b""
            return kubernetes.read_kubeconfig(cluster.name, bytes(value).decode())

        config = await self.patience.request(credentials)
        if host and kubernetes.current(config).by_entra:
            known_clusters.remember(host, config)
        return await self._by(cluster, config)

    async def _by(self, cluster: Cluster, config: kubernetes.Json) -> kubernetes.Kubernetes:
        return await kubernetes.from_kubeconfig(
            cluster.name, config, self._aks_token, self.patience, self.traffic, self.pace
        )

    async def _host_of(self, cluster: Cluster) -> str | None:
        """The name under which the cluster is served; None where that cannot be told."""
        wanted = naming.cluster_id(self.subscription_id, cluster.resource_group or "", cluster.name).lower()
        try:
            there = await self.managed_clusters()
        except CloudError:
            return None
        found = next((item for item in there if (item.id or "").lower() == wanted), None)
        return (found.fqdn or found.private_fqdn) if found is not None else None

    async def managed_clusters(self, *, anew: bool = False) -> list[ManagedCluster]:
        """The subscription's AKS clusters, listed once however many ask at the same time, or ``anew``."""

        async def everything() -> list[ManagedCluster]:
            with translated("the subscription's AKS clusters"):
                return [item async for item in self.arm.clusters.managed_clusters.list()]

        if anew or self._listing is None:
            self._listing = asyncio.create_task(self.patience.request(everything))
        return await asyncio.shield(self._listing)

    def _keep(self, client: kubernetes.Kubernetes) -> kubernetes.Kubernetes:
        self.closing.push_async_callback(client.close)
        return client

    async def _aks_token(self) -> str:
        with translated("the operator's token for AKS"):
            return (await self.credential.get_token(_AKS_SCOPE)).token

    @asynccontextmanager
    async def writing(self, what: str) -> AsyncIterator[None]:
        """Be the only writer of a thing that takes one at a time: an identity's credentials, a vault's policies."""
        async with self._locks.setdefault(what, asyncio.Lock()), self._everywhere(what):
            yield


@asynccontextmanager
async def open_clients(
    patience: Patience | None = None, everywhere: Everywhere = nullcontext
) -> AsyncIterator[Clients]:
    """Sign in as DefaultAzureCredential finds the operator; closes everything at the end.

    Where other machines work on the same fleet, ``everywhere`` makes one of them all the only writer of a thing.
    Raises ``Denied`` where the environment describes no credential that could be one.
    """
    from azure.identity.aio import DefaultAzureCredential

    logging.getLogger("azure.identity").setLevel(logging.ERROR)  # what it warns of, it raises too, and we tell it
    traffic = Traffic()
    session = aiohttp.ClientSession(
        trust_env=True,
        auto_decompress=False,  # azure-core does it
        cookie_jar=aiohttp.DummyCookieJar(),
        trace_configs=[traffic.aiohttp_trace()],
        connector=aiohttp.TCPConnector(limit=100),
    )
    async with session:
        transport = PacedTransport(session, Pace())
        try:
            default = DefaultAzureCredential(transport=transport, retry_total=2)
        except ValueError as error:
            message = f"a variable of the environment cannot be right: {error}"
            advice = "Correct or unset AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET"
            raise Denied("the operator's sign-in", message, code="NoCredential", advice=advice) from error
        async with default as credential:
            clients = Clients(SharedCredential(credential), session, patience or Patience(), traffic, everywhere)
            async with clients.closing:
                yield clients


async def find_tenancy(clients: Clients, subscription: str | None) -> Tenancy:
    """The subscription by name or id, its tenant, and who we are there. None is the only one that the operator sees.

    Raises ``Denied`` where no credential works, and where the operator sees no such subscription.
    """
    from azure.mgmt.resource.subscriptions.aio import SubscriptionClient

    async def visible() -> list[tuple[str, str, str]]:
        client = SubscriptionClient(clients.credential, transport=clients.transport, retry_total=0)
        with translated("the operator's subscriptions"):
            return [
                (item.subscription_id or "", item.display_name or "", getattr(item, "tenant_id", None) or "")
                async for item in client.subscriptions.list()
            ]

    claims = await _operator(clients)
    seen = await clients.patience.request(visible)
    for subscription_id, name, tenant_id in seen:
        alone = subscription is None and len(seen) == 1
        if alone or (subscription or "").lower() in (subscription_id.lower(), name.lower()):
            return Tenancy(
                tenant_id=tenant_id or claims["tid"],
                subscription_id=subscription_id,
                subscription_name=name,
                operator_id=claims["oid"],
            )
    others = ", ".join(f"{name} ({subscription_id})" for subscription_id, name, _ in seen) or "none"
    who = f"the operator {claims.get('appid', claims['oid'])}"
    if subscription is None:
        message = f"{who} sees {'more than one' if seen else 'none'}: {others}"
        raise Denied("subscription", message, code="SubscriptionNotFound", advice="Name one with --subscription")
    message = f"{who} sees no such subscription; it sees: {others}"
    advice = "Correct subscription in the fleet file, or give the operator Reader on it"
    raise Denied(f"subscription {subscription}", message, code="SubscriptionNotFound", advice=advice)


async def _operator(clients: Clients) -> dict[str, str]:
    """The claims of our own token. Only read, not verified: they are about us."""

    async def token() -> str:
        with translated("the operator's sign-in"):
            return (await clients.credential.get_token(ARM_SCOPE)).token

    claims: dict[str, str] = jwt.decode(await clients.patience.request(token), options={"verify_signature": False})
    return claims
