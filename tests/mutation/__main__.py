"""Switch off every rule of the simulator, one at a time, and see that a test turns red: ``python -m tests.mutation``.

First the tests run once, and note which rules each applies. Then, for every way of switching a rule off, a process is
forked that does so and runs the tests that apply the rule: those of the flows and of real clients first, then those
of the wire contract, until one fails. The run ends with 1 where no test notices, or only one of the wire contract
does: unless no well-behaved client can come to apply the rule, and :mod:`.rude` says so. At last each test that has
turned red is run once more with all rules kept, and must pass.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from . import judging, recording, report
from .switches import all_switches


def main() -> int:
    """Run; 0 where every rule is defended."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("--only", default="", help="rules whose name has this text")
    parser.add_argument("--record", type=Path, help="keep in, or take from, this folder what each test applies")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--json", type=Path, help="write the table here too")
    given = parser.parse_args()
    with TemporaryDirectory() as scratch:
        record = given.record or Path(scratch)
        tests = recording.read(record) or recording.make(record)
        chosen = [switch for switch in all_switches() if given.only in switch.name and switch.rule.area != "control"]
        verdicts = judging.judge(chosen, tests, jobs=given.jobs, tell=report.progress(len(chosen)))
        verdicts = judging.control(verdicts, tests, jobs=given.jobs)
    report.table(verdicts)
    if given.json:
        given.json.write_text(json.dumps([verdict.as_row() for verdict in verdicts], indent=1), encoding="utf-8")
    return 0 if verdicts and not any(verdict.complaint for verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
