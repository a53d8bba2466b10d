"""How wide the way to a host is: never wider than it may be, narrower after a 429, wide again in time."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from clients.pace import BEGINNING, NARROWEST, WIDEST, Pace, Width

_Answers = st.lists(st.sampled_from([200, 404, 429, 500]), min_size=1, max_size=200)


@given(_Answers)
def test_the_width_stays_within_its_bounds_whatever_is_answered(statuses: list[int]) -> None:
    width = Width()
    for status in statuses:
        width.answered(status, width.narrowed)
        assert NARROWEST <= width.now <= WIDEST


def test_a_429_halves_the_width_once_for_all_that_were_under_way_together() -> None:
    width = Width()
    together = width.narrowed
    for _ in range(20):
        width.answered(429, together)
    assert width.now == BEGINNING / 2


def test_a_429_after_that_halves_it_again() -> None:
    width = Width()
    for _ in range(3):
        width.answered(429, width.narrowed)
    assert width.now == BEGINNING / 8


def test_good_answers_bring_the_width_back() -> None:
    width = Width()
    for _ in range(10):
        width.answered(429, width.narrowed)
    assert width.now == NARROWEST
    for _ in range(WIDEST * WIDEST):
        width.answered(200, width.narrowed)
    assert width.now == WIDEST


@given(st.integers(1, 40), st.integers(1, 200), st.sets(st.integers(0, 199)))
def test_no_more_than_the_width_are_under_way_and_all_come_through(at_once: int, many: int, given_up: set[int]) -> None:
    async def run() -> None:
        pace, most = Pace(), 0
        pace.of("host").now = at_once
        done: set[int] = set()

        async def walk(number: int) -> None:
            nonlocal most
            async with pace.turn("host"):
                most = max(most, pace.of("host").under_way)
                await asyncio.sleep(0)
            done.add(number)

        walks = [asyncio.create_task(walk(number)) for number in range(many)]
        await asyncio.sleep(0)
        for number in given_up:
            if number < many:
                walks[number].cancel()
        async with asyncio.timeout(5):
            await asyncio.gather(*walks, return_exceptions=True)
        assert most <= at_once
        assert done >= set(range(many)) - given_up
        assert pace.of("host").under_way == 0

    asyncio.run(run())


async def test_hosts_do_not_wait_for_each_other() -> None:
    pace = Pace()
    pace.of("slow").now = 1
    async with pace.turn("slow"), asyncio.timeout(5), pace.turn("fast"):
        assert (pace.of("slow").under_way, pace.of("fast").under_way) == (1, 1)
