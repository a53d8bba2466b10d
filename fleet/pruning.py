"""From what is left over to deletions and releases, dependents first, after what takes their place; else findings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping

from .changes import Change, taking_away
from .findings import Finding
from .leftovers import Leftover
from .resources import (
    AccessPolicy,
    Deployment,
    FederatedIdentityCredential,
    RoleAssignment,
    ServiceAccount,
)


def deletions(leftovers: Iterable[Leftover], changes: Iterable[Change], *, prune: bool) -> list[Change]:
    """What goes without being asked for, and with ``prune`` whatever is ours, in an order in which it can go.

    ``changes`` is what is done before: a leftover goes after what the same workload, identity or vault needs.
    """
    by_group: Mapping[str, list[str]] = defaultdict(list)
    for change in changes:
        by_group[change.group].append(change.key)
    changing = {key for keys in by_group.values() for key in keys}
    going = [each for each in leftovers if each.superseded or (prune and each.prunable)]
    dependents: Mapping[str, list[str]] = defaultdict(list)
    for each in going:
        for key in _keeps(each):
            dependents[key].append(each.resource.key)
    return [_deletion(each, by_group, changing, dependents.get(each.resource.key, ())) for each in going]


def findings(leftovers: Iterable[Leftover], *, prune: bool) -> list[Finding]:
    """What stays of the leftovers."""
    return [
        Finding(
            key=each.resource.key,
            what=each.what,
            danger=each.danger,
            advice=each.advice,
            prunable=each.prunable,
            group=each.group,
        )
        for each in leftovers
        if not each.superseded and not (prune and each.prunable)
    ]


def _deletion(
    leftover: Leftover, by_group: Mapping[str, list[str]], changing: Collection[str], dependents: Iterable[str]
) -> Change:
    needed = [*by_group.get(leftover.group, ()), *dependents]
    needed += [key for key in leftover.replaced_by if key in changing]
    if isinstance(leftover.resource, RoleAssignment | AccessPolicy):
        needed += by_group.get(f"vault:{leftover.resource.vault}", ())
    return taking_away(
        leftover.found,
        reason="is replaced" if leftover.superseded else "is ours, and not in the fleet",
        resource=leftover.resource,
        after=tuple(dict.fromkeys(needed)),
        after_proof=leftover.replaced_by,
        group=leftover.group,
    )


def _keeps(leftover: Leftover) -> Iterator[str]:
    """Keys of what can only go after it."""
    match leftover.resource:
        case Deployment() as one:
            yield f"service-account:{one.cluster}/{one.namespace}/{one.service_account}"
            yield f"namespace:{one.cluster}/{one.namespace}"
        case ServiceAccount() as one:
            yield f"namespace:{one.cluster}/{one.namespace}"
        case RoleAssignment() | AccessPolicy() | FederatedIdentityCredential():
            yield leftover.holder
