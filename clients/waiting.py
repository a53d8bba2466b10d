"""All waiting and retrying, on a clock and with a randomness that are handed in.

A request's own bad weather (throttling, a busy service, a copy of the directory that lags) is waited out here, bounded
in seconds. A step that failed as a whole is Prefect's to repeat. Reading one's own write once proves nothing where
copies lag: :meth:`Patience.until` wants several good reads in a row.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_never

from .errors import UNREACHABLE, CloudError, Conflict, Missing, Transient

Result = TypeVar("Result")

REQUEST_SECONDS = 120.0
"""How long one request is repeated while its service asks for patience."""
UNREACHABLE_SECONDS = 15.0
"""How long a host that does not answer at all is tried: a cluster that is gone must not hold up the others."""
REPLICATION_SECONDS = 300.0
"""How long a new directory object may take to be known everywhere (threads tell of 3 to 4 minutes)."""
PROPAGATION_SECONDS = 900.0
"""How long a role or a federated credential may take to be in effect (documented: up to 10 minutes)."""
CLUSTER_SECONDS = 1800.0
"""How long an update of a managed cluster may take."""
REGISTRATION_SECONDS = 1800.0
"""How long a preview feature may be in Registering."""
WEBHOOK_SECONDS = 300.0
"""How long the webhook's pods may take to answer."""
DISRUPTION_SECONDS = 300.0
"""How long PodDisruptionBudgets may forbid a restart."""
ROLLOUT_SECONDS = 900.0
"""How long an owner's pods may take to be replaced; a Deployment's own deadline is 600 s without progress."""
SWITCH_SECONDS = 120.0
"""How long a switched workload's pods are waited for; what takes longer is told instead."""
EXCHANGE_SECONDS = 10.0
"""How long a diagnosis repeats one try of a sign-in or a read while the service is busy."""
VAULT_SECONDS = 300.0
"""How long a new vault's name may take to be resolvable."""

_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 15.0
_TRIES = 3
"""How often a step is tried as a whole."""


class DeadlineError(Transient):
    """What was waited for did not come in time."""


@dataclass
class Patience:
    """Waits, and knows the time. Tests hand in a sleep that only turns the clock."""

    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    now: Callable[[], float] = time.monotonic
    random: random.Random = field(default_factory=random.Random)

    async def request(
        self,
        call: Callable[[], Awaitable[Result]],
        *,
        also: tuple[type[CloudError], ...] = (),
        codes: frozenset[str] = frozenset(),
        seconds: float = REQUEST_SECONDS,
    ) -> Result:
        """The result of ``call``, repeated while it raises ``Transient``, one of ``also``, or an error of ``codes``.

        Between tries the service's Retry-After is kept, else the pauses double, with jitter. After ``seconds`` the
        last error is raised.
        """
        started = self.now()
        deadline = started + seconds

        def worth_another_try(error: BaseException) -> bool:
            if not isinstance(error, CloudError) or isinstance(error, DeadlineError) or self.now() >= deadline:
                return False
            if error.code == UNREACHABLE and self.now() >= started + UNREACHABLE_SECONDS:
                return False
            return isinstance(error, (Transient, *also)) or error.code in codes

        def pause(state: RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            asked = error.retry_after if isinstance(error, CloudError) else 0.0
            left = max(deadline - self.now(), 0.0)
            return min(max(asked, self._pause(state.attempt_number)), left + 0.01)

        async def once() -> Result:  # tenacity awaits coroutine functions only, not lambdas that return a coroutine
            return await call()

        retrying = AsyncRetrying(
            retry=retry_if_exception(worth_another_try), wait=pause, stop=stop_never, sleep=self.sleep, reraise=True
        )
        return await retrying(once)

    async def again(self, step: Callable[[], Awaitable[Result]]) -> Result:
        """The result of a whole step, repeated a little later where it failed and may yet succeed.

        As Prefect repeats a task run; for steps that are no task runs of their own.
        """
        for attempt in range(1, _TRIES):
            try:
                return await step()
            except Exception as error:
                if is_permanent(error):
                    raise
            await self.sleep(2.0**attempt * self.random.uniform(1.0, 1.5))
        return await step()

    async def until(
        self,
        what: str,
        probe: Callable[[], Awaitable[Result | None]],
        *,
        seconds: float,
        in_a_row: int = 1,
        tolerating: tuple[type[CloudError], ...] = (Missing, Transient),
        advice: str = "",
    ) -> Result:
        """What ``probe`` returns once it is not None ``in_a_row`` times in succession, of which the later side by side.

        ``what`` completes "waiting for ..."; errors in ``tolerating`` count as a None, and their Retry-After is kept.
        Raises :class:`DeadlineError` that says what was waited for, and the last error seen.
        """
        deadline = self.now() + seconds
        attempt, last = 0, ""

        async def read() -> tuple[Result | None, str, float]:
            try:
                return await probe(), "", 0.0
            except tolerating as error:
                return None, f": {error}", error.retry_after

        while True:
            attempt += 1
            reads = [await read()]
            if reads[0][0] is not None and in_a_row > 1:  # side by side: more copies are asked, and nobody waits longer
                reads += await asyncio.gather(*(read() for _ in range(in_a_row - 1)))
            result = reads[0][0]
            if result is not None and all(more is not None for more, _, _ in reads):
                return result
            last = next((told for _, told, _ in reads if told), last)
            if self.now() >= deadline:
                message = f"waited {seconds:.0f} s in vain{last}"
                raise DeadlineError(what, message, code="Deadline", advice=advice)
            pause = max(*(asked for _, _, asked in reads), self._pause(attempt))
            await self.sleep(min(pause, max(deadline - self.now(), 0.0) + 0.01))

    def _pause(self, attempt: int) -> float:
        return min(_FIRST_PAUSE * 2.0 ** min(attempt - 1, 10), _LONGEST_PAUSE) * self.random.uniform(0.7, 1.0)


def is_permanent(error: BaseException) -> bool:
    """Whether repeating the whole step is pointless: refused, wrong, or already waited for long enough."""
    if isinstance(error, DeadlineError):
        return True
    return isinstance(error, CloudError) and not isinstance(error, Transient | Conflict | Missing)
