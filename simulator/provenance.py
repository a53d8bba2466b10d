"""Where each rule of the simulator comes from.

A simulator is only worth what is known about the thing it stands for. Every route and every rule therefore carries
how it is known and where that can be read; the ledger of all of them is what this module collects.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar


class Provenance(StrEnum):
    """How a rule is known, from the strongest evidence to the weakest."""

    RECORDED = "recorded"
    """Seen in a recording of the real service, or measured against the real program."""
    DOCUMENTED = "documented"
    """Stated by the vendor's documentation."""
    REPORTED = "reported"
    """Pasted or described by users in a public thread."""
    ASSUMED = "assumed"
    """Nobody told; the most likely behaviour."""


@dataclass(frozen=True, order=True)
class Rule:
    """One thing that the simulator does as the real service does it."""

    area: str
    text: str
    provenance: Provenance
    source: str


LEDGER: dict[Rule, object] = {}
"""Every rule of the modules imported so far, and what implements it: a function, a route, a row of a table."""


@dataclass(frozen=True, order=True)
class Doubt:
    """Where the sources are silent or contradict each other, and what the simulator does all the same."""

    area: str
    question: str
    """What is not known, or who says what."""
    chosen: str
    """What the simulator does."""
    source: str


DOUBTS: set[Doubt] = set()
"""Every doubt of the modules imported so far."""

Function = TypeVar("Function", bound=Callable[..., object])


def rule(area: str, text: str, provenance: Provenance, source: str) -> Callable[[Function], Function]:
    """Enter the decorated function into the ledger as the implementation of a rule.

    ``area`` is the service (``graph``, ``arm``, ``entra``, ``key vault``, ``kubernetes``, ``webhook``), ``source``
    names the recording, page or thread. The function itself is returned unchanged.
    """

    def enter(function: Function) -> Function:
        LEDGER[Rule(area, text, provenance, source)] = function
        return function

    return enter


def doubt(area: str, question: str, chosen: str, source: str) -> Callable[[Function], Function]:
    """Note beside the decorated function that what it does in this point is not known for certain."""

    def enter(function: Function) -> Function:
        DOUBTS.add(Doubt(area, question, chosen, source))
        return function

    return enter
