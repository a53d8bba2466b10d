"""What a reconcile costs: time beside its lower bound, requests, CPU and memory, and the same done with az by hand."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from fleet.spec import IdentityKind, VaultAuthorization
from tests.clients.terminal import CLIENTS
from tests.conftest import DEMO_FLEET, ROOT

from . import fleets
from .figures import Figure
from .served import Asked, Measured, ServedCloud, served

OURS = Path(sys.executable).parent / "workload-identity"
TUTORIAL = ROOT / "tests" / "clients" / "tutorial.sh"
ONE_MORE = Path(__file__).parent / "one_more_workload.sh"
SIZES = tuple(int(size) for size in os.environ.get("BENCH_SIZES", "1,10,100,1000").split(","))
LARGEST = int(os.environ.get("BENCH_LARGEST", "10000"))
LATENCIES = (0.0, 0.1)
_SMALL = 10
"""Workloads of which a run is measured three times."""
_BY_HAND = 4
"""Workloads that the script sets up, from which its time for 100 follows."""


@dataclass(frozen=True)
class Costs:
    """A first reconcile, and one after it that finds nothing to change."""

    first: Measured
    again: Measured


def figures() -> Iterator[Figure]:
    """All of them, in one run against one Prefect server."""
    with _home() as home:
        costs: dict[tuple[int, float], Costs] = {}
        yield _help()
        for latency in LATENCIES:
            for size in SIZES:
                costs[size, latency] = _reconciled(home, size, latency)
                yield _first_reconcile(costs, size, latency)
        yield _own_cpu(costs)
        yield from _starts(home)
        yield from _without_changes(home, costs)
        yield from _beside_az(home, costs)


@contextmanager
def _home() -> Iterator[Path]:
    """A home with a Prefect server that runs already."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        (home / "fleets").mkdir()
        for size in {*SIZES, LARGEST}:
            for authorization in VaultAuthorization:
                content = fleets.document(size, 10, 50, IdentityKind.APPLICATION, authorization)
                _fleet(home, size, authorization).write_text(yaml.safe_dump(content), encoding="utf-8")
        try:
            with served(fleets.cloud(10)) as cloud:
                _run(cloud, home, "reconcile", _fleet(home, min(SIZES)))
            yield home
        finally:
            subprocess.run([OURS, "stop"], env={**os.environ, **_variables(home)}, check=True, capture_output=True)


def _fleet(home: Path, size: int, authorization: VaultAuthorization = VaultAuthorization.RBAC) -> Path:
    return home / "fleets" / f"{authorization}-{size}.yaml"


def _variables(home: Path) -> dict[str, str]:
    return {"WORKLOAD_IDENTITY_HOME": str(home), fleets.SECRET_VARIABLE: "a value"}


def _run(cloud: ServedCloud, home: Path, command: str, *arguments: str | Path, expected: int = 0) -> Measured:
    return cloud.run(OURS, command, *arguments, expected=expected, **_variables(home))


