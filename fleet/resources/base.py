"""What all links of the chain have in common: a key, a place, fields to compare, values known only later."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field

from fleet.spec import Model


class Reference(Model):
    """A value that is known after the change ``key`` is applied: its output of this name."""

    key: str
    output: str

    def __str__(self) -> str:
        return "known after apply"


Value = str | Reference
Outputs = Mapping[str, Mapping[str, str]]
"""What applied changes told, by the change's key: ``{"cluster:c": {"issuer": "https://..."}}``."""


class Difference(Model):
    """One field of one object: what it is and what it should be. Secret values never stand here."""

    field: str
    old: Any
    new: Annotated[Reference | Any, Field(union_mode="left_to_right")]
    """A reference where an earlier change will tell the value."""


class Resource(Model):
    """What all links have in common. Subclasses say which fields are theirs to compare."""

    compared: ClassVar[tuple[str, ...]] = ()
    told: ClassVar[tuple[str, ...]] = ()
    """The fields that a creation is told by, where those compared do not tell enough."""

    kind: str

    @property
    def key(self) -> str:
        """Names the wanted object within a plan, readable, the same in every run."""
        raise NotImplementedError

    @property
    def title(self) -> str:
        """The object as a person would name it, without its kind."""
        return self.key.partition(":")[2]

    @property
    def place(self) -> str:
        """Where a found object is looked for; one place may hold several (all credentials of an identity)."""
        return self.key

    @property
    def seen_through(self) -> str:
        """The observation that tells whether it exists; where that failed, the object is unknown, not absent."""
        raise NotImplementedError

    def likeness(self, found: Self) -> int:
        """How surely a found object in the same place is this one: 0 not at all, the highest wins."""
        return int(found.kind == self.kind)

    def differences(self, found: Self) -> tuple[Difference, ...]:
        """The fields in which the found object is not as wanted."""
        pairs = ((field, getattr(found, field), getattr(self, field)) for field in self.compared)
        return tuple(Difference(field=field, old=old, new=new) for field, old, new in pairs if old != new)

    def resolved(self, outputs: Outputs) -> Self:
        """This object with its references replaced. KeyError where an output is missing."""
        known = {
            field: outputs[value.key][value.output]
            for field in type(self).model_fields
            if isinstance(value := getattr(self, field), Reference)
        }
        return self.model_copy(update=known) if known else self
