"""Switch off every rule of the simulator, one at a time, and see that a test turns red: ``python -m tests.mutation``.

For every way of switching a rule off, a process is forked that does so, and runs the test that noticed it the last
time. Where that stays green, or nobody did, the tests run once and note which rules each applies; and a process is
forked that runs the tests that apply the rule: those of the flows and of real clients first, then those of the wire
contract, until one fails. The run ends with 1 where no test notices, or only one of the wire contract does: unless no
well-behaved client can come to apply the rule, and :mod:`.rude` says so. At last each test that has turned red is run
once more with all rules kept, and must pass.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from . import judging, noticed, recording, report
from .judging import Verdict
from .recording import Test
from .switches import Switch, all_switches


def main() -> int:
    """Run; 0 where every rule is defended."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("--only", default="", help="rules whose name has this text")
    parser.add_argument("--noticed", type=Path, default=noticed.COMMITTED, help="which test noticed each the last time")
    parser.add_argument("--learn", action="store_true", help="write down there which test has noticed each now")
    parser.add_argument("--record", type=Path, help="keep in, or take from, this folder what each test applies")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--json", type=Path, help="write the table here too")
    given = parser.parse_args()
    every = all_switches()
    chosen = [switch for switch in every if given.only in switch.name and switch.rule.area != "control"]
    hints = noticed.read(given.noticed)
    verdicts = run(chosen, hints, given.record, given.jobs)
    report.table(verdicts)
    if given.json:
        given.json.write_text(json.dumps([verdict.as_row() for verdict in verdicts], indent=1), encoding="utf-8")
    if given.learn:
        noticed.write(given.noticed, hints, verdicts, [switch.name for switch in every])
    return 0 if verdicts and not any(verdict.complaint for verdict in verdicts) else 1


def run(switches: Sequence[Switch], hints: Mapping[str, Test], record: Path | None, jobs: int) -> list[Verdict]:
    """A verdict on each switch, in their order. What each test applies is found out only if a hint does not do."""
    tell = report.progress(len(switches))
    verdicts = judging.ask_again(switches, hints, jobs=jobs, tell=tell)
    tests = {verdict.test: hints[verdict.switch.name] for verdict in verdicts}
    judged = {verdict.switch.name for verdict in verdicts}
    if rest := [switch for switch in switches if switch.name not in judged]:
        with TemporaryDirectory() as scratch:
            folder = record or Path(scratch)
            recorded = recording.read(folder) or recording.make(folder)
        verdicts += judging.judge(rest, recorded, jobs=jobs, tell=tell)
        tests |= {test.name: test for test in recorded}
    verdicts = judging.control(verdicts, tests.values(), jobs=jobs)
    place = {switch.name: at for at, switch in enumerate(switches)}
    return sorted(verdicts, key=lambda verdict: place[verdict.switch.name])


if __name__ == "__main__":
    sys.exit(main())
