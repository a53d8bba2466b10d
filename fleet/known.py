"""The names of one kind that a fleet has, and how to say that another is not among them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from . import lookalikes

_FEW = 10
"""Names to list where one is missing."""


@dataclass(frozen=True)
class Known:
    """The names that there are. ``spellings`` has them by what they look like."""

    what: str
    names: frozenset[str]
    spellings: Mapping[str, str]

    @classmethod
    def of(cls, what: str, names: Iterable[str]) -> Known:
        """The names of this kind, ``what`` in words."""
        names = frozenset(names)
        return cls(what, names, {lookalikes.skeleton(name): name for name in sorted(names, reverse=True)})

    def missing(self, name: str) -> str | None:
        """What to say of a name that is not among them, with what is there in its place. None where it is."""
        if name in self.names:
            return None
        alike = self.spellings.get(lookalikes.skeleton(name))
        message = f"there is no {self.what} {name} in this fleet"
        if alike is not None and alike.casefold() != name.casefold():
            strange = lookalikes.strange(name) or f"of the latter, {lookalikes.strange(alike)}"
            return f"{message}, though one that looks like it, {alike}: {strange}"
        if len(self.names) <= _FEW:
            return f"{message}, there is: {', '.join(sorted(self.names)) or 'none'}"
        return f"{message}, there is: {alike}" if alike is not None else f"{message} among its {len(self.names)}"
