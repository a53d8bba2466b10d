"""What becomes of a world to which changes are applied."""

from __future__ import annotations

from collections.abc import Iterable

from fleet.observed import Found, Observed
from fleet.plan import Action, Change
from fleet.resources import (
    AccessPolicy,
    Application,
    Deployment,
    FederatedIdentityCredential,
    ManagedIdentity,
    Namespace,
    Resource,
    RoleAssignment,
    ServiceAccount,
    ServicePrincipal,
)
from fleet.spec import IdentityKind

from .worlds import empty, invented


def applied(observed: Observed, changes: Iterable[Change], generation: str = "new") -> Observed:
    """The world after the changes, in this order; new objects tell something new, old ones what they told."""
    outputs: dict[str, dict[str, str]] = {}
    for change in changes:
        if change.action is Action.DELETE:
            observed = taken_away(observed, change.resource)
            continue
        outputs[change.key] = {**invented(change.key, generation), **change.known}
        observed = observed.with_applied([change.resource], outputs)
    return observed


def taken_away(observed: Observed, resource: Resource) -> Observed:
    """The world without the object, and without what goes with it."""
    gone = [found for found in observed.found if is_it(found.resource, resource) or goes_with(found.resource, resource)]
    principals = (found.outputs.get("principal_id") for found in gone)
    return empty(
        found=tuple(found for found in observed.found if not any(found is one for one in gone)),
        unknown=observed.unknown,
        conflicts=observed.conflicts,
        vanished=(*observed.vanished, *(principal for principal in principals if principal)),
    )


def find(observed: Observed, resource: Resource) -> Found:
    """The object that a deletion is about."""
    (found,) = (found for found in observed.found if is_it(found.resource, resource))
    return found


def is_it(there: Resource, resource: Resource) -> bool:
    """Whether the one is what a deletion calls by the other."""
    if isinstance(there, RoleAssignment | AccessPolicy):  # which do not tell by themselves whose they are
        same = (there.place, there.principal_id, getattr(there, "role", ""))
        return same == (resource.place, getattr(resource, "principal_id", ""), getattr(resource, "role", ""))
    return there.key == resource.key


def goes_with(there: Resource, resource: Resource) -> bool:
    """Whether the cloud takes the one away with the other."""
    match there, resource:
        case FederatedIdentityCredential(), Application() | ManagedIdentity():
            kinds = {Application: IdentityKind.APPLICATION, ManagedIdentity: IdentityKind.MANAGED_IDENTITY}
            return (there.identity_kind, there.identity) == (kinds[type(resource)], resource.identity)
        case ServicePrincipal(), Application():
            return there.identity == resource.identity
        case ServiceAccount() | Deployment(), Namespace():
            return (there.cluster, there.namespace) == (resource.cluster, resource.name)
    return False
