"""What is measured, beside what it must reach: as a table for people and as JSON for machines."""

from __future__ import annotations

import json
from collections.abc import Iterable
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


def show(figures: Iterable[Figure], path: Path | None) -> bool:
    """Print each figure as it comes, then the table; write the JSON where asked to. Whether every bound is kept."""
    measured: list[Figure] = []
    try:
        for one in figures:
            measured.append(one)
            print(f"{one.what}: {_value(one)} ({_bound(one)}){'' if one.holds else ' MISSED'}", flush=True)
    finally:  # what was measured before something failed is measured
        table = Table("figure", "measured", "must be", "", "how", box=None, padding=(0, 2, 0, 0), header_style="bold")
        for one in measured:
            table.add_row(one.what, _value(one), _bound(one), "yes" if one.holds else "NO", one.how)
        Console(width=_WIDTH).print(table)
        if path is not None:
            rows = [asdict(one) | {"holds": one.holds} for one in measured]
            path.write_text(json.dumps(rows, indent=2), encoding="utf-8")
    return all(one.holds for one in measured)


def _value(figure: Figure) -> str:
    return f"{figure.value:,.4g} {figure.unit}"


def _bound(figure: Figure) -> str:
    return f"{'≤' if figure.better == 'below' else '≥'} {figure.bound:,.4g} {figure.unit}"
