"""Which rules each test applies, as one run of the tests has noted it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.conftest import ROOT

JUDGES = ("tests/integration", "tests/clients", "--ignore", "tests/integration/test_simulator.py")
"""What is run and may judge. What is left out starts the simulator as a process of its own, which no switch reaches."""

OPTIONS = ("-m", "not crash and not storm", "--timeout", "300")
"""Real clients judge too."""

KINDS = (
    ("flow", ("tests/integration/chain/", "tests/integration/migration/", "tests/end_to_end/")),
    (
        "client",
        ("tests/clients/", "tests/integration/clients/", "tests/integration/kubernetes/test_kubernetes_clients.py"),
    ),
    ("contract", ("tests/",)),
)
"""What a test is, by where it lives: one of our flows, of an unmodified client, or of the wire contract alone."""


@dataclass(frozen=True)
class Test:
    """One test that passes."""

    __test__ = False  # pytest: a value, not a test

    name: str
    """pytest's node id."""
    seconds: float
    """How long it takes alone, when it sets up by itself what the tests of its file share."""
    rules: frozenset[str]

    @property
    def file(self) -> str:
        """Where it stands."""
        return self.name.partition("::")[0]

    @property
    def kind(self) -> str:
        """Of :data:`KINDS`."""
        return kind_of(self.name)


def kind_of(name: str) -> str:
    """The kind of the test with this node id."""
    return next(kind for kind, places in KINDS if name.startswith(places))


def read(folder: Path) -> list[Test]:
    """What an earlier run has noted there; nothing where there was none."""
    lines = [line for path in sorted(folder.glob("*.jsonl")) for line in path.read_text(encoding="utf-8").splitlines()]
    noted = [json.loads(line) for line in lines]
    tests = [Test(one["test"], one["seconds"], frozenset(one["rules"])) for one in noted]
    longest = {file: max(test.seconds for test in tests if test.file == file) for file in {test.file for test in tests}}
    # Of a file's tests mostly the first takes longest, since it has set up what all of them share.
    return [replace(test, seconds=test.seconds + longest[test.file]) for test in tests]


def make(folder: Path) -> list[Test]:
    """Run the tests once, and those that failed once more. What fails twice judges nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    print("Running the tests once, noting which rules each applies", flush=True)
    ended = _run(folder, "-n", "2", "--dist", "loadscope")
    if ended == pytest.ExitCode.TESTS_FAILED:
        _run(folder, "--last-failed")
    elif ended != pytest.ExitCode.OK:
        message = f"the tests could not be run: pytest ended with {ended}"
        raise SystemExit(message)
    return read(folder)


def _run(folder: Path, *options: str) -> int:
    command = [sys.executable, "-m", "pytest", "-p", "tests.mutation.touched", *OPTIONS, *options, *JUDGES]
    environment = {**os.environ, "WORKLOAD_IDENTITY_TOUCHED": str(folder)}
    return subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, check=False).returncode
