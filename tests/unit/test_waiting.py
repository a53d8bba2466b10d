"""Waiting on a clock that only sleep turns, and with a jitter that is known."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest

from clients.errors import UNREACHABLE, CloudError, Conflict, Denied, Invalid, Missing, Transient
from clients.waiting import UNREACHABLE_SECONDS, DeadlineError, Patience, is_permanent


@dataclass
class Clock:
    """Seconds since the test began, and how they were slept."""

    seconds: float = 0.0
    pauses: list[float] = field(default_factory=list)

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.seconds += seconds

    def now(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    """A clock that stands."""
    return Clock()


@pytest.fixture
def patience(clock: Clock) -> Patience:
    """Patience on that clock."""
    return Patience(sleep=clock.sleep, now=clock.now, random=random.Random(7))


@dataclass
class Service:
    """Answers in turn; an error is raised, and the last answer is for ever."""

    answers: list[object]
    calls: int = 0

    async def __call__(self) -> object:
        answer = self.answers[min(self.calls, len(self.answers) - 1)]
        self.calls += 1
        if isinstance(answer, BaseException):
            raise answer
        return answer


def service(*answers: object) -> Service:
    """A service that gives these answers."""
    return Service(list(answers))


def busy(retry_after: float = 0) -> Transient:
    """A service that asks for patience."""
    return Transient("thing", "is busy", status=429, retry_after=retry_after)


def unreachable() -> Transient:
    """A service that does not answer at all."""
    return Transient("thing", "cannot be reached", code=UNREACHABLE)


# Requests


async def test_what_works_is_asked_once_and_without_a_pause(clock: Clock, patience: Patience) -> None:
    call = service("done")
    assert await patience.request(call) == "done"
    assert (call.calls, clock.pauses) == (1, [])


async def test_a_transient_error_is_tried_again(clock: Clock, patience: Patience) -> None:
    call = service(busy(), busy(), "done")
    assert await patience.request(call) == "done"
    assert call.calls == 3


async def test_a_call_that_returns_an_awaitable_is_awaited(patience: Patience) -> None:
    call = service(busy(), "done")
    assert await patience.request(lambda: call()) == "done"


async def test_retry_after_is_honoured(clock: Clock, patience: Patience) -> None:
    await patience.request(service(busy(17), busy(3.5), "done"))
    assert clock.pauses == [17, 3.5]


async def test_a_retry_after_shorter_than_our_own_pause_does_not_shorten_it(clock: Clock, patience: Patience) -> None:
    await patience.request(service(busy(0.001), "done"))
    assert clock.pauses[0] >= 0.35


async def test_pauses_double_with_jitter_up_to_the_longest(clock: Clock, patience: Patience) -> None:
    await patience.request(service(*[busy()] * 9, "done"), seconds=1000)
    bounds = [0.5, 1, 2, 4, 8, 15, 15, 15, 15]
    assert len(clock.pauses) == len(bounds)
    for pause, longest in zip(clock.pauses, bounds, strict=True):
        assert 0.7 * longest <= pause <= longest
    assert len(set(clock.pauses)) == len(bounds)


async def test_after_the_deadline_the_last_error_is_raised(clock: Clock, patience: Patience) -> None:
    call = service(busy(), busy(), Transient("thing", "is still busy"))
    with pytest.raises(Transient, match="is still busy"):
        await patience.request(call, seconds=60)
    assert 60 <= clock.seconds <= 60.1


async def test_a_retry_after_beyond_the_deadline_gets_one_last_try_at_the_deadline(
    clock: Clock, patience: Patience
) -> None:
    call = service(busy(3600))
    with pytest.raises(Transient):
        await patience.request(call, seconds=30)
    assert call.calls == 2
    assert 30 <= clock.seconds <= 30.1


async def test_a_host_that_does_not_answer_is_given_up_early(clock: Clock, patience: Patience) -> None:
    with pytest.raises(Transient, match="cannot be reached"):
        await patience.request(service(unreachable()), seconds=600)
    assert UNREACHABLE_SECONDS <= clock.seconds <= 2 * UNREACHABLE_SECONDS


async def test_a_host_that_answers_again_in_time_is_no_failure(clock: Clock, patience: Patience) -> None:
    assert await patience.request(service(unreachable(), unreachable(), "done")) == "done"


@pytest.mark.parametrize("error", [Denied, Invalid, Missing, Conflict])
async def test_an_error_that_will_not_pass_is_raised_at_once(
    clock: Clock, patience: Patience, error: type[CloudError]
) -> None:
    call = service(error("thing", "no"))
    with pytest.raises(error):
        await patience.request(call)
    assert (call.calls, clock.pauses) == (1, [])


async def test_an_error_that_is_none_of_ours_is_raised_at_once(clock: Clock, patience: Patience) -> None:
    call = service(RuntimeError("a bug"))
    with pytest.raises(RuntimeError, match="a bug"):
        await patience.request(call)
    assert (call.calls, clock.pauses) == (1, [])


async def test_a_wait_that_was_in_vain_is_not_waited_again(clock: Clock, patience: Patience) -> None:
    call = service(DeadlineError("thing", "waited 300 s in vain"))
    with pytest.raises(DeadlineError):
        await patience.request(call, also=(DeadlineError,))
    assert call.calls == 1


async def test_also_names_further_errors_to_try_again_after(patience: Patience) -> None:
    assert await patience.request(service(Missing("thing", "no"), "done"), also=(Missing,)) == "done"


async def test_codes_names_further_errors_by_their_code(patience: Patience) -> None:
    new = Denied("thing", "no", code="AADSTS70021")
    assert await patience.request(service(new, "done"), codes=frozenset({"AADSTS70021"})) == "done"


async def test_another_code_is_raised_at_once(clock: Clock, patience: Patience) -> None:
    call = service(Denied("thing", "no", code="AADSTS700016"))
    with pytest.raises(Denied):
        await patience.request(call, codes=frozenset({"AADSTS70021"}))
    assert call.calls == 1


# Waiting until


async def test_what_is_there_is_returned_at_once(clock: Clock, patience: Patience) -> None:
    assert await patience.until("it", service("there"), seconds=10) == "there"
    assert clock.pauses == []


async def test_what_comes_later_is_waited_for(clock: Clock, patience: Patience) -> None:
    probe = service(None, Missing("thing", "no"), busy(), "there")
    assert await patience.until("it", probe, seconds=100) == "there"
    assert probe.calls == 4


async def test_polling_pauses_double_with_jitter(clock: Clock, patience: Patience) -> None:
    await patience.until("it", service(*[None] * 7, "there"), seconds=1000)
    for pause, longest in zip(clock.pauses, [0.5, 1, 2, 4, 8, 15, 15], strict=True):
        assert 0.7 * longest <= pause <= longest


async def test_polling_honours_retry_after(clock: Clock, patience: Patience) -> None:
    await patience.until("it", service(busy(20), busy(40), "there"), seconds=100)
    assert clock.pauses == [20, 40]


@pytest.mark.parametrize("falsy", ["", 0, False])
async def test_only_none_means_not_yet(patience: Patience, falsy: object) -> None:
    assert await patience.until("it", service(falsy), seconds=10) == falsy


@pytest.mark.parametrize(
    ("reads", "calls"),
    [
        (["a", "a", "a"], 3),
        (["a", "a", None, "a", "a", "a"], 6),
        (["a", Missing("thing", "no"), "a", "a", "a", "a"], 6),
        ([None, "a", busy(), "a", "a", busy(), "a", "a", "a", "a"], 10),
    ],
    ids=["at once", "a bad read", "a missing one", "a flapping one"],
)
async def test_a_good_read_counts_only_with_those_beside_it(
    patience: Patience, reads: list[object], calls: int
) -> None:
    probe = service(*reads)
    assert await patience.until("it", probe, seconds=1000, in_a_row=3) == "a"
    assert probe.calls == calls


async def test_between_good_reads_there_is_no_pause(clock: Clock, patience: Patience) -> None:
    await patience.until("it", service("a"), seconds=10, in_a_row=3)
    assert sum(clock.pauses) == 0


async def test_the_deadline_says_what_was_waited_for_how_long_and_what_was_seen_last(
    clock: Clock, patience: Patience
) -> None:
    probe = service(Missing("thing", "is not there"))
    with pytest.raises(DeadlineError) as raised:
        await patience.until("the thing to be there", probe, seconds=60, advice="Look")
    assert str(raised.value) == "the thing to be there: waited 60 s in vain: thing: is not there (Deadline). Look"
    assert 60 <= clock.seconds <= 60.1


async def test_a_wait_of_no_seconds_looks_once(clock: Clock, patience: Patience) -> None:
    probe = service(None)
    with pytest.raises(DeadlineError):
        await patience.until("it", probe, seconds=0)
    assert probe.calls == 1


async def test_a_retry_after_beyond_the_deadline_does_not_move_it(clock: Clock, patience: Patience) -> None:
    with pytest.raises(DeadlineError):
        await patience.until("it", service(busy(3600)), seconds=30)
    assert 30 <= clock.seconds <= 30.1


@pytest.mark.parametrize("error", [Denied("thing", "no"), Invalid("thing", "no"), Conflict("thing", "no")])
async def test_an_error_that_is_not_tolerated_ends_the_wait(
    clock: Clock, patience: Patience, error: CloudError
) -> None:
    with pytest.raises(type(error)):
        await patience.until("it", service(error), seconds=60)
    assert clock.pauses == []


async def test_tolerating_says_which_errors_mean_not_yet(patience: Patience) -> None:
    probe = service(Conflict("thing", "no"), "there")
    assert await patience.until("it", probe, seconds=60, tolerating=(Conflict,)) == "there"


# What is worth repeating as a whole


@pytest.mark.parametrize(
    ("error", "permanent"),
    [
        (Denied("thing", "no"), True),
        (Invalid("thing", "no"), True),
        (DeadlineError("thing", "waited in vain"), True),
        (Transient("thing", "no"), False),
        (Conflict("thing", "no"), False),
        (Missing("thing", "no"), False),
        (RuntimeError("no"), False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_a_step_is_not_repeated_where_that_is_pointless(error: Exception, permanent: bool) -> None:
    assert is_permanent(error) is permanent


@pytest.mark.parametrize(
    ("answers", "calls"),
    [((busy(), "a"), 2), ((busy(), busy(), "a"), 3), ((RuntimeError("odd"), "a"), 2)],
    ids=["once", "twice", "an error of its own"],
)
async def test_a_step_that_failed_is_tried_again_as_a_whole(
    patience: Patience, answers: tuple[object, ...], calls: int
) -> None:
    step = service(*answers)
    assert await patience.again(step) == "a"
    assert step.calls == calls


async def test_a_step_is_tried_three_times_and_no_more(patience: Patience) -> None:
    step = service(busy())
    with pytest.raises(Transient):
        await patience.again(step)
    assert step.calls == 3


async def test_a_step_that_was_refused_is_not_tried_again(patience: Patience, clock: Clock) -> None:
    step = service(Denied("thing", "no"))
    with pytest.raises(Denied):
        await patience.again(step)
    assert (step.calls, clock.pauses) == (1, [])
