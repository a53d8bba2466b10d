"""Runs, for each switch, the tests that could notice it, in a forked process of its own."""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from tempfile import TemporaryFile
from typing import IO, Any

import pytest

from tests.conftest import ROOT

from .recording import OPTIONS, Test, kind_of
from .rude import RUDE
from .switches import Switch
from .touched import name_of

_NEAREST, _ALIKE, _WIDEST = 10, 4, 4
"""Of the tests of flows and clients that apply a rule: how many that seem to be about it, or to be about little else,
are asked, and how many of these from one file; and then how many that apply the most rules of all, each from another
file, since these look at the whole chain."""
_FEW, _WORD = 10, 4
"""To so many rules that a test applies none are added; and how many times nearer one word makes it."""
_SECONDS = 20
"""Of one test at least: a rule that is off may leave a client waiting, which is noticed too."""
_SLOWER = 4
"""How many times as long as when it was recorded a test may take, before it counts as waiting."""


@dataclass(frozen=True)
class Verdict:
    """What became of one switch."""

    switch: Switch
    kind: str
    """Which kind of test noticed, '' for none."""
    test: str
    asked: int
    """How many tests could be asked."""
    sound: bool = True
    """Whether the test stays green while nothing is switched off."""

    @property
    def complaint(self) -> str:
        """What is wrong with it, '' where all is well."""
        if not self.test:
            return "SURVIVED"
        if not self.sound:
            return f"{self.test} FAILS ANYWAY"
        listed = self.switch.name in RUDE
        if self.kind == "contract":
            return "" if listed else "ONLY THE CONTRACT NOTICES"
        return "NOTICED, AND YET LISTED AS RUDE" if listed else ""

    def as_row(self) -> dict[str, Any]:
        """For the JSON file."""
        rule = asdict(self.switch.rule)
        told = {"kind": self.kind, "test": self.test, "asked": self.asked, "complaint": self.complaint}
        return {**rule, "off": self.switch.means, **told}


def judge(
    switches: Sequence[Switch], tests: Iterable[Test], *, jobs: int, tell: Callable[[Verdict], None]
) -> list[Verdict]:
    """The verdicts, in the order of the switches; ``tell`` hears each as it falls."""
    tests = list(tests)
    _import(tests)
    concerned = [[test for test in tests if name_of(switch.rule) in test.rules] for switch in switches]
    orders = [_in_order(switch.name, own) for switch, own in zip(switches, concerned, strict=True)]
    verdicts: dict[int, Verdict] = {}
    for at, red in _in_forks([(switch.throw, order) for switch, order in zip(switches, orders, strict=True)], jobs):
        verdicts[at] = _verdict(switches[at], red, len(concerned[at]))
        tell(verdicts[at])
    return [verdicts[at] for at in range(len(switches))]


def ask_again(
    switches: Sequence[Switch], noticed: Mapping[str, Test], *, jobs: int, tell: Callable[[Verdict], None]
) -> list[Verdict]:
    """The verdicts on those switches that the test turns red at which noticed them the last time, and that are well.

    Nothing follows from the silence of that test: all the others are to be asked then.
    """
    known = [switch for switch in switches if switch.name in noticed]
    hints = [noticed[switch.name] for switch in known]
    _import(hints)
    verdicts: dict[int, Verdict] = {}
    for at, red in _in_forks([(switch.throw, [[hint]]) for switch, hint in zip(known, hints, strict=True)], jobs):
        verdict = _verdict(known[at], red, 1)
        if not verdict.complaint:
            verdicts[at] = verdict
            tell(verdict)
    return [verdicts[at] for at in sorted(verdicts)]


def _verdict(switch: Switch, red: str, asked: int) -> Verdict:
    return Verdict(switch, kind_of(red) if red else "", red, asked)


def control(verdicts: Sequence[Verdict], tests: Iterable[Test], *, jobs: int) -> list[Verdict]:
    """The verdicts again, without belief in a test that turns red, alone, with nothing switched off."""
    named = {verdict.test for verdict in verdicts}
    believed = [test for test in tests if test.name in named]
    reds = {red for _, red in _in_forks([(_throw_nothing, [[test]]) for test in believed], jobs)}
    return [replace(verdict, sound=verdict.test not in reds or not verdict.test) for verdict in verdicts]


def _throw_nothing() -> None:
    """All rules are kept."""


_Order = Sequence[Sequence[Test]]
"""Groups of tests, one to be asked after the other."""


