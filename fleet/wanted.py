"""From the spec to the objects that should exist, in the order in which they depend on each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from . import naming
from .observed import Observed
from .resources import (
    AccessPolicy,
    Application,
    ClusterSettings,
    Deployment,
    FederatedIdentityCredential,
    ManagedIdentity,
    Namespace,
    PreviewFeature,
    Reference,
    Resource,
    RoleAssignment,
    Rollout,
    Secret,
    ServiceAccount,
    ServicePrincipal,
    Value,
    Vault,
    Webhook,
)
from .spec import Cluster, Fleet, Grant, Identity, IdentityKind, VaultAuthorization, WebhookDelivery, Workload
from .spec import Vault as VaultSpec

CHART_VERSION = "1.6.0"
"""Of the chart workload-identity-webhook that we install."""

SECRETS_USER = "Key Vault Secrets User"
OPERATOR = naming.OPERATOR
_OPERATOR_PERMISSIONS = ("delete", "get", "list", "recover", "set")


@dataclass(frozen=True)
class Wanted:
    """An object that should exist, the keys of those that must exist before it, and whether it may be taken over."""

    resource: Resource
    needs: tuple[str, ...] = ()
    adopt: bool = False
    recover: bool = False
    """Whether a soft-deleted object of this name is to be recovered."""


def wanted(fleet: Fleet, observed: Observed) -> Iterator[Wanted]:
    """Every object that the fleet's chains consist of; an object comes after those it needs."""
    outlook = _Outlook(fleet, observed)
    for name in dict.fromkeys(feature for cluster in fleet.clusters for feature in cluster.preview_features):
        yield Wanted(PreviewFeature(name=name))
    for cluster in fleet.clusters:
        yield from outlook.cluster(cluster)
    for vault in fleet.vaults:
        yield from outlook.vault(vault)
    for identity in fleet.identities:
        yield from outlook.identity(identity)
    seen: set[str] = set()
    for workload in fleet.workloads:
        for cluster_name in workload.clusters:
            for item in outlook.workload(workload, fleet.cluster(cluster_name)):
                if item.resource.key not in seen:  # workloads share namespaces
                    seen.add(item.resource.key)
                    yield item


def identity_key(identity: Identity) -> str:
    """Key of the object whose outputs are the identity's client id."""
    kind = "application" if identity.kind is IdentityKind.APPLICATION else "managed-identity"
    return f"{kind}:{identity.name}"


def principal_key(identity: Identity) -> str:
    """Key of the object whose output is the identity's principal id."""
    kind = "service-principal" if identity.kind is IdentityKind.APPLICATION else "managed-identity"
    return f"{kind}:{identity.name}"


