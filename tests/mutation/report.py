"""The table of a mutation run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from .judging import Verdict
from .recording import KINDS

_WIDTH = 300


def progress(total: int) -> Callable[[Verdict], None]:
    """Tells every complaint at once, and how far it is every so often."""
    done = 0

    def tell(verdict: Verdict) -> None:
        nonlocal done
        done += 1
        if verdict.complaint:
            print(f"{verdict.complaint}: {verdict.switch.name}", flush=True)
        if done % 50 == 0:
            print(f"{done} of {total}", flush=True)

    return tell


def table(verdicts: Sequence[Verdict]) -> None:
    """A row for each switch, then the totals."""
    page = Table("area", "rule", "switched off", "noticed by", "test", box=None, padding=(0, 2, 0, 0))
    for verdict in verdicts:
        rule = verdict.switch.rule
        test = verdict.test.removeprefix("tests/")
        page.add_row(*map(Text, (rule.area, rule.text, verdict.switch.means, verdict.kind or "NOBODY", test)))
    Console(width=_WIDTH, color_system=None).print(page)
    counts = Counter(verdict.kind for verdict in verdicts)
    noticed = ", ".join(f"{counts[kind]} by a {kind} test" for kind, _ in KINDS)
    rules = len({verdict.switch.rule for verdict in verdicts})
    print(f"\n{rules} rules switched off in {len(verdicts)} ways: noticed {noticed}; {counts['']} survived")
    for verdict in verdicts:
        if verdict.complaint:
            print(f"{verdict.complaint}: {verdict.switch.name}")
