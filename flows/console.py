"""What a person sees in the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from fleet.plan import Action, Change, Hold, Plan, shown
from fleet.proof import Proof
from tasks.chain import title

from .progress import Event, Phase
from .summary import Summary

_SIGNS = {Action.CREATE: "+", Action.UPDATE: "~", Action.RECOVER: "↺", Action.DELETE: "−"}
_COLOURS = {Action.CREATE: "green", Action.UPDATE: "yellow", Action.RECOVER: "cyan", Action.DELETE: "red"}
_MASK = "••••••••"
_KEPT_PROOFS_SHOWN = 10


def plan_table(changes: Iterable[Change]) -> Group:
    """Every change with its fields below it, in columns: the field, what it is, what it shall be."""
    lines: list[RenderableType] = []
    for change in changes:
        heading = Text.assemble((_SIGNS[change.action], _COLOURS[change.action]), " ", (title(change), "bold"))
        heading.append(f"  {change.reason}", style="dim")
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column(width=2)
        table.add_column(min_width=16, no_wrap=True)
        table.add_column(min_width=4, max_width=40, overflow="fold", style="dim")
        table.add_column(width=1)
        table.add_column(overflow="fold")
        for difference in change.differences if change.action is not Action.DELETE else ():
            table.add_row("", difference.field, shown(difference.old), "→", shown(difference.new))
        lines += [heading, table]
    return Group(*lines)


def show_plan(console: Console, plan: Plan, heading: str) -> None:
    """The plan as a table, and what is held."""
    if plan.changes:
        console.print(f"[bold]{heading}[/bold]")
        console.print(plan_table(plan.changes))
    else:
        console.print("Nothing to change, apart from what is held." if plan.holds else "Nothing to change.")
    reasons: dict[str, list[Hold]] = {}
    for hold in plan.holds:
        reasons.setdefault(hold.reason, []).append(hold)
    for reason, holds in reasons.items():
        style = "red" if any(hold.mistake for hold in holds) else "dim"
        keys = ", ".join(hold.key for hold in holds)
        console.print(f"[{style}]held[/{style}] {escape(keys)}: {escape(reason)}", soft_wrap=True)


def show_summary(console: Console, summary: Summary, ui: str | None, *, planned: bool = True) -> None:
    """What was applied, what failed, what is proven, and what it cost. Without ``planned`` there was no plan."""
    plan = summary.plan
    if planned:
        done = len(plan.changes) - len(summary.failures)
        show_plan(console, plan, f"Applied {done} of {len(plan.changes)} changes")
    for key, error in summary.failures.items():
        console.print(f"[red]failed[/red] {escape(key)}: {escape(error)}", soft_wrap=True)
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
        marks = {Phase.DONE: "[green]✓[/green]", Phase.FAILED: "[red]✗[/red]", Phase.SKIPPED: "[dim]·[/dim]"}
        detail = f" [dim]{escape(event.detail)}[/dim]" if event.detail else ""
        self._console.print(f"{marks[event.phase]} {escape(event.step)}{detail}", highlight=False, soft_wrap=True)

    def _picture(self) -> Table:
        table = Table.grid(padding=(0, 1))
        for step in list(self._running)[:8]:
            table.add_row(Spinner("dots", style="cyan"), Text(step))
        if len(self._running) > 8:
            table.add_row("", Text(f"and {len(self._running) - 8} more", style="dim"))
        return table
