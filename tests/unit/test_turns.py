"""Whoever has the turn to change a fleet, and is dead, is told from who lives: on this host by its process."""

from __future__ import annotations

import os
import socket
from typing import Any
from uuid import uuid4

import psutil
import pytest
from prefect.client.schemas.objects import FlowRun, State
from prefect.exceptions import ObjectNotFound
from prefect.states import AwaitingRetry, Cancelled, Completed, Crashed, Failed, Running

from flows import kept, turns

RUN = str(uuid4())


class Client:
    """Knows the state of one run, or no run at all."""

    def __init__(self, state: State[Any] | None, attempt: int = 0) -> None:
        self._state, self._attempt = state, attempt
        self.told: list[State[Any]] = []

    async def set_flow_run_state(self, run: Any, state: State[Any], *, force: bool) -> None:
        assert force
        self.told.append(state)

    async def read_flow_run(self, run: Any) -> FlowRun:
        if self._state is None:
            raise ObjectNotFound(RuntimeError("no such run"))
        return FlowRun(id=run, flow_id=uuid4(), state=self._state, run_count=self._attempt)


def card(host: str, **process: Any) -> turns.Card:
    return turns.Card(lease="a lease", run=RUN, host=host, **process)


@pytest.mark.parametrize(
    ("state", "dead"),
    [(Running(), False), (Crashed(), True), (Failed(), True), (Completed(), True), (Cancelled(), True), (None, False)],
)
async def test_a_run_on_another_host_is_dead_where_prefect_knows_its_end(state: State[Any] | None, dead: bool) -> None:
    assert await turns._is_dead(Client(state), card("elsewhere")) is dead  # type: ignore[arg-type]


async def test_a_process_on_this_host_lives_whatever_prefect_says() -> None:
    mine = card(socket.gethostname(), pid=os.getpid(), born=psutil.Process().create_time())
    assert await turns._is_dead(Client(Crashed()), mine) is False  # type: ignore[arg-type]


async def test_another_process_of_the_same_number_is_not_the_one_that_had_the_turn() -> None:
    mine = card(socket.gethostname(), pid=os.getpid(), born=psutil.Process().create_time() - 60)
    assert await turns._is_dead(Client(Running()), mine) is True  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("state", "attempt", "told"),
    [
        pytest.param(Running(), 1, True, id="killed"),
        pytest.param(Running(), 2, False, id="at work again"),
        pytest.param(AwaitingRetry(), 1, False, id="about to be tried again"),
        pytest.param(Crashed(), 1, False, id="known to be dead"),
        pytest.param(None, 1, False, id="unknown"),
    ],
)
async def test_prefect_is_told_of_a_death_that_it_does_not_know(
    state: State[Any] | None, attempt: int, told: bool
) -> None:
    client = Client(state, attempt)
    await turns._report_crash(client, card("here", pid=7, attempt=1))  # type: ignore[arg-type]  # a stand-in for it
    assert [one.message for one in client.told] == ["its process 7 on here ended without a word"] * told


@pytest.mark.parametrize(
    ("found", "over"),
    [(None, False), (turns.Card(), False), (turns.Card(lease="mine"), False), (turns.Card(lease="another"), True)],
)
async def test_a_turn_is_over_where_somebody_else_has_had_one_since(
    monkeypatch: pytest.MonkeyPatch, found: turns.Card | None, over: bool
) -> None:
    async def find(*_: Any) -> turns.Card | None:
        return found

    monkeypatch.setattr(kept, "find", find)
    assert await turns.is_over("shop", "mine") is over