@dataclass(frozen=True)
class _Outlook:
    fleet: Fleet
    observed: Observed

    @cached_property
    def rollouts(self) -> Mapping[tuple[str, str, str], list[Rollout]]:
        """Whose pods were seen to run, by cluster, namespace and ServiceAccount."""
        rollouts: Mapping[tuple[str, str, str], list[Rollout]] = defaultdict(list)
        for found in self.observed.found:
            if isinstance(there := found.resource, Rollout):
                rollouts[there.cluster, there.namespace, there.service_account].append(there)
        return rollouts

    def known(self, key: str, output: str) -> Value:
        """The output, or a reference to it while the object that tells it does not exist."""
        return self.observed.output(key, output) or Reference(key=key, output=output)

    def issuer(self, cluster: Cluster) -> Value:
        return cluster.issuer or self.known(f"cluster:{cluster.name}", "issuer")

    def cluster(self, cluster: Cluster) -> Iterator[Wanted]:
        addon = cluster.webhook is WebhookDelivery.ADDON
        webhook = Webhook(
            cluster=cluster.name,
            delivery=cluster.webhook,
            version=None if addon else CHART_VERSION,
            tenant_id=self.observed.tenancy.tenant_id,
        )
        webhook_needs: tuple[str, ...] = ()
        if cluster.resource_group is not None:
            settings = ClusterSettings(
                name=cluster.name,
                resource_group=cluster.resource_group,
                workload_identity=(addon and self.has_no_chart(webhook)) or None,
            )
            yield Wanted(settings, tuple(f"feature:{name}" for name in cluster.preview_features))
            webhook_needs = (settings.key,)
        yield Wanted(webhook, webhook_needs)

    def has_no_chart(self, webhook: Webhook) -> bool:
        """Whether AKS may switch on its webhook: beside the chart's, each would break the other."""
        there = self.observed.find(webhook)
        delivery = there.resource.delivery if there is not None and isinstance(there.resource, Webhook) else None
        return delivery is not WebhookDelivery.CHART and self.observed.why_unknown(webhook) is None

    def vault(self, vault: VaultSpec) -> Iterator[Wanted]:
        recover = vault.soft_deleted == "recover"
        resource = Vault(
            name=vault.name,
            resource_group=vault.resource_group,
            location=vault.location,
            authorization=vault.authorization,
            owner=self.fleet.name,
        )
        yield Wanted(resource, adopt=vault.adopt or self.fleet.adopt, recover=recover)
        needs: tuple[str, ...] = (resource.key,)
        if vault.secrets and vault.authorization is VaultAuthorization.ACCESS_POLICY:
            policy = AccessPolicy(
                identity=OPERATOR,
                vault=vault.name,
                resource_group=vault.resource_group,
                principal_id=self.observed.tenancy.operator_id,
                secrets=_OPERATOR_PERMISSIONS,
            )
            yield Wanted(policy, needs)
            needs = (resource.key, policy.key)
        for secret in vault.secrets:
            yield Wanted(Secret(vault=vault.name, name=secret.name, source=secret.value_from), needs, recover=recover)

    def identity(self, identity: Identity) -> Iterator[Wanted]:
        adopt = identity.adopt or self.fleet.adopt
        if identity.kind is IdentityKind.APPLICATION:
            application = Application(
                identity=identity.name,
                display_name=identity.name,
                unique_name=naming.unique_name(self.fleet.name, identity.name),
                owner=self.fleet.name,
            )
            yield Wanted(application, adopt=adopt)
            principal = ServicePrincipal(
                identity=identity.name, client_id=self.known(application.key, "client_id"), owner=self.fleet.name
            )
            yield Wanted(principal, (application.key,), adopt=adopt)
        else:
            assert identity.resource_group is not None
            assert identity.location is not None
            managed = ManagedIdentity(
                identity=identity.name,
                resource_group=identity.resource_group,
                location=identity.location,
                owner=self.fleet.name,
            )
            yield Wanted(managed, adopt=adopt)
        for grant in identity.access:
            yield from self.grant(identity, grant)

    def grant(self, identity: Identity, grant: Grant) -> Iterator[Wanted]:
        vault = self.fleet.vault(grant.vault)
        needs = (principal_key(identity), f"vault:{vault.name}")
        principal_id = self.known(principal_key(identity), "principal_id")
        by_role = vault.authorization is VaultAuthorization.RBAC
        roles = (*grant.roles, SECRETS_USER) if by_role and grant.secrets else grant.roles
        for role in dict.fromkeys(roles):
            scope = naming.vault_id(self.observed.tenancy.subscription_id, vault.resource_group, vault.name)
            yield Wanted(
                RoleAssignment(
                    identity=identity.name, vault=vault.name, role=role, scope=scope, principal_id=principal_id
                ),
                needs,
            )
        if grant.secrets and not by_role:
            policy = AccessPolicy(
                identity=identity.name,
                vault=vault.name,
                resource_group=vault.resource_group,
                principal_id=principal_id,
                secrets=tuple(sorted(set(grant.secrets))),
            )
            yield Wanted(policy, needs)

    def workload(self, workload: Workload, cluster: Cluster) -> Iterator[Wanted]:
        identity = self.fleet.identity(workload.identity)
        adopt = workload.adopt or self.fleet.adopt
        is_application = identity.kind is IdentityKind.APPLICATION
        credential = FederatedIdentityCredential(
            identity=identity.name,
            identity_kind=identity.kind,
            object_id=self.known(identity_key(identity), "object_id") if is_application else None,
            resource_group=identity.resource_group,
            cluster=cluster.name,
            namespace=workload.namespace,
            service_account=workload.service_account,
            issuer=self.issuer(cluster),
            subject=naming.subject(workload.namespace, workload.service_account),
        )
        cluster_key = (f"cluster:{cluster.name}",) if cluster.is_aks else ()
        yield Wanted(credential, (*cluster_key, identity_key(identity)))
        # Registering features and enabling the issuer restart the API server: objects in the cluster come after.
        namespace = Namespace(cluster=cluster.name, name=workload.namespace, owner=self.fleet.name)
        yield Wanted(namespace, cluster_key)
        account = ServiceAccount(
            cluster=cluster.name,
            namespace=workload.namespace,
            name=workload.service_account,
            client_id=self.known(identity_key(identity), "client_id"),
            tenant_id=self.observed.tenancy.tenant_id,
            token_expiration=str(workload.token_expiration) if workload.token_expiration else None,
            owner=self.fleet.name,
        )
        yield Wanted(account, (namespace.key, identity_key(identity)), adopt=adopt)
        needs = (account.key, credential.key, f"webhook:{cluster.name}", *self.granted(identity))
        if workload.deployment is not None:
            deployment = Deployment(
                cluster=cluster.name,
                namespace=workload.namespace,
                name=workload.deployment.name,
                service_account=workload.service_account,
                containers=workload.deployment.containers,
                replicas=workload.deployment.replicas,
                skip_containers=";".join(workload.deployment.skip_containers) or None,
                owner=self.fleet.name,
            )
            yield Wanted(deployment, needs, adopt=adopt)
        for there in self.rollouts.get((cluster.name, workload.namespace, workload.service_account), ()):
            as_new = there.model_copy(
                update={"client_id": account.client_id, "tenant_id": account.tenant_id, "pods": ()}
            )
            own = f"deployment:{cluster.name}/{workload.namespace}/{there.name}"
            yield Wanted(as_new, (*needs, own) if there.owner_kind == "Deployment" else needs)

    def granted(self, identity: Identity) -> Iterator[str]:
        """Keys of what the identity's pods will use: started earlier, they would only fail and try again."""
        for grant in identity.access:
            for item in self.grant(identity, grant):
                yield item.resource.key
            yield from (f"secret:{grant.vault}/{secret.name}" for secret in self.fleet.vault(grant.vault).secrets)
