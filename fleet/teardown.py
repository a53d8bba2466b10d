"""What to take away, in which order, so that nothing foreign is touched. The inverse of :mod:`fleet.plan`, as pure."""

from __future__ import annotations

from collections.abc import Iterable

from .changes import Change, Hold, Plan, taking_away
from .grouping import Grouping
from .observed import Found, Observed
from .resources import FederatedIdentityCredential, Resource, Vault
from .selection import Selection, remainder
from .spec import Fleet
from .wanted import Wanted, wanted

_STAYS = frozenset({"feature", "cluster", "secret", "service-principal"})
"""Cannot be taken back (an OIDC issuer), or goes with its parent (a service principal with its application)."""
_ONLY_WITH_EVERYTHING = frozenset({"vault", "webhook"})
"""Holds others' data, or serves others' pods."""
_UNMARKED = frozenset({"service-principal", "federated-credential", "role-assignment", "access-policy"})
"""Carries no mark of its own, and stays with a foreign identity or vault that it hangs on."""
_WHOLE = Selection()


def plan_teardown(fleet: Fleet, observed: Observed, *, everything: bool = False, selection: Selection = _WHOLE) -> Plan:
    """The deletions that take away what this fleet made, or made for a ``selection`` of it alone, dependents first.

    What was there before the fleet, and was adopted, is released: it stays, without our marks.

    Vaults and webhooks stay unless ``everything``: the first hold data, the second serve the pods of others too. What
    is not ours stays in any case, and so does what could not be observed, and what the fleet still wants without the
    selection. Raises :class:`~fleet.selection.SelectionError` where that names what there is not.
    """
    items = list(wanted(fleet, observed))
    untouched = _foreign(items, observed)
    if selection:
        untouched.update(item.resource.key for item in wanted(remainder(fleet, selection), observed))
    grouping = Grouping(fleet)
    deletions: dict[str, Change] = {}
    holds: list[Hold] = []
    needed_by: dict[str, list[str]] = {}
    for item in reversed(items):
        key, kind = item.resource.key, item.resource.kind
        found = observed.find(item.resource)
        stays = kind in _STAYS or key in untouched or (kind in _ONLY_WITH_EVERYTHING and not everything)
        dependents = needed_by.get(key, [])
        if not stays and (reason := observed.why_unknown(item.resource)):
            holds.append(Hold(key=key, reason=reason, group=grouping.of(item.resource)))
        elif not stays and found is not None and _is_ours(fleet, found):
            deletions[key] = taking_away(
                found,
                reason="is ours",
                resource=_as_found(item.resource, found.resource),
                after=tuple(dict.fromkeys(dependents)),
                group=grouping.of(item.resource),
            )
            dependents = [key]
        for needed in item.needs:  # through what stays: an application waits for the roles of its principal
            needed_by.setdefault(needed, []).extend(dependents)
    return Plan(fleet=fleet.name, changes=tuple(deletions.values()), holds=tuple(holds))


def _foreign(items: Iterable[Wanted], observed: Observed) -> set[str]:
    """Keys of what somebody else made."""
    foreign: set[str] = set()
    for item in items:
        found = observed.find(item.resource)
        follows = item.resource.kind in _UNMARKED and not foreign.isdisjoint(item.needs)
        if follows or (found is not None and not found.ours):
            foreign.add(item.resource.key)
    return foreign


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
