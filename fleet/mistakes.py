"""What is wrong with a fleet, as its writer is told: in which file, where in it, what, and what would be right."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mistake:
    """One thing that is wrong: where in the file, what, and what would be right."""

    path: str
    """Such as ``workloads[2].identity``, or ``line 3`` where the text is not YAML, or empty for the whole file."""
    message: str
    file: str = ""
    """Relative to the folder of the fleet; empty for a text that is no file."""
    line: int | None = None
    """In the file, from 1, where one can be told."""

    def __str__(self) -> str:
        file = f"{self.file}:{self.line}" if self.file and self.line else self.file
        return ": ".join(part for part in (file, self.path, self.message) if part)


class FleetFileError(ValueError):
    """Files of a fleet that cannot be used. ``mistakes`` holds all, file by file, in the order of a fleet file."""

    def __init__(self, mistakes: tuple[Mistake, ...]) -> None:
        super().__init__("\n".join(map(str, mistakes)))
        self.mistakes = mistakes
