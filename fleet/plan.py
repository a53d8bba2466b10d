"""The difference between what is wanted and what is, as an ordered list of changes. Pure: no request is made here."""

from __future__ import annotations

from enum import Enum
from typing import Any

from . import healing
from .changes import GONE, Action, Change, Hold, Plan
from .grouping import Grouping
from .leftovers import leftovers
from .observed import Found, Observed
from .pruning import deletions, findings
from .resources import (
    ClusterSettings,
    Difference,
    FederatedIdentityCredential,
    Namespace,
    Resource,
    RoleAssignment,
    Rollout,
    Secret,
    Vault,
    Webhook,
)
from .room import Room
from .spec import Container, Fleet
from .trust import Trust
from .wanted import Wanted, wanted


def plan(fleet: Fleet, observed: Observed, *, prune: bool = False, heal: bool = False) -> Plan:
    """The changes that bring the world from ``observed`` to ``fleet``.

    A foreign object in the place of a wanted one, and whatever could not be observed, holds what depends on it;
    everything else is planned. An object that is as wanted yields nothing.

    What is there and the fleet does not name is found, and with ``prune`` taken away where it is ours; for that,
    ``observed`` must have looked beyond the fleet. Without being asked, only the credential of a cluster's former
    issuer goes, after the chain of its new one is proven.

    Pods that are older than what they should have been given are found where ``observed`` has looked at pods, and with
    ``heal`` their owner is restarted.
    """
    grouping = Grouping(fleet)
    items = list(wanted(fleet, observed))
    there = {item.resource.key: observed.find(item.resource) for item in items}
    matched = {id(found) for found in there.values() if found is not None}
    trust = Trust(fleet, observed, items, matched)
    room = Room(observed, [item.resource for item in items if there[item.resource.key] is None], trust, prune=prune)
    changes: dict[str, Change] = {}
    holds: dict[str, Hold] = {hold.key: hold for hold in healing.unseen_holds(fleet, observed)} if heal else {}
    for item in items:
        key, group = item.resource.key, grouping.of(item.resource)
        if isinstance(item.resource, Rollout) and not healing.heals(item, heal=heal):
            continue
        if hold := _hold(item, there[key], observed, holds, room):
            holds[key] = hold.model_copy(update={"group": group})
        elif change := _change(item, there[key]):
            after = tuple(needed for needed in dict.fromkeys(item.needs) if needed in changes)
            if (old := room.first.get(key)) is not None:
                changes[old.key] = _making_room(old, after, group)
                after = (*after, old.key)
            changes[key] = change.model_copy(update={"after": after, "group": group})
    left = leftovers(fleet, observed, trust, matched, holds)
    left = [each for each in left if each.resource.key not in changes]
    gone = deletions(left, changes.values(), prune=prune)
    return Plan(
        fleet=fleet.name,
        changes=(*changes.values(), *gone),
        holds=tuple(holds.values()),
        findings=(
            *findings(left, prune=prune),
            *healing.findings(items, there, holds, grouping, heal=heal),
            *(() if heal else healing.unseen_findings(fleet, observed)),
        ),
    )


def _hold(item: Wanted, found: Found | None, observed: Observed, holds: dict[str, Hold], room: Room) -> Hold | None:
    resource = item.resource
    if reason := observed.conflicts.get(resource.key):
        return Hold(key=resource.key, reason=reason)
    if waits_for := next((needed for needed in item.needs if needed in holds), None):
        return Hold(key=resource.key, reason=f"waits for {waits_for}", mistake=False)
    if reason := observed.why_unknown(resource):
        return Hold(key=resource.key, reason=reason)
    if reason := room.full.get(resource.key):
        return Hold(key=resource.key, reason=reason)
    if found is None:
        return None
    if isinstance(found.resource, ClusterSettings) and found.resource.busy and resource.differences(found.resource):
        reason = (
            f"the cluster is {found.resource.busy}, and takes no other change beside that: reconcile when it is done"
        )
        return Hold(key=resource.key, reason=reason)
    if isinstance(found.resource, Vault | Secret) and found.resource.soft_deleted and not item.recover:
        reason = f"{resource.key} is soft-deleted: set soft_deleted: recover on the vault to bring it back"
        return Hold(key=resource.key, reason=reason)
    if isinstance(resource, Webhook) and isinstance(found.resource, Webhook):
        return _webhook_hold(resource, found.resource, ours=found.ours)
    return _foreign_hold(item, found)


