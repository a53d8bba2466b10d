"""The chain of one workload as the simulated cloud holds it, from its cluster to its vault."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from simulator.azure import roles
from simulator.azure.state import (
    Application,
    FederatedCredential,
    ManagedIdentity,
    RoleAssignment,
    Secret,
    ServicePrincipal,
    Vault,
)

if TYPE_CHECKING:
    from simulator.kubernetes.cluster import Cluster
    from simulator.simulation import Simulation

Json = dict[str, Any]

CLIENT_ID = "azure.workload.identity/client-id"


class NotBreakable(Exception):
    """There is nothing of that kind to break, or it is not clear what is meant."""


@dataclass
class Chain:
    """One ServiceAccount and what it leads to. What is missing raises :class:`NotBreakable` when it is asked for."""

    simulation: Simulation
    cluster: Cluster
    namespace: str
    account_name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.account_name} on {self.cluster.state.name}"

    @property
    def subject(self) -> str:
        """What its tokens say of themselves."""
        return f"system:serviceaccount:{self.namespace}:{self.account_name}"

    @property
    def account(self) -> Json:
        """A copy of the ServiceAccount."""
        return self.cluster.get("serviceaccounts", self.account_name, self.namespace) or self._none("no ServiceAccount")

    @property
    def client_id(self) -> str:
        """What the ServiceAccount is annotated with."""
        annotations = self.account["metadata"].get("annotations") or {}
        return str(annotations.get(CLIENT_ID) or self._none(f"no annotation {CLIENT_ID}"))

    @property
    def identity(self) -> Application | ManagedIdentity:
        """Whose client id that is."""
        azure = self.simulation.azure
        applications = (one for one in azure.applications.values() if one.body["appId"] == self.client_id)
        managed = (one for one in azure.identities.values() if one.body["properties"]["clientId"] == self.client_id)
        return next(applications, None) or next(managed, None) or self._none("no identity with its client id")

    @property
    def principal(self) -> ServicePrincipal:
        """The identity's service principal."""
        principals = self.simulation.azure.service_principals.values()
        found = next((one for one in principals if one.body["appId"] == self.client_id), None)
        return found or self._none("no service principal")

    @property
    def credential(self) -> FederatedCredential:
        """The identity's federated credential for this ServiceAccount, else for anything."""
        federated = self.identity.federated
        exact = (one for one in federated if one.trust.subject == self.subject)
        return next(exact, None) or next(iter(federated), None) or self._none("no federated credential")

    @property
    def deployment(self) -> Json:
        """A copy of the Deployment that runs as the ServiceAccount."""
        deployments = self.cluster.list("deployments.apps", self.namespace)
        own = (
            one for one in deployments if one["spec"]["template"]["spec"].get("serviceAccountName") == self.account_name
        )
        return next(own, None) or self._none("no Deployment")

    @property
    def vault(self) -> Vault:
        """The vault in which the identity may do something."""
        principal = self.principal.body["id"]
        vaults = self.simulation.azure.vaults.values()
        granted = (one for one in vaults if principal in one.grants or any(self._assignments(one)))
        return next(granted, None) or self._none("no vault that its identity may use")

    @property
    def assignments(self) -> list[RoleAssignment]:
        """The roles of the identity at the vault and above it."""
        return list(self._assignments(self.vault))

    @property
    def secret(self) -> Secret:
        """The secret that the Deployment names, else the vault's first."""
        secrets = [one for one in self.vault.secrets.values() if one.versions]
        named = [one for one in secrets if one.name in self._mentioned()]
        return next(iter(named or secrets), None) or self._none("no secret in its vault")

    def _assignments(self, vault: Vault) -> Iterator[RoleAssignment]:
        held = roles.of_principal(self.simulation.azure, self.principal.body["id"])
        return (one for one in held if roles.reaches(one.body["properties"]["scope"], vault.body["id"]))

    def _mentioned(self) -> set[str]:
        containers = self.deployment["spec"]["template"]["spec"]["containers"]
        return {str(variable.get("value")) for one in containers for variable in one.get("env") or ()}

    def _none(self, what: str) -> NoReturn:
        message = f"{self} has {what}: set it up first, for instance with workload-identity reconcile"
        raise NotBreakable(message)


def find(simulation: Simulation, subject: str) -> Chain:
    """The chain of NAMESPACE/SERVICE_ACCOUNT, with @CLUSTER where several have it; '' for the only one there is."""
    wanted, _, place = subject.partition("@")
    found = [
        chain
        for chain in _all(simulation)
        if (not wanted or wanted == f"{chain.namespace}/{chain.account_name}")
        and (not place or place == chain.cluster.state.name)
        and (wanted or CLIENT_ID in (chain.account["metadata"].get("annotations") or {}))
    ]
    if len(found) == 1:
        return found[0]
    if not found:
        message = f"there is no ServiceAccount {subject}" if subject else "no ServiceAccount has a client id"
        raise NotBreakable(f"{message}: set one up first, for instance with workload-identity reconcile")
    names = ", ".join(f"{one.namespace}/{one.account_name}@{one.cluster.state.name}" for one in found)
    raise NotBreakable(f"say which of them: {names}")


def _all(simulation: Simulation) -> Iterator[Chain]:
    for cluster in simulation.clusters.values():
        for account in cluster.list("serviceaccounts"):
            metadata = account["metadata"]
            yield Chain(simulation, cluster, metadata["namespace"], metadata["name"])
