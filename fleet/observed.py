"""What is: everything that was read, and what could not be read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TypeVar

from pydantic import Field

from .resources import AnyResource, Outputs, Resource
from .spec import Model


class Found(Model):
    """An object that exists, and what others need to know of it (issuer, client_id, principal_id, object_id)."""

    resource: AnyResource
    outputs: dict[str, str] = Field(default_factory=dict)
    ours: bool = True
    """Whether the evidence says that this fleet made it; what carries no mark of its own follows its parent."""
    adopted: bool = False
    """Whether its marks say that it was there before the fleet."""

    @property
    def predates(self) -> bool:
        """Whether it was there before the fleet, if the fleet takes it over now or has done so."""
        return self.adopted or not self.ours


class Unknown(Model):
    """An observation that failed. What it would have told is unknown, not absent."""

    through: str
    """As :attr:`~fleet.resources.Resource.seen_through`."""
    reason: str
    """What happened and what to do about it, for the user."""
    unreachable: bool = False
    """Whether nobody answered at all, so that nothing else need be tried there."""


class Observation(Model):
    """What one link's look at the world brought home; observations add up."""

    found: tuple[Found, ...] = ()
    unknown: tuple[Unknown, ...] = ()
    conflicts: dict[str, str] = Field(default_factory=dict)
    """Keys of wanted objects that must not be touched, each with the reason: a foreign object in their place."""
    vanished: tuple[str, ...] = ()
    """Ids of principals that hold access and are no longer in the directory."""
    role_assignments: int = 0
    """How many the subscription holds, whoever made them."""

    @classmethod
    def together(cls, parts: Iterable[Observation]) -> Observation:
        """Several observations as one."""
        parts = list(parts)
        return cls(
            found=tuple(found for part in parts for found in part.found),
            unknown=tuple(unknown for part in parts for unknown in part.unknown),
            conflicts={key: reason for part in parts for key, reason in part.conflicts.items()},
            vanished=tuple(principal for part in parts for principal in part.vanished),
            role_assignments=sum(part.role_assignments for part in parts),
        )


class Tenancy(Model):
    """Where the fleet lives and as whom we act there."""

    tenant_id: str
    subscription_id: str
    subscription_name: str
    operator_id: str
    """Object id of the principal that runs us."""


KindOfResource = TypeVar("KindOfResource", bound=Resource)


class Observed(Model):
    """The whole picture, from which and the spec the plan follows."""

    tenancy: Tenancy
    found: tuple[Found, ...] = ()
    unknown: tuple[Unknown, ...] = ()
    conflicts: dict[str, str] = Field(default_factory=dict)
    vanished: tuple[str, ...] = ()
    role_assignments: int = 0
    """As :attr:`Observation.role_assignments`."""

    @classmethod
    def gather(cls, tenancy: Tenancy, observations: Iterable[Observation]) -> Observed:
        """One picture out of the links' observations."""
        return cls(tenancy=tenancy).and_seen(observations)

    def and_seen(self, observations: Iterable[Observation]) -> Observed:
        """The picture with what more was seen."""
        so_far = Observation(
            found=self.found,
            unknown=self.unknown,
            conflicts=self.conflicts,
            vanished=self.vanished,
            role_assignments=self.role_assignments,
        )
        seen = Observation.together([so_far, *observations])
        return Observed(tenancy=self.tenancy, **{field: getattr(seen, field) for field in type(seen).model_fields})

    def with_applied(self, resources: Iterable[Resource], outputs: Outputs) -> Observed:
        """The picture after these objects were made so, without another look at the world."""
        replaced: set[int] = set()
        new: list[Found] = []
        for resource in resources:
            made = resource.resolved(outputs)
            there = self.find(made)
            if there is not None:  # its key may be another: a credential is found by its name or its pair
                replaced.add(id(there))
            known = there.outputs if there is not None else {}
            adopted = there is not None and there.predates
            new.append(Found(resource=made, outputs={**known, **outputs.get(made.key, {})}, adopted=adopted))
        kept = [found for found in self.found if id(found) not in replaced]
        # Not a copy of the model, which would take along what was looked up in it.
        as_before = {field: getattr(self, field) for field in type(self).model_fields}
        return Observed(**{**as_before, "found": (*kept, *new)})

    @cached_property
    def _places(self) -> Mapping[str, list[Found]]:
        places: dict[str, list[Found]] = defaultdict(list)
        for found in self.found:
            places[found.resource.place].append(found)
        return places

    @cached_property
    def _blind(self) -> Mapping[str, str]:
        return {unknown.through: unknown.reason for unknown in self.unknown}

    def find(self, wanted: Resource) -> Found | None:
        """The found object that is the wanted one, or None."""
        candidates = self._places.get(wanted.place, ())
        likeliest = max(candidates, key=lambda found: wanted.likeness(found.resource), default=None)
        return likeliest if likeliest is not None and wanted.likeness(likeliest.resource) else None

    def why_unknown(self, wanted: Resource) -> str | None:
        """Why it cannot be told whether the object exists, or None where it can."""
        return self.reason_unseen(wanted.seen_through)

    def reason_unseen(self, through: str) -> str | None:
        """Why this observation failed, or None where it did not."""
        return self._blind.get(through)

    def why_unreachable(self, through: str) -> str | None:
        """Why nobody answers where this observation looks, or None where somebody does."""
        return next((one.reason for one in self.unknown if one.through == through and one.unreachable), None)

    def output(self, wanted_key: str, name: str) -> str | None:
        """An output of the object with this key, or None while nothing of that key was found."""
        return next((found.outputs.get(name) for found in self._places.get(wanted_key, ())), None)
