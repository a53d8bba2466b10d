"""The faults by name. Each is a function that does to a chain what people do by accident."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from .chain import Chain, NotBreakable, find

if TYPE_CHECKING:
    from simulator.simulation import Simulation

Deed = Callable[[Chain], Awaitable[None]]


@dataclass(frozen=True)
class Breakage:
    """One fault."""

    name: str
    link: str
    """Which link of the chain it breaks."""
    does: str
    """What is wrong afterwards, as a sentence without its full stop."""
    deed: Deed


LINKS = (
    "cluster",
    "webhook",
    "identity",
    "federated credential",
    "ServiceAccount",
    "workload",
    "vault",
    "secret",
)
"""In the order of the chain."""

CATALOGUE: dict[str, Breakage] = {}
"""Every fault by its name."""

_WIDTH = 130
"""Columns where nobody looks at a terminal."""


def breakage(name: str, link: str, does: str) -> Callable[[Deed], Deed]:
    """Enter the decorated function into the catalogue."""

    def enter(deed: Deed) -> Deed:
        CATALOGUE[name] = Breakage(name, link, does, deed)
        return deed

    return enter


async def break_(simulation: Simulation, name: str, subject: str) -> str:
    """Do it to the chain of ``subject``, NAMESPACE/SERVICE_ACCOUNT; '' is the only one there is.

    Returns what was done. Raises :class:`NotBreakable`, and then nothing was changed.
    """
    if name not in CATALOGUE:
        message = f"there is no fault '{name}': workload-identity simulate break lists them"
        raise NotBreakable(message)
    chain = find(simulation, subject)
    await CATALOGUE[name].deed(chain)
    return f"{chain}: {CATALOGUE[name].does}"


def tell(console: Console | None = None) -> None:
    """Print the catalogue, by the chain's links."""
    console = console or Console(width=None if sys.stdout.isatty() else _WIDTH)
    table = Table("link", "fault", "what is wrong afterwards", box=None, padding=(0, 2, 0, 0), header_style="bold")
    for one in sorted(CATALOGUE.values(), key=lambda one: LINKS.index(one.link)):
        table.add_row(one.link, one.name, one.does)
    console.print(table)


__all__ = ["CATALOGUE", "Breakage", "NotBreakable", "break_", "breakage", "tell"]
