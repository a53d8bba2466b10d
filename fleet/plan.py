"""The difference between what is wanted and what is, as an ordered list of changes. Pure: no request is made here."""

from __future__ import annotations

from enum import Enum, StrEnum
from typing import Any, Self

from pydantic import Field

from .grouping import Grouping
from .observed import Found, Observed
from .resources import (
    AnyResource,
    Difference,
    FederatedIdentityCredential,
    Namespace,
    Outputs,
    Reference,
    Resource,
    Secret,
    Vault,
    Webhook,
)
from .spec import Container, Fleet, Model
from .wanted import Wanted, wanted


class Action(StrEnum):
    """What a change does."""

    CREATE = "create"
    UPDATE = "update"
    RECOVER = "recover"
    DELETE = "delete"


class Change(Model):
    """One step: printed by ``plan``, applied by ``reconcile``, kept in the run's artifact."""

    action: Action
    resource: AnyResource
    """The object as it shall be; of a deletion, as it is."""
    differences: tuple[Difference, ...] = ()
    reason: str
    after: tuple[str, ...] = ()
    """Keys of the changes of this plan that must be applied before."""
    known: dict[str, str] = Field(default_factory=dict)
    """What is known of the existing object: its outputs, such as object_id. Empty where it is missing."""
    group: str = ""
    """With what it is read, see :class:`~fleet.grouping.Grouping`: ``workload:shop/checkout``, ``vault:shop-kv``."""

    @property
    def key(self) -> str:
        """Unique within a plan."""
        return self.resource.key

    def resolved(self, outputs: Outputs) -> Self:
        """This change with its references replaced by what earlier changes told. KeyError where one did not tell."""
        told = tuple(
            difference.model_copy(update={"new": outputs[difference.new.key][difference.new.output]})
            if isinstance(difference.new, Reference)
            else difference
            for difference in self.differences
        )
        return self.model_copy(update={"resource": self.resource.resolved(outputs), "differences": told})


class Hold(Model):
    """A wanted object that is left alone, and why."""

    key: str
    reason: str
    mistake: bool = True
    """False where it only waits for another held object."""
    group: str = ""
    """As :attr:`Change.group`."""


class Plan(Model):
    """Changes in an order in which they can be applied, and what is held."""

    fleet: str
    changes: tuple[Change, ...] = ()
    holds: tuple[Hold, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Nothing to change and nothing held: the world is as the fleet says."""
        return not self.changes and not self.holds


def plan(fleet: Fleet, observed: Observed) -> Plan:
    """The changes that bring the world from ``observed`` to ``fleet``.

    A foreign object in the place of a wanted one, and whatever could not be observed, holds what depends on it;
    everything else is planned. An object that is as wanted yields nothing.
    """
    grouping = Grouping(fleet)
    changes: dict[str, Change] = {}
    holds: dict[str, Hold] = {}
    for item in wanted(fleet, observed):
        key, group = item.resource.key, grouping.of(item.resource)
        if hold := _hold(item, observed, holds):
            holds[key] = hold.model_copy(update={"group": group})
        elif change := _change(item, observed.find(item.resource)):
            after = tuple(needed for needed in dict.fromkeys(item.needs) if needed in changes)
            changes[key] = change.model_copy(update={"after": after, "group": group})
    return Plan(fleet=fleet.name, changes=tuple(changes.values()), holds=tuple(holds.values()))


def _hold(item: Wanted, observed: Observed, holds: dict[str, Hold]) -> Hold | None:
    resource = item.resource
    if reason := observed.conflicts.get(resource.key):
        return Hold(key=resource.key, reason=reason)
    if waits_for := next((needed for needed in item.needs if needed in holds), None):
        return Hold(key=resource.key, reason=f"waits for {waits_for}", mistake=False)
    if reason := observed.why_unknown(resource):
        return Hold(key=resource.key, reason=reason)
    found = observed.find(resource)
    if found is None:
        return None
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
    """A namespace is shared by nature; every other object that is not ours stays as it is unless it is adopted."""
    if found.ours or item.adopt or isinstance(item.resource, Namespace):
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
        return Change(action=Action.RECOVER, resource=resource, differences=gone, reason="is soft-deleted")
    differences = resource.differences(found.resource)
    if not differences or (isinstance(resource, Webhook) and not found.ours):
        return None
    fields = ", ".join(difference.field for difference in differences)
    if isinstance(found.resource, FederatedIdentityCredential):  # a credential's name cannot be changed
        resource = resource.model_copy(update={"name": found.resource.name})
    return Change(
        action=Action.UPDATE,
        resource=resource,
        differences=differences,
        reason=f"differs in {fields}",
        known=found.outputs,
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
    if isinstance(value, tuple | list):
        return ", ".join(shown(item) for item in value)
    return str(value)
