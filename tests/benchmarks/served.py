"""A simulated cloud as a process of its own, and commands that are run in it and measured."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

from tests.conftest import ROOT

_SIMULATE = (sys.executable, "-m", "simulator")


@dataclass(frozen=True)
class Asked:
    """A request as the simulator saw it, its times in seconds since the command was entered."""

    begun: float
    answered: float
    method: str
    host: str
    path: str
    batched: bool
    """Whether it came inside another one, which holds several."""


@dataclass(frozen=True)
class Measured:
    """A command that was run to its end."""

    seconds: float
    """From the command to its exit."""
    cpu: float
    """Seconds of its own, and of the processes that it waited for."""
    memory: int
    """Bytes, at most."""
    asked: Sequence[Asked]
    """The requests, without what came inside a batch."""
    steps: Sequence[Asked]
    """What came inside of batches."""
    out: str

    @property
    def until_first(self) -> float:
        """Seconds until the first request."""
        return min(one.begun for one in self.asked)


@dataclass
class ServedCloud:
    """A cloud that runs."""

    directory: Path
    environment: Mapping[str, str]
    process: psutil.Process

    def run(self, *command: str | Path, expected: int = 0, **environment: str) -> Measured:
        """Run a command in this cloud. AssertionError where its exit code is another."""
        journal = self.directory / "requests.jsonl"
        before = journal.stat().st_size if journal.exists() else 0
        everything = {**os.environ, **self.environment, **environment}
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            entered = time.time()
            process = subprocess.Popen(
                [str(part) for part in command], env=everything, cwd=ROOT, stdout=out, stderr=err
            )
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.time() - entered
            out.seek(0)
            err.seek(0)
            process.returncode = os.waitstatus_to_exitcode(status)
            said = out.read().decode()
            assert process.returncode == expected, f"{command}: {said[-2000:]} {err.read().decode()[-2000:]}"
        with journal.open("rb") as file:
            file.seek(before)
            asked = [_asked(json.loads(line), entered) for line in file.read().splitlines()]
        return Measured(
            seconds,
            usage.ru_utime + usage.ru_stime,
            usage.ru_maxrss * 1024,
            asked=[one for one in asked if not one.batched],
            steps=[one for one in asked if one.batched],
            out=said,
        )

    def cpu_seconds(self) -> float:
        """What the simulator has used so far."""
        times = self.process.cpu_times()
        return times.user + times.system

    def restore(self, path: Path) -> None:
        """Go back to a snapshot."""
        subprocess.run([*_SIMULATE, "--directory", str(self.directory), "restore", str(path)], cwd=ROOT, check=True)


@contextmanager
def served(cloud: str | None = None, latency: float = 0.0) -> Iterator[ServedCloud]:
    """Serve a cloud in calm weather, every answer ``latency`` seconds late; ``cloud`` is the YAML of its beginning."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "weather.yaml").write_text(f"latency: {latency}\n", encoding="utf-8")
        simulate = [*_SIMULATE, "--directory", str(directory), "--weather", str(directory / "weather.yaml")]
        if cloud is not None:
            (directory / "cloud.yaml").write_text(cloud, encoding="utf-8")
            simulate += ["--cloud", str(directory / "cloud.yaml")]
        subprocess.run([*simulate, "--keep"], cwd=ROOT, check=True, capture_output=True)
        try:
            card = json.loads((directory / "running.json").read_text(encoding="utf-8"))
            yield ServedCloud(directory, card["environment"], psutil.Process(card["pid"]))
        finally:
            subprocess.run([*simulate, "stop"], cwd=ROOT, check=True, capture_output=True)


def _asked(entry: Mapping[str, Any], entered: float) -> Asked:
    answered = datetime.fromisoformat(entry["at"]).timestamp() - entered
    begun = answered - entry["milliseconds"] / 1000
    return Asked(begun, answered, entry["method"], entry["host"], entry["path"], entry["batched"])
