"""The identities that the objects of the old set-up stand for, as Azure knows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fleet import naming
from fleet.entries import Cluster

from .matters import Matter
from .set_up import AzureIdentity, Hidden, IdentityType, Owner, SetUp, matches

_FLEET_PREFIX = "pod-identity-"
_LONGEST_FLEET = 40


@dataclass(frozen=True)
class RealIdentity:
    """What an AzureIdentity stands for, as Azure knows it."""

    name: str
    client_id: str
    kind: IdentityType = IdentityType.MANAGED_IDENTITY
    resource_group: str = ""
    location: str = ""
    credentials: int = 0
    """Federated credentials of others that it holds already."""
    fleet: str | None = None
    """Whose mark it carries."""


@dataclass(frozen=True)
class Known:
    """What surrounds the cluster in Azure."""

    cluster: Cluster
    subscription: str
    subscription_id: str
    managed: Mapping[str, RealIdentity]
    """Managed identities of the subscription, by their ARM id in lower case."""
    applications: Mapping[str, RealIdentity]
    """Applications of the tenant, by client id in lower case."""
    hidden: tuple[Hidden, ...] = ()

    @property
    def fleet(self) -> str:
        """The name of the fleet that the cluster's workloads become."""
        return (_FLEET_PREFIX + naming.slug(self.cluster.name))[:_LONGEST_FLEET].rstrip("-")


Found = tuple[tuple[RealIdentity, ...], tuple[Matter, ...]]


def choices_of(set_up: SetUp, known: Known, owner: Owner) -> Found:
    """The different identities that bindings give an owner, and what is wrong with those that cannot be had."""
    choices: dict[RealIdentity, None] = {}
    matters: list[Matter] = []
    for match in matches(set_up, owner):
        if match.identity is None:
            missing = f"{match.binding.namespace}/{match.binding.identity}"
            says, do = f"selects {owner}, and names AzureIdentity {missing}, which ", "Correct or remove the binding"
            if set_up.hides("AzureIdentity"):
                says, do = says + "cannot be seen", "Let the operator list AzureIdentities"
            else:
                says += "is not there"
            matters.append(Matter(str(match.binding), says, do))
            continue
        real, matter = _real(known, match.identity)
        if real is not None:
            choices[real] = None
        if matter is not None:
            matters.append(matter)
    return tuple(choices), tuple(matters)


def _real(known: Known, identity: AzureIdentity) -> tuple[RealIdentity | None, Matter | None]:
    about = str(identity)
    if identity.type in (IdentityType.SERVICE_PRINCIPAL, IdentityType.CERTIFICATE):
        return _application(known, identity)
    if identity.type != IdentityType.MANAGED_IDENTITY:
        return None, Matter(about, f"is of type {identity.type}, which is none", "Correct its spec.type: 0, 1 or 2")
    parts = identity.resource_id.split("/")
    if len(parts) < 9 or parts[7].lower() != "userassignedidentities":
        says = f"has the resource id '{identity.resource_id}', which is no managed identity's"
        return None, Matter(about, says, "Correct its spec.resourceID")
    if parts[2].lower() != known.subscription_id.lower():
        says = f"is managed identity {parts[8]} of subscription {parts[2]}, and a fleet is of one subscription"
        return None, Matter(about, says, "Write a fleet file of its own for that subscription, or move the identity")
    real = known.managed.get(identity.resource_id.lower())
    if real is None:
        if any(hidden.link == "managed identities" for hidden in known.hidden):
            return None, Matter(about, "cannot be compared with Azure", "Let the operator see managed identities")
        says = f"names managed identity {parts[8]} in {parts[4]}, which is not there"
        return None, Matter(about, says, "Remove the AzureIdentity, or make the identity anew with its roles")
    if identity.client_id and identity.client_id.lower() != real.client_id.lower():
        says = f"says client id {identity.client_id}, and {real.name} has {real.client_id}"
        return real, Matter(about, says, "The identity was made anew: its roles too? Azure's client id is taken")
    return real, None


def _application(known: Known, identity: AzureIdentity) -> tuple[RealIdentity | None, Matter]:
    secret = "client secret" if identity.type == IdentityType.SERVICE_PRINCIPAL else "certificate"
    real = known.applications.get(identity.client_id.lower())
    if real is None:
        says = f"signs in with a {secret} as application {identity.client_id}, which is not seen in this tenant"
        return None, Matter(str(identity), says, "Look for it with az ad app show --id, also in other tenants")
    says = f"signs in with a {secret} as application {real.name}: federated, it needs none"
    do = f"Agree to adopt the application by its lines in the fleet file; afterwards delete the {secret}"
    return real, Matter(str(identity), says, do)
