"""An audit for the terminal and for Prefect's UI."""

from __future__ import annotations

from collections import Counter
from itertools import groupby

from rich.console import Console
from rich.text import Text

from fleet.audit.findings import TITLES, WHY, Audit, Level

_STYLES = {Level.ERROR: "bold red", Level.WARNING: "yellow", Level.NOTE: "cyan"}


def show(console: Console, audit: Audit) -> None:
    """Every finding below its rule, the worst first, and what could not be seen."""
    by_rule = sorted(audit.findings, key=lambda finding: finding.rule)
    for rule, group in groupby(by_rule, key=lambda finding: finding.rule):
        console.print(Text.assemble((f"{rule.value} ", "cyan"), (TITLES[rule], "bold")))
        console.print(Text(f"  {WHY[rule]}.", style="dim"))
        for finding in group:
            console.print(
                Text.assemble("  ", (finding.level.value, _STYLES[finding.level]), f" {finding}"), soft_wrap=True
            )
            console.print(Text(f"    {finding.advice}", style="dim"), soft_wrap=True)
        console.print()
    for text in audit.not_seen:
        console.print(Text.assemble(("? ", "yellow"), text), soft_wrap=True)
    console.print(Text(headline(audit), style="bold"))


def headline(audit: Audit) -> str:
    """How much was found, and whether all was seen."""
    counts = Counter(finding.level for finding in audit.findings)
    told = [f"{counts[level]} {level.value}{'s' if counts[level] > 1 else ''}" for level in Level if counts[level]]
    blind = f"; {len(audit.not_seen)} not visible" if audit.not_seen else ""
    return (", ".join(told) or "Nothing found") + blind


def rows(audit: Audit) -> list[dict[str, str]]:
    """A row for every finding, for a table."""
    found = [
        {
            "level": finding.level.value,
            "rule": f"{finding.rule.value} {TITLES[finding.rule]}",
            "where": finding.where,
            "what": finding.what,
            "advice": finding.advice,
        }
        for finding in audit.findings
    ]
    return found + [{"level": "?", "rule": "not visible", "where": "", "what": text} for text in audit.not_seen]
