"""A large plan is applied group by group: what comes after something waits for it, and a failure takes only that along.

Without Prefect: a group's task run is a call, a change an answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from clients.errors import Denied, Transient
from clients.waiting import Patience
from fleet.changes import Change
from fleet.plan import plan
from flows import applying, runs

from .worlds import a_fleet, application, deployment, empty, workload


@dataclass
class Bench:
    """What was carried out, in which order, and what goes wrong, by key: each error once."""

    done: list[str] = field(default_factory=list)
    errors: dict[str, list[Exception]] = field(default_factory=dict)
    groups: dict[str, list[str]] = field(default_factory=dict)

    async def carry_out(self, key: str) -> dict[str, str]:
        await asyncio.sleep(0)
        if self.errors.get(key):
            raise self.errors[key].pop(0)
        self.done.append(key)
        return {}


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    bench = Bench()

    async def no_pause(_: float) -> None:
        await asyncio.sleep(0)

    async def apply_group(title: str, name: str, *, return_state: bool) -> Any:
        assert return_state
        bench.groups[title] = await runs.WORK.get().groups[name]()
        return SimpleNamespace(message="")

    @asynccontextmanager
    async def no_bar(what: str, total: int) -> AsyncIterator[Callable[[], None]]:
        assert (what, total > 0) == ("changes", True)
        yield lambda: None

    clients: Any = SimpleNamespace(patience=Patience(sleep=no_pause))
    runs.WORK.set(runs.Work(clients, a_fleet()))
    monkeypatch.setattr(applying, "_ONE_BY_ONE", 0)
    monkeypatch.setattr(applying, "apply_group", apply_group)
    monkeypatch.setattr(applying, "carry_out_change", bench.carry_out)
    monkeypatch.setattr(applying.artifacts, "progress", no_bar)
    return bench


def changes() -> tuple[Change, ...]:
    """Three workloads from nothing, two of which share an identity."""
    fleet = a_fleet(
        identities=[application(), application("other")],
        workloads=[
            workload(deployment=deployment()),
            workload("second", namespace="elsewhere"),
            workload("third", identity="other", namespace="third"),
        ],
    )
    return plan(fleet, empty()).changes


async def test_every_change_is_applied_after_what_it_comes_after(bench: Bench) -> None:
    planned = changes()
    outcomes = await applying.apply(planned)
    assert [outcome.change.key for outcome in outcomes] == [change.key for change in planned]
    assert not [outcome for outcome in outcomes if outcome.error]
    for change in planned:
        for key in change.after:
            assert bench.done.index(key) < bench.done.index(change.key)


async def test_a_group_is_one_task_run_named_after_it(bench: Bench) -> None:
    await applying.apply(changes())
    assert "workload space/account, 4 changes" in bench.groups
    assert len(bench.groups) == len({change.group for change in changes()})
    assert not any(bench.groups.values())


async def test_a_failure_skips_what_comes_after_it_and_nothing_else(bench: Bench) -> None:
    broken = "service-account:one/third/third"
    bench.errors[broken] = [Denied("account", "is refused")]
    outcomes = {outcome.change.key: outcome for outcome in await applying.apply(changes())}
    assert "is refused" in (outcomes[broken].error or "")
    behind = {change.key for change in changes() if broken in change.after}
    assert {key for key, outcome in outcomes.items() if outcome.error} == {broken} | behind
    assert all(outcomes[key].skipped for key in behind)


async def test_a_failure_reaches_across_groups(bench: Bench) -> None:
    bench.errors["cluster:one"] = [Denied("cluster", "is refused")]
    outcomes = {outcome.change.key: outcome for outcome in await applying.apply(changes())}
    assert outcomes["federated-credential:app/one/space/account"].skipped
    assert outcomes["application:app"].error is None
    (failed,) = [failures for title, failures in bench.groups.items() if title.startswith("cluster one")]
    assert "is refused" in failed[0]


async def test_a_change_that_failed_in_passing_is_tried_again(bench: Bench) -> None:
    bench.errors["application:app"] = [Transient("directory", "is busy"), Transient("directory", "is busy")]
    outcomes = await applying.apply(changes())
    assert not [outcome for outcome in outcomes if outcome.error]
    assert bench.done.count("application:app") == 1


async def test_what_comes_after_an_earlier_failure_is_skipped(bench: Bench) -> None:
    planned = changes()
    first, rest = planned[0], planned[1:]
    outcomes = await applying.apply(rest, earlier=[applying.Outcome(first, "denied")])
    skipped = {outcome.change.key for outcome in outcomes if outcome.skipped}
    assert {change.key for change in rest if first.key in change.after} <= skipped
    assert first.key not in bench.done
