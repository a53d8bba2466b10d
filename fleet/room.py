"""Room for new federated credentials, and for new role assignments, where there are as many as there may be already.

A new credential is made before the old one goes, where there is room for both. Where there is none, an old one of the
same workload has to go first; else one that is to be pruned anyway; else the new one is held.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping

from . import naming
from .changes import Action, Change
from .observed import Observed
from .resources import FederatedIdentityCredential, Resource, RoleAssignment
from .trust import Status, Trust

_LIMIT = naming.MAX_FEDERATED_CREDENTIALS


NEARLY = 0.9
"""The share of the limit from which on an identity's owner should hear of it."""


def nearly_full(observed: Observed, changes: Iterable[Change]) -> dict[str, int]:
    """The identities that hold, after these changes, so many federated credentials that little more fits: how many."""
    held: Counter[str] = Counter()
    for found in observed.found:
        if isinstance(found.resource, FederatedIdentityCredential):
            held[found.resource.identity] += 1
    effects = {Action.CREATE: 1, Action.DELETE: -1}
    for change in changes:
        if isinstance(change.resource, FederatedIdentityCredential):
            held[change.resource.identity] += effects.get(change.action, 0)
    return {identity: count for identity, count in sorted(held.items()) if count >= NEARLY * _LIMIT}


class Room:
    """Who has to make room for whom. What nobody needs any more does so where it is to be pruned anyway.

    ``missing`` are the wanted objects that do not exist.
    """

    def __init__(self, observed: Observed, missing: Iterable[Resource], trust: Trust, *, prune: bool) -> None:
        self.first: dict[str, FederatedIdentityCredential] = {}
        """By the key of a new credential, the one that goes before it is made."""
        self.full: dict[str, str] = {}
        """By the key of a new credential, or role assignment, for which there is no room, what to tell."""
        missing = list(missing)
        self._count_roles(observed, [one for one in missing if isinstance(one, RoleAssignment)])
        held = Counter(
            found.resource.place for found in observed.found if isinstance(found.resource, FederatedIdentityCredential)
        )
        new: Mapping[str, list[FederatedIdentityCredential]] = defaultdict(list)
        for resource in missing:
            if isinstance(resource, FederatedIdentityCredential):
                new[resource.place].append(resource)
        orphans = (each for each in trust.unwanted if each.status is Status.ORPHANED and not each.may_be)
        prunable = [each.resource for each in orphans] if prune else []
        for place, credentials in new.items():
            if held[place] + len(credentials) > _LIMIT:
                self._find_room(credentials, _LIMIT - held[place], trust, prunable)

    def _count_roles(self, observed: Observed, new: list[RoleAssignment]) -> None:
        """A subscription's assignments are counted whoever made them (Azure RBAC limits)."""
        held, free = observed.role_assignments, max(naming.MAX_ROLE_ASSIGNMENTS - observed.role_assignments, 0)
        for assignment in sorted(new, key=lambda one: one.key)[free:]:
            self.full[assignment.key] = (
                f"the subscription holds {held:,} of {naming.MAX_ROLE_ASSIGNMENTS:,} role assignments, and "
                f"{len(new):,} more are wanted: set authorization: access-policy on some vaults, or take others away"
            )

    def _find_room(
        self,
        new: list[FederatedIdentityCredential],
        free: int,
        trust: Trust,
        prunable: Collection[FederatedIdentityCredential],
    ) -> None:
        former = {
            key: each.resource for each in trust.unwanted if each.status is Status.SUPERSEDED for key in each.may_be
        }
        taken = {former[each.key].key for each in new if each.key in former}
        spare = [each for each in prunable if each.place == new[0].place and each.key not in taken]
        for credential in sorted(new, key=lambda each: each.key in former):  # who has nobody to replace comes first
            if free > 0:
                free -= 1
            elif credential.key in former:
                self.first[credential.key] = former[credential.key]
            elif spare:
                self.first[credential.key] = spare.pop(0)
            else:
                self.full[credential.key] = (
                    f"{credential.identity} holds {_LIMIT} federated credentials, the most there may be, and some are "
                    f"not what the fleet names: see the findings; --prune makes room, or shards: 2 does"
                )
