"""A pytest plugin that writes down which rules of the simulator each test applies: ``-p tests.mutation.touched``.

A line of JSON for each test that passed, into a file of its own per process below the directory named by
``WORKLOAD_IDENTITY_TOUCHED``.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from simulator.azure import entra_errors
from simulator.provenance import LEDGER, Rule
from simulator.routing import Route, Routes

_touched: set[str] = set()
_failed = False


def name_of(rule: Rule) -> str:
    """How a rule is called in the file."""
    return f"{rule.area}: {rule.text}"


def _note(rule: Rule) -> None:
    _touched.add(name_of(rule))


def pytest_collection_finish() -> None:
    """Watch every rule, once the tests' own set-up of this process is done."""
    from .switches import all_switches, watch

    all_switches()  # imports all of the simulator
    rules = {id(implementation): rule for rule, implementation in LEDGER.items()}
    for rule in list(LEDGER):
        watch(rule, _note)
    _watch_routes(rules)
    _watch_rows(rules)


def _watch_routes(rules: dict[int, Rule]) -> None:
    find: Callable[..., Any] = Routes.find

    def finding(table: Routes, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        found: tuple[Route, dict[str, str]] | None = find(table, method, path)
        if found is not None:
            _note(rules[id(found[0])])
        return found

    setattr(Routes, "find", finding)  # noqa: B010 - not an assignment that a type checker should approve of


def _watch_rows(rules: dict[int, Rule]) -> None:
    class Watched(dict[int, entra_errors.Failure]):
        def __getitem__(self, code: int) -> entra_errors.Failure:
            row = super().__getitem__(code)
            _note(rules[id(row)])
            return row

    entra_errors.FAILURES = Watched(entra_errors.FAILURES)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Write the test's line."""
    global _failed
    _touched.clear()
    _failed = False
    began = time.perf_counter()
    yield
    if not _failed:
        line = {"test": item.nodeid, "seconds": time.perf_counter() - began, "rules": sorted(_touched)}
        path = Path(os.environ["WORKLOAD_IDENTITY_TOUCHED"]) / f"{os.getpid()}.jsonl"
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """A test that fails anyway, or is skipped, judges nothing."""
    global _failed
    _failed = _failed or not report.passed
