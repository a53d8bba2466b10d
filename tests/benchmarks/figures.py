"""What is measured, beside what it must reach: as a table for people and as JSON for machines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.table import Table

_WIDTH = 140


@dataclass(frozen=True)
class Figure:
    """One measured value and its bound."""

    what: str
    value: float
    unit: str
    bound: float
    better: Literal["below", "above"]
    how: str
    """What was run."""

    @property
    def holds(self) -> bool:
        """Whether the bound is kept."""
        return self.value <= self.bound if self.better == "below" else self.value >= self.bound


def show(figures: Sequence[Figure], path: Path | None) -> bool:
    """Print the table, write the JSON where asked to; returns whether every bound is kept."""
    table = Table("figure", "measured", "must be", "", "how", box=None, padding=(0, 2, 0, 0), header_style="bold")
    for one in figures:
        sign = "≤" if one.better == "below" else "≥"
        value, bound = f"{one.value:,.4g} {one.unit}", f"{sign} {one.bound:,.4g} {one.unit}"
        table.add_row(one.what, value, bound, "yes" if one.holds else "NO", one.how)
    Console(width=_WIDTH).print(table)
    if path is not None:
        rows = [asdict(one) | {"holds": one.holds} for one in figures]
        path.write_text(json.dumps(rows, indent=2), encoding="utf-8")
    return all(one.holds for one in figures)
