"""A plan as values: its changes, what is held, and what was found beside them."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from typing import Any, Self

from pydantic import Field

from .findings import Finding
from .observed import Found
from .resources import AnyResource, Difference, Outputs, Reference
from .spec import Model


class Action(StrEnum):
    """What a change does."""

    CREATE = "create"
    UPDATE = "update"
    RECOVER = "recover"
    DELETE = "delete"
    RELEASE = "release"
    """Take our marks off what was there before the fleet: it stays."""


GONE = (Difference(field="exists", old=True, new=False),)
"""What a deletion changes."""


class Change(Model):
    """One step: printed by ``plan``, applied by ``reconcile``, kept in the run's artifact."""

    action: Action
    resource: AnyResource
    """The object as it shall be; of a deletion or a release, as it is."""
    differences: tuple[Difference, ...] = ()
    reason: str
    after: tuple[str, ...] = ()
    """Keys of the changes of this plan that must be applied before."""
    after_proof: tuple[str, ...] = ()
    """Keys of federated credentials: only when their chains are proven, and not in a run that proves nothing."""
    known: dict[str, str] = Field(default_factory=dict)
    """What is known of the existing object: its outputs, such as object_id. Empty where it is missing."""
    adopted: bool = False
    """Whether the object was there before the fleet, and is to be marked so."""
    group: str = ""
    """With what it is read, see :class:`~fleet.grouping.Grouping`: ``workload:shop/checkout``, ``vault:shop-kv``."""

    @property
    def key(self) -> str:
        """Unique within a plan."""
        return self.resource.key

    @property
    def takes_away(self) -> bool:
        """Whether the fleet has the object no more afterwards."""
        return self.action in (Action.DELETE, Action.RELEASE)

    def resolved(self, outputs: Outputs) -> Self:
        """This change with its references replaced by what earlier changes told. KeyError where one did not tell."""
        told = tuple(
            difference.model_copy(update={"new": outputs[difference.new.key][difference.new.output]})
            if isinstance(difference.new, Reference)
            else difference
            for difference in self.differences
        )
        return self.model_copy(update={"resource": self.resource.resolved(outputs), "differences": told})


def taking_away(found: Found, *, reason: str, **change: Any) -> Change:
    """The deletion of what we made, or the release of what was there before: it only loses our marks.

    ``change`` are the other fields of :class:`Change`, of which ``resource`` is the object as the deletion names it.
    """
    if not found.adopted:
        return Change(action=Action.DELETE, differences=GONE, reason=reason, known=found.outputs, **change)
    mark = (Difference(field="owner", old=getattr(found.resource, "owner", None), new=None),)
    stays = "was there before the fleet, and stays"
    return Change(action=Action.RELEASE, differences=mark, reason=stays, known=found.outputs, **change)


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
    findings: tuple[Finding, ...] = ()
    """What should not be there, and stays: it makes no plan wrong."""

    def only(self, keys: Collection[str]) -> Plan:
        """Just these of its changes and holds, without what was found beside them."""
        kept = {change.key for change in self.changes if change.key in keys}

        def alone(change: Change) -> Change:
            return change.model_copy(update={"after": tuple(key for key in change.after if key in kept)})

        return Plan(
            fleet=self.fleet,
            changes=tuple(alone(change) for change in self.changes if change.key in kept),
            holds=tuple(hold for hold in self.holds if hold.key in keys),
        )

    @property
    def is_empty(self) -> bool:
        """Nothing to change and nothing held: the world is as the fleet says."""
        return not self.changes and not self.holds