def _reconciled(home: Path, size: int, latency: float) -> Costs:
    """The middle one of several, where they are short."""
    runs = []
    for _ in range(3 if size <= _SMALL else 1):
        with served(fleets.cloud(10), latency) as cloud:
            first = _run(cloud, home, "reconcile", _fleet(home, size))
            runs.append(Costs(first, _run(cloud, home, "reconcile", _fleet(home, size))))
    return sorted(runs, key=lambda costs: costs.first.seconds - costs.again.seconds)[len(runs) // 2]


def _help() -> Figure:
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        subprocess.run([OURS, "--help"], check=True, capture_output=True)
        seconds.append(time.perf_counter() - began)
    return Figure("workload-identity --help", sorted(seconds)[2], "s", 0.3, "below", "median of 5")


def _starts(home: Path) -> Iterator[Figure]:
    """From the command to its first request."""
    with served(fleets.cloud(10)) as cloud:
        for command, bound, code in (("plan", 2.0, 2), ("reconcile", 4.0, 0)):
            runs = [_run(cloud, home, command, _fleet(home, min(SIZES)), expected=code) for _ in range(3)]
            if command == "plan":
                assert "to create" in runs[0].out
            middle = sorted(one.until_first for one in runs)[1]
            yield Figure(f"{command}: start to first request", middle, "s", bound, "below", "median of 3")


def _first_reconcile(costs: dict[tuple[int, float], Costs], size: int, latency: float) -> Figure:
    cost, idle = costs[size, latency], costs[min(SIZES), 0.0].again.seconds
    depth, chain = _chain(costs[min(SIZES), latency].first.asked)
    throttled = _throttled([*cost.first.asked, *cost.first.steps])
    bound = max(chain, throttled)
    which = f"{depth} requests in a row" if chain >= throttled else "requests ÷ documented throttle"
    sent = f"{len(cost.first.asked):,} sent, {len(cost.first.steps):,} in their batches"
    how = f"1.3 × {bound:.1f} s ({which}) + {idle:.1f} s (a run with nothing to do); {sent}"
    name = f"first reconcile, {size:,} workloads, {latency * 1000:.0f} ms"
    return Figure(name, cost.first.seconds, "s", 1.3 * bound + idle, "below", how)


def _own_cpu(costs: dict[tuple[int, float], Costs]) -> Figure:
    size = max(SIZES)
    cost = costs[size, 0.0]
    cpu = (cost.first.cpu - cost.again.cpu) / size * 1000
    how = f"first reconcile of {size:,}, less one without"
    return Figure("own CPU per changed workload", cpu, "ms", 60, "below", how)


def _without_changes(home: Path, costs: dict[tuple[int, float], Costs]) -> Iterator[Figure]:
    size = max(SIZES)
    again = costs[size, max(LATENCIES)].again
    name = f"reconcile without changes, {size:,} workloads, {max(LATENCIES) * 1000:.0f} ms"
    yield Figure(f"{name}: requests", len(again.asked), "", 100, "below", "10 clusters, 50 vaults")
    yield Figure(f"{name}: time", again.seconds, "s", 10, "below", "from command to exit, Prefect server running")
    small, large = _settled(home, size), _settled(home, LARGEST)
    times = LARGEST / size * 1.1
    how = f"{LARGEST:,} workloads ÷ {size:,}, nothing to change, 0 ms"
    yield Figure("growth of requests", len(large.asked) / len(small.asked), "×", times, "below", how)
    yield Figure("growth of time", large.seconds / small.seconds, "×", times, "below", how)
    yield Figure(f"memory at {LARGEST:,} workloads", large.memory / 1e6, "MB", 500, "below", "of the command")


def _settled(home: Path, size: int) -> Measured:
    """A reconcile of a fleet of which everything is there and proven. By access policies: roles end at 4,000."""
    fleet = _fleet(home, size, VaultAuthorization.ACCESS_POLICY)
    with tempfile.TemporaryDirectory() as name:
        snapshot = Path(name) / "snapshot.json"
        holding = [sys.executable, "-m", "tests.benchmarks.holding", str(size), str(snapshot)]
        subprocess.run(holding, cwd=ROOT, check=True, capture_output=True)
        with served(fleets.cloud(10)) as cloud:
            cloud.restore(snapshot)
            _run(cloud, home, "reconcile", fleet)
            return _run(cloud, home, "reconcile", fleet)


def _beside_az(home: Path, costs: dict[tuple[int, float], Costs]) -> Iterator[Figure]:
    """The tutorial's script, and its part for one more workload again and again."""
    if not (CLIENTS / "azure-cli").exists():
        subprocess.run([ROOT / "tests" / "clients" / "install.sh"], check=True, capture_output=True)
    path = {"PATH": f"{OURS.parent}{os.pathsep}{CLIENTS / 'azure-cli' / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    with served() as cloud:
        by_hand = cloud.run("bash", TUTORIAL, HOME=str(home), **path)
    with served() as cloud:
        ours = _run(cloud, home, "reconcile", DEMO_FLEET)
    how = f"{by_hand.seconds:.0f} s ÷ {ours.seconds:.1f} s, from command to exit, 0 ms"
    yield Figure("the tutorial by az, beside reconcile", by_hand.seconds / ours.seconds, "×", 3, "above", how)
    if (100, 0.1) in costs:
        with served(latency=0.1) as cloud:
            cloud.run("bash", TUTORIAL, HOME=str(home), **path)
            more = cloud.run("bash", ONE_MORE, str(_BY_HAND), HOME=str(home), **path)
        seconds, took = more.seconds / _BY_HAND * 100, costs[100, 0.1].first.seconds
        how = f"{more.seconds:.0f} s for {_BY_HAND} workloads × {100 // _BY_HAND} ÷ {took:.1f} s, 100 ms"
        yield Figure("100 workloads by az, beside reconcile", seconds / took, "×", 60, "above", how)


def _chain(asked: Sequence[Asked]) -> tuple[int, float]:
    """How many requests came one after the other, at most, and how many seconds the cloud took to answer those.

    Of a fleet of one workload: that is its longest dependent chain, with what each of its requests really took.
    """
    count, seconds, free_at = 0, 0.0, 0.0
    for one in sorted(asked, key=lambda one: one.answered):
        if one.begun >= free_at:
            count, seconds, free_at = count + 1, seconds + one.answered - one.begun, one.answered
    return count, seconds


def _throttled(asked: Iterable[Asked]) -> float:
    """Seconds for which the documented rates stretch these requests, the tightest of them (limits-and-errors, E1)."""
    rates = {"ARM reads": 25.0, "ARM writes": 10.0, "Graph": 350.0, "Graph writes": 20.0}
    counts = dict.fromkeys(rates, 0.0)
    for one in asked:
        writes = one.method in ("PUT", "PATCH", "POST", "DELETE")
        if one.host == "management.azure.com":
            counts["ARM writes" if writes else "ARM reads"] += 1
        elif one.host == "graph.microsoft.com" and not one.path.endswith("$batch"):
            counts["Graph"] += 1
            counts["Graph writes"] += writes
    return max(counts[name] / rate for name, rate in rates.items())
