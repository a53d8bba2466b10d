"""What a person sees in the terminal."""

from __future__ import annotations

from collections.abc import Container, Sequence

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from fleet.changes import Plan
from fleet.findings import Finding
from fleet.outline import headline
from fleet.proof import Proof

from .plan_tree import plan_tree
from .progress import Event, Phase
from .summary import Summary

_MASK = "••••••••"
_MARKS = {Phase.DONE: "✓", Phase.FAILED: "✗", Phase.SKIPPED: "·"}
_COLOURS = {Phase.DONE: "green", Phase.FAILED: "red", Phase.SKIPPED: "dim"}
_KEPT_PROOFS_SHOWN = 10
_FINDINGS_SHOWN = 10
"""On a terminal."""


def show_plan(
    console: Console,
    plan: Plan,
    heading: str,
    *,
    done: bool = False,
    failed: Container[str] = (),
    waiting: Container[str] = (),
) -> None:
    """The plan as a tree, how much it is, and what was found beside it.

    ``failed`` are the keys of what could not be applied of what is ``done``, ``waiting`` of what was not to be yet. On
    a terminal, and of what is ``done``, the many that look alike are folded; a plan in a file has them all.
    """
    if plan.is_empty:
        console.print("Nothing to change.")
    else:
        console.print(plan_tree(plan, heading, fold=done or console.is_terminal, failed=failed, waiting=waiting))
        changes = [change for change in plan.changes if change.key not in failed and change.key not in waiting]
        counts = [headline(changes, plan.holds, done=done)]
        if missed := sum(change.key in failed for change in plan.changes):
            counts.append(f"{missed} failed")
        if kept := sum(change.key in waiting for change in plan.changes):
            counts.append(f"{kept} kept for now")
        console.print()
        console.print(Text(", ".join(filter(None, counts)), style="bold"))
    show_findings(console, plan.findings)


def show_findings(console: Console, findings: Sequence[Finding]) -> None:
    """What should not be overlooked, each on a line of its own."""
    if not findings:
        return
    shown = findings[:_FINDINGS_SHOWN] if console.is_terminal else findings
    number = "1 security finding" if len(findings) == 1 else f"{len(findings)} security findings"
    console.print()
    console.print(Text(f"{number} beside this:", style="bold yellow"))
    for finding in shown:
        console.print(Text.assemble(("! ", "yellow"), str(finding)), soft_wrap=not console.is_terminal)
    if len(shown) < len(findings):
        console.print(Text(f"… and {len(findings) - len(shown)} more, all of them with --json", style="dim"))


def show_summary(console: Console, summary: Summary, ui: str | None, *, planned: bool = True) -> None:
    """What was applied, what failed, what is proven, and what it cost. Without ``planned`` there was no plan."""
    plan = summary.plan
    if planned:
        if not plan.is_empty:
            console.print()
        heading = f"Applied {summary.applied} of {len(plan.changes)} changes"
        show_plan(console, plan, heading, done=True, failed=summary.failures, waiting=summary.waiting)
    for key, error in summary.failures.items():
        console.print(f"[red]failed[/red] {escape(key)}: {escape(error)}", soft_wrap=True)
    for key, reason in summary.waiting.items():
        console.print(f"[yellow]kept[/yellow] {escape(key)}: {escape(reason)}", soft_wrap=True)
    show_proofs(console, summary.proofs)
    for gap in summary.gaps:
        console.print(f"[yellow]not tried[/yellow] {escape(gap)}", soft_wrap=True)
    console.print(f"[dim]{summary.requests} requests, {summary.seconds:.1f} s[/dim]", highlight=False)
    if ui:
        console.print(f"[dim]Run:[/dim] {ui}", highlight=False, soft_wrap=True)


def show_proofs(console: Console, proofs: Sequence[Proof]) -> None:
    """A line for each; what earlier runs have proven of a large fleet is one line, the oldest proof's time in it."""
    kept = [proof for proof in proofs if proof.kept]
    folded = kept if len(kept) > _KEPT_PROOFS_SHOWN else []
    for proof in proofs:
        if not (folded and proof.kept):
            show_proof(console, proof)
    if folded:
        since = min(proof.at for proof in folded)
        text = f"{len(folded)} chains by earlier runs, none before {since}"
        console.print(f"[green]proven[/green] {text}", highlight=False)


def show_proof(console: Console, proof: Proof) -> None:
    """One line that says what was proven, the value masked."""
    if proof.holds:
        text = f"{proof}: {_MASK}"
        note = f"  ({proof.succeeded} of {proof.tried} token exchanges, {proof.at})"
        console.print(f"[green]proven[/green] {escape(text)}[dim]{note}[/dim]", highlight=False, soft_wrap=True)
    else:
        console.print(f"[red]not proven[/red] {escape(str(proof))}", highlight=False, soft_wrap=True)


class LiveProgress:
    """Steps as they run: what is under way, and a count. On a terminal only; elsewhere one line per finished step."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._running: dict[str, None] = {}
        self._live = Live(console=console, refresh_per_second=8, transient=True) if console.is_terminal else None

    def __enter__(self) -> LiveProgress:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def hear(self, event: Event) -> None:
        """Take notice of a step's news."""
        if event.phase is Phase.STARTED:
            self._running[event.step] = None
        else:
            self._running.pop(event.step, None)
            if not event.step.startswith("observe") or event.phase is Phase.FAILED:
                self._print(event)
        if self._live:
            self._live.update(self._picture())

    def _print(self, event: Event) -> None:
        if not self._live:  # a line of a file needs no layout, and a large fleet has thousands
            if not self._console.quiet:
                detail = f" {event.detail}" if event.detail else ""
                self._console.file.write(f"{_MARKS[event.phase]} {event.step}{detail}\n")
            return
        detail = f" [dim]{escape(event.detail)}[/dim]" if event.detail else ""
        mark = f"[{_COLOURS[event.phase]}]{_MARKS[event.phase]}[/]"
        self._console.print(f"{mark} {escape(event.step)}{detail}", highlight=False, soft_wrap=True)

    def _picture(self) -> Table:
        table = Table.grid(padding=(0, 1))
        for step in list(self._running)[:8]:
            table.add_row(Spinner("dots", style="cyan"), Text(step))
        if len(self._running) > 8:
            table.add_row("", Text(f"and {len(self._running) - 8} more", style="dim"))
        return table
