"""What a plan found that is not as it should be, beside what it changes: for whoever answers for security."""

from __future__ import annotations

from .fields import Model


class Finding(Model):
    """Something that is there, is not in the fleet file, and should not be overlooked."""

    key: str
    """Of the object."""
    what: str
    danger: str
    advice: str
    """What to do about it."""
    prunable: bool
    """Whether ``--prune`` takes it away."""
    group: str = ""
    """As :attr:`~fleet.changes.Change.group`."""

    def __str__(self) -> str:
        return f"{self.what}. Danger: {self.danger}. {self.advice[:1].upper()}{self.advice[1:]}."