def _in_forks(tasks: Sequence[tuple[Callable[[], None], _Order]], jobs: int) -> Iterator[tuple[int, str]]:
    """By the number of the task, as each ends: which of its tests turned red first after its call, '' for none."""
    waiting = list(range(len(tasks)))[::-1]
    running: dict[int, tuple[int, IO[str]]] = {}
    while waiting or running:
        while waiting and len(running) < jobs:
            at = waiting.pop()
            process, results = _fork(*tasks[at])
            running[process] = (at, results)
        process, _ = os.wait()
        at, results = running.pop(process)
        with results:
            results.seek(0)
            red, *modules = results.read().split("\n")
        _import_too(modules)
        yield at, red


def _import(tests: Iterable[Test]) -> None:
    """Once here, so that the forked processes need not."""
    files = sorted(file for file in {test.file for test in tests} if (ROOT / file).exists())
    with _silence():
        pytest.main(["--collect-only", "-q", "-p", "no:cacheprovider", *OPTIONS, *files])


def _import_too(modules: Iterable[str]) -> None:
    """What a test has imported only as it ran, for the sake of those that come after it."""
    for module in modules:
        with contextlib.suppress(ImportError):
            importlib.import_module(module)


def _fork(throw: Callable[[], None], order: _Order) -> tuple[int, IO[str]]:
    """The process, and what to read when it has ended: the test that turned red, if any; then what it has imported."""
    results = TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - whoever reads it closes it
    if process := os.fork():
        return process, results
    try:
        before = set(sys.modules)
        throw()
        with _silence():
            noticed = next(filter(None, map(_red_among, order)), "")
        results.write("\n".join([noticed, *_installed(name for name in list(sys.modules) if name not in before)]))
        results.flush()
    finally:
        os._exit(0)


def _installed(modules: Iterable[str]) -> list[str]:
    """Those of other people's packages, in their order. Ours have been imported; what a switch reached stays there."""
    found = {name: getattr(sys.modules[name], "__file__", None) or "" for name in modules}
    return [name for name, file in found.items() if "site-packages" in file]


def _in_order(name: str, concerned: Sequence[Test]) -> _Order:
    """Those of flows and clients before those of the wire contract, and the nearest to the rule first."""
    near = partial(_distance, name)
    ours = sorted((test for test in concerned if test.kind != "contract"), key=near)
    nearest = _of_each_file(ours, _ALIKE)[:_NEAREST]
    others = sorted((test for test in ours if test not in nearest), key=lambda test: len(test.rules), reverse=True)
    contract = sorted((test for test in concerned if test.kind == "contract"), key=near)
    return [nearest + _of_each_file(others, 1)[:_WIDEST], contract]


def _of_each_file(tests: Iterable[Test], most: int) -> list[Test]:
    """The first so many tests of each file, in their order."""
    seen: Counter[str] = Counter()
    kept = []
    for test in tests:
        seen[test.file] += 1
        if seen[test.file] <= most:
            kept.append(test)
    return kept


def _distance(name: str, test: Test) -> float:
    """The quicker a test is and the fewer rules it applies, the nearer; and above all, the more words it shares."""
    shared = len(_words(name) & _words(test.name.partition("::")[2]))
    return float(test.seconds * (_FEW + len(test.rules)) / _WORD**shared)


def _words(text: str) -> set[str]:
    """Those that say something, without their endings."""
    return {word[:5] for word in re.findall(r"[a-z]{4,}", text.lower())}


def _red_among(tests: Sequence[Test]) -> str:
    """The first test that fails, or hangs, with the rule switched off."""
    if not tests:
        return ""
    listener = _Listener({test.name: max(_SECONDS, _SLOWER * test.seconds) for test in tests})
    options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *OPTIONS]
    pytest.main([*options, *(test.name for test in tests)], plugins=[listener])
    return listener.red


class _Listener:
    """Gives each test its time, and hears which was the first to fail."""

    def __init__(self, seconds: Mapping[str, float]) -> None:
        self.red = ""
        self._seconds = seconds

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """One that hangs has failed."""
        for item in items:
            item.add_marker(pytest.mark.timeout(self._seconds.get(item.nodeid, _SECONDS)), append=False)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A failure in set-up or teardown counts as well."""
        if report.failed and not self.red:
            self.red = report.nodeid


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Nothing that tests or dying servers print comes through."""
    sys.stdout.flush()
    kept = [os.dup(1), os.dup(2)]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        for target in (1, 2):
            os.dup2(nowhere, target)
        yield
    finally:
        for target, original in zip((1, 2), kept, strict=True):
            os.dup2(original, target)
