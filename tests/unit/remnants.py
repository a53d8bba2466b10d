"""Worlds in which there is more than the fleet names: what it named once, and what others made beside it."""

from __future__ import annotations

from hypothesis import strategies as st

from fleet.observed import Found, Observed
from fleet.resources import (
    AccessPolicy,
    Application,
    ClusterSettings,
    FederatedIdentityCredential,
    ManagedIdentity,
    PreviewFeature,
    Resource,
    RoleAssignment,
    Secret,
    Vault,
    Webhook,
)
from fleet.spec import Fleet
from fleet.wanted import OPERATOR, wanted

from .aftermath import goes_with, is_it
from .worlds import TENANCY, as_wanted, empty, fleets, foreign, situations, some_adopted

_STAY = (PreviewFeature, ClusterSettings, Webhook, Vault, Secret)
"""Are no remnants of a fleet."""
GENERATIONS = ("old", "older")
BY_HAND = "made-by-hand"
"""Name of a federated credential that we did not make."""


@st.composite
def littered(draw: st.DrawFn) -> tuple[Fleet, Observed]:
    """A fleet and a world to reconcile it with, in which another state of the same fleet has left its traces."""
    fleet, observed = draw(situations())
    former = as_wanted(draw(fleets()), draw(st.sampled_from(GENERATIONS)))
    return fleet, with_remnants(draw, fleet, observed, former)


def with_remnants(draw: st.DrawFn, fleet: Fleet, observed: Observed, former: Observed) -> Observed:
    """The world with some of what there was in a former one; part of that is somebody else's by now."""
    named = {item.resource.key for item in wanted(fleet, empty())}
    unseen = {unknown.through for unknown in observed.unknown}
    found = list(observed.found)
    vanished = set(observed.vanished)
    for there in former.found:
        resource = there.resource
        if isinstance(resource, _STAY) or resource.key in named or resource.seen_through in unseen:
            continue
        if any(is_it(other.resource, resource) for other in found) or not _fits(fleet, resource, found):
            continue
        if isinstance(resource, Application | ManagedIdentity) and not draw(st.booleans()):
            vanished.add(
                there.outputs.get("principal_id") or f"principal_id-of-service-principal:{resource.identity}-old"
            )
        elif draw(st.sampled_from([True, True, False])):
            found.append(draw(st.sampled_from([there, there, *_of_others(there)])))
    found = draw(some_adopted(found))
    present = {one.outputs.get("principal_id") for one in found}
    return empty(
        found=tuple(found),
        unknown=observed.unknown,
        conflicts=observed.conflicts,
        vanished=tuple(sorted(vanished - present)),
    )


def _fits(fleet: Fleet, resource: Resource, found: list[Found]) -> bool:
    """Whether there can be such an object beside the others: what it hangs on is there, and its pair is not taken."""
    if isinstance(resource, FederatedIdentityCredential):
        beside = [
            one.resource
            for one in found
            if isinstance(one.resource, FederatedIdentityCredential) and one.resource.place == resource.place
        ]
        taken = any((one.issuer, one.subject) == (resource.issuer, resource.subject) for one in beside)
        return not taken and any(goes_with(resource, one.resource) for one in found)
    if isinstance(resource, RoleAssignment | AccessPolicy):
        return resource.vault in {one.resource.name for one in found if isinstance(one.resource, Vault)}
    if resource.kind == "service-principal":
        return any(goes_with(resource, one.resource) for one in found)
    cluster = getattr(resource, "cluster", None)
    return cluster is None or cluster in {one.name for one in fleet.clusters}


def _of_others(found: Found) -> list[Found]:
    """The object as somebody else's."""
    resource = found.resource
    if isinstance(resource, FederatedIdentityCredential):
        return [found.model_copy(update={"resource": resource.model_copy(update={"name": BY_HAND})})]
    if isinstance(resource, RoleAssignment):
        return [found.model_copy(update={"ours": False})]
    if isinstance(resource, AccessPolicy):
        return []
    return foreign(found)


def is_foreign(fleet: Fleet, observed: Observed, found: Found) -> bool:
    """Whether the object is not this fleet's, told by other means than the planner's."""
    resource = found.resource
    if not found.ours or getattr(resource, "owner", fleet.name) != fleet.name:
        return True
    if isinstance(resource, FederatedIdentityCredential):
        holder = [one for one in observed.found if goes_with(resource, one.resource)]
        return resource.name == BY_HAND or not holder or not holder[0].ours
    if isinstance(resource, AccessPolicy):
        return resource.identity == OPERATOR and resource.principal_id in (TENANCY.operator_id, "somebody")
    return False
