"""The ledger as one page: every rule and route of the simulator, how each is known, and what is in doubt."""

from __future__ import annotations

import importlib
import pkgutil
from collections import Counter
from itertools import groupby

from rich.console import Console
from rich.table import Table
from rich.text import Text

from .provenance import DOUBTS, LEDGER, Provenance, Rule

_WIDTH = 240
_COLOURS = {
    Provenance.RECORDED: "green",
    Provenance.DOCUMENTED: "cyan",
    Provenance.REPORTED: "yellow",
    Provenance.ASSUMED: "red",
}


def complete() -> list[Rule]:
    """All rules by area and text. Imports every module of the simulator, since a rule is entered when its own is."""
    package = importlib.import_module(__package__)
    for module in pkgutil.walk_packages(package.__path__, f"{__package__}."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    return sorted(LEDGER)


def tell(console: Console | None = None) -> None:
    """Print the page: a table by area, the doubts, then the totals. Plain text where nobody looks at a terminal."""
    console = console or Console()
    rules = complete()
    if not console.is_terminal:
        console = Console(file=console.file, width=_WIDTH, color_system=None)
    table = _table("area", "rule", "known as", "source")
    for area, own in groupby(rules, key=lambda rule: rule.area):
        for rule in own:
            known = Text(rule.provenance, style=_COLOURS[rule.provenance])
            table.add_row(area, Text(rule.text), known, Text(rule.source))
    console.print(table)
    console.print("\nIn doubt: the sources are silent or disagree\n", highlight=False)
    doubts = _table("area", "not known", "the simulator", "source")
    for doubt in sorted(DOUBTS):
        doubts.add_row(*map(Text, (doubt.area, doubt.question, doubt.chosen, doubt.source)))
    console.print(doubts)
    counts = Counter(rule.provenance for rule in rules)
    totals = ", ".join(f"{counts[provenance]} {provenance}" for provenance in Provenance)
    console.print(f"\n{len(rules)} rules: {totals}; {len(DOUBTS)} doubts", highlight=False, soft_wrap=True)


def _table(*columns: str) -> Table:
    return Table(*columns, box=None, padding=(0, 2, 0, 0), header_style="bold")
