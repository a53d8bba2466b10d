"""What to take away, in which order, so that nothing foreign is touched. The inverse of :mod:`fleet.plan`, as pure."""

from __future__ import annotations

from .observed import Found, Observed
from .plan import Action, Change, Hold, Plan
from .resources import Difference, FederatedIdentityCredential, Resource, Vault
from .spec import Fleet
from .wanted import wanted

_STAYS = frozenset({"feature", "cluster", "secret", "service-principal"})
"""Cannot be taken back (an OIDC issuer), or goes with its parent (a service principal with its application)."""
_ONLY_WITH_EVERYTHING = frozenset({"vault", "webhook"})
"""Holds others' data, or serves others' pods."""


def plan_teardown(fleet: Fleet, observed: Observed, *, everything: bool = False) -> Plan:
    """The deletions that take away what this fleet made, dependents first.

    Vaults and webhooks stay unless ``everything``: the first hold data, the second serve the pods of others too. What
    is not ours stays in any case, and so does what could not be observed.
    """
    deletions: dict[str, Change] = {}
    holds: list[Hold] = []
    needed_by: dict[str, list[str]] = {}
    for item in reversed(list(wanted(fleet, observed))):
        kind = item.resource.kind
        if kind in _STAYS or (kind in _ONLY_WITH_EVERYTHING and not everything):
            continue
        if reason := observed.why_unknown(item.resource):
            holds.append(Hold(key=item.resource.key, reason=reason))
            continue
        found = observed.find(item.resource)
        if found is None or not _is_ours(fleet, found):
            continue
        resource = _as_found(item.resource, found.resource)
        for needed in item.needs:
            needed_by.setdefault(needed, []).append(resource.key)
        deletions[resource.key] = Change(
            action=Action.DELETE,
            resource=resource,
            differences=(Difference(field="exists", old=True, new=False),),
            reason="is ours",
            known=found.outputs,
            after=tuple(needed_by.get(resource.key, ())),
        )
    return Plan(fleet=fleet.name, changes=tuple(deletions.values()), holds=tuple(holds))


def _is_ours(fleet: Fleet, found: Found) -> bool:
    """A namespace that we only use carries no mark of ours, and stays."""
    resource = found.resource
    if isinstance(resource, Vault) and resource.soft_deleted:
        return False
    return found.ours and getattr(resource, "owner", fleet.name) == fleet.name


def _as_found(resource: Resource, found: Resource) -> Resource:
    """The object by the name that it really has."""
    if isinstance(found, FederatedIdentityCredential):
        return resource.model_copy(update={"name": found.name})
    return resource
