"""To whom an object of the chain belongs when a plan is read: to one workload, or to what several share."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from .resources import (
    AccessPolicy,
    Application,
    ClusterSettings,
    Deployment,
    FederatedIdentityCredential,
    ManagedIdentity,
    Namespace,
    PreviewFeature,
    Resource,
    RoleAssignment,
    Rollout,
    Secret,
    ServiceAccount,
    ServicePrincipal,
    Vault,
    Webhook,
)
from .spec import Fleet
from .wanted import OPERATOR

KINDS = ("subscription", "cluster", "vault", "identity", "namespace", "workload")
"""The kinds of groups; a group depends on none of a later kind."""


class Grouping:
    """The groups of one fleet. A group is named like an object, ``workload:shop/checkout``, by one of :data:`KINDS`.

    An identity or a namespace that only one workload uses is read with that workload.
    """

    def __init__(self, fleet: Fleet) -> None:
        identities: dict[str, set[str]] = defaultdict(set)
        namespaces: dict[str, set[str]] = defaultdict(set)
        for workload in fleet.workloads:
            identities[workload.identity].add(str(workload))
            namespaces[workload.namespace].add(str(workload))
        self._subscription = f"subscription:{fleet.subscription}"
        self._identities = _sole(identities)
        self._namespaces = _sole(namespaces)

    def of(self, resource: Resource) -> str:
        """The group of an object, also where the fleet no longer names it."""
        match resource:
            case PreviewFeature():
                return self._subscription
            case ClusterSettings():
                return f"cluster:{resource.name}"
            case Webhook():
                return f"cluster:{resource.cluster}"
            case Vault():
                return f"vault:{resource.name}"
            case Secret():
                return f"vault:{resource.vault}"
            case AccessPolicy() if resource.identity == OPERATOR:
                return f"vault:{resource.vault}"
            case Application() | ServicePrincipal() | ManagedIdentity() | RoleAssignment() | AccessPolicy():
                return _group(self._identities, "identity", resource.identity)
            case Namespace():
                return _group(self._namespaces, "namespace", resource.name)
            case ServiceAccount():
                return f"workload:{resource.namespace}/{resource.name}"
            case FederatedIdentityCredential() if not resource.service_account:  # of no ServiceAccount at all
                return _group(self._identities, "identity", resource.identity)
            case FederatedIdentityCredential() | Deployment() | Rollout():
                return f"workload:{resource.namespace}/{resource.service_account}"
        raise AssertionError(resource.kind)


def _sole(users: Mapping[str, set[str]]) -> dict[str, str]:
    """The only user of each of those that have but one."""
    return {name: next(iter(who)) for name, who in users.items() if len(who) == 1}


def _group(sole: Mapping[str, str], kind: str, name: str) -> str:
    return f"workload:{sole[name]}" if name in sole else f"{kind}:{name}"
