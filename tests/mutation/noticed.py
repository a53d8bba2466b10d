"""Which test noticed each switch the last time: it is asked first, and mostly no other needs to be.

Only a hint. Where that test stays green, or is gone, all others that apply the rule are asked as if there were none;
and like every other it is believed only if it stays green while nothing is switched off.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from .judging import Verdict
from .recording import Test

COMMITTED = Path(__file__).with_suffix(".json")
"""The hints of every run; ``--learn`` writes them anew."""

_SECONDS = 30.0
"""How long such a test takes at most, undisturbed: no run has measured it here."""


def read(path: Path) -> dict[str, Test]:
    """The tests by the names of the switches; none where there is no file."""
    hints: dict[str, str] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return {switch: Test(test, _SECONDS, frozenset()) for switch, test in hints.items()}


def write(path: Path, known: Mapping[str, Test], verdicts: Iterable[Verdict], switches: Iterable[str]) -> None:
    """What is known by now, of the switches that there are."""
    hints = {switch: test.name for switch, test in known.items()}
    hints |= {verdict.switch.name: verdict.test for verdict in verdicts if verdict.test and verdict.sound}
    kept = {switch: hints[switch] for switch in switches if switch in hints}
    text = json.dumps(kept, indent=0, sort_keys=True, ensure_ascii=False)
    path.write_text(f"{text}\n", encoding="utf-8")