def _webhook_hold(resource: Webhook, found: Webhook, *, ours: bool) -> Hold | None:
    """One that somebody else installed serves as well as ours, whatever its version; only its owner may mend it."""
    if found.delivery is not resource.delivery:
        reason = (
            f"{resource.cluster} has the webhook as {found.delivery}, the spec wants {resource.delivery}: the two "
            f"break each other's permissions. Remove the other one, or set webhook: {found.delivery}"
        )
        return Hold(key=resource.key, reason=reason)
    wrong = [difference.field for difference in resource.differences(found) if difference.field != "version"]
    if ours or not wrong:
        return None
    reason = (
        f"{resource.cluster} has a webhook that somebody else installed, and it differs in {', '.join(wrong)}: mend "
        "it there, or uninstall it and ours takes its place"
    )
    return Hold(key=resource.key, reason=reason)


def _foreign_hold(item: Wanted, found: Found) -> Hold | None:
    """A namespace is shared by nature, and a role serves whoever assigned it.

    Every other object that is not ours stays as it is unless it is adopted.
    """
    if found.ours or item.adopt or isinstance(item.resource, Namespace | RoleAssignment):
        return None
    theirs = getattr(found.resource, "owner", None)
    whose = f"belongs to the fleet {theirs}" if theirs else "exists and does not carry our mark"
    return Hold(key=item.resource.key, reason=f"{whose}: rename ours, or set adopt: true to take it over")


def _change(item: Wanted, found: Found | None) -> Change | None:
    resource = item.resource
    if found is None:
        return Change(action=Action.CREATE, resource=resource, differences=_all_fields(resource), reason="is missing")
    if getattr(found.resource, "soft_deleted", False):
        gone = (Difference(field="soft_deleted", old=True, new=False),)
        return Change(
            action=Action.RECOVER,
            resource=resource,
            differences=gone,
            reason="is soft-deleted",
            adopted=found.predates,
        )
    differences = resource.differences(found.resource)
    if not differences or (isinstance(resource, Webhook) and not found.ours):
        return None
    fields = [difference.field for difference in differences]
    differs = f"differs in {', '.join(fields)}"
    reason = "is older than what it should be given" if isinstance(resource, Rollout) else differs
    if isinstance(found.resource, FederatedIdentityCredential):  # a credential's name cannot be changed
        resource = resource.model_copy(update={"name": found.resource.name})
    return Change(
        action=Action.UPDATE,
        resource=resource,
        differences=differences,
        reason=reason,
        known=found.outputs,
        # A mark that somebody took off says nothing any more: what may be adopted counts as adopted then.
        adopted=found.predates or (item.adopt and "owner" in fields),
    )


def _making_room(old: FederatedIdentityCredential, after: tuple[str, ...], group: str) -> Change:
    """The deletion of a credential in whose place a new one comes, once the identity is seen to be full."""
    return Change(
        action=Action.DELETE,
        resource=old,
        differences=GONE,
        reason=f"makes room: {old.identity} holds as many federated credentials as it may, so the new one comes after",
        after=after,
        group=group,
    )


def _all_fields(resource: Resource) -> tuple[Difference, ...]:
    """What a creation sets."""
    values = ((field, getattr(resource, field)) for field in resource.told or resource.compared)
    return tuple(Difference(field=field, old=None, new=value) for field, value in values if value not in (None, False))


def shown(value: Any) -> str:
    """A field's value as a person reads it."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, Container):
        return f"{value.name} ({value.image})"
    if isinstance(value, dict) and {"name", "image"} <= value.keys():  # a container of a plan that was written down
        return f"{value['name']} ({value['image']})"
    if isinstance(value, tuple | list):
        return ", ".join(shown(item) for item in value)
    return str(value)
