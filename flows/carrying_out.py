"""Carries out a plan: what waits for no proof, the proofs, and what waited for them."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from clients.waiting import PROPAGATION_SECONDS
from fleet import stages
from fleet.changes import Change, Plan
from fleet.observed import Observed
from fleet.proof import Proof, touched
from tasks import verification

from . import applying, artifacts, proving, runs
from .applying import Outcome
from .summary import Summary

_SETTLED_SECONDS = 20.0
"""How long a chain that nothing was changed about is tried before it counts as broken."""


@dataclass
class Done:
    """What came of changes, and of the chains that were tried."""

    outcomes: list[Outcome] = field(default_factory=list)
    waiting: dict[str, str] = field(default_factory=dict)
    """Why what waits for a proof still waits, by key."""
    proofs: list[Proof] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)
    """Chains that could not be tried, and why."""

    @property
    def failures(self) -> dict[str, str]:
        """What went wrong, by the change's key."""
        return {outcome.change.key: outcome.error for outcome in self.outcomes if outcome.error}

    def summary(self, plan: Plan, *, requests: int, started: float) -> Summary:
        """What a run came to that carried out this plan and began when the monotonic clock said ``started``."""
        done = _applied(self.outcomes)
        changes = tuple(done.get(change.key, change) for change in plan.changes)  # with what they came to know
        return Summary(
            plan=plan.model_copy(update={"changes": changes}),
            failures=self.failures,
            waiting=self.waiting,
            proofs=tuple(self.proofs),
            gaps=tuple(self.gaps),
            requests=requests,
            seconds=time.monotonic() - started,
        )


async def carry_out(
    changes: Collection[Change],
    observed: Observed,
    *,
    verify: bool,
    earlier: Iterable[Outcome] = (),
    waiting: Collection[str] = (),
    proofs: Iterable[Proof] = (),
    keep: bool = True,
) -> Done:
    """Carry out changes of a plan, and prove the chains of :data:`~flows.runs.WORK`'s fleet unless not to ``verify``.

    ``earlier`` are the outcomes of changes that these come after, ``waiting`` the keys of those that wait for a proof
    still, ``proofs`` what was proven with them. Proofs are kept for later runs, together with these, unless not to
    ``keep`` them.
    """
    done = Done()
    earlier, proofs = list(earlier), list(proofs)
    done.outcomes = await applying.apply(stages.before_proof(changes, waiting), earlier=earlier)
    if verify:
        done.proofs, done.gaps = await _proofs(changes, observed, [*earlier, *done.outcomes], proofs, keep=keep)
    proven = {proof.chain.credential for proof in (*proofs, *done.proofs) if proof.holds}
    ready, done.waiting = stages.after_proof(changes, proven, waiting)
    done.outcomes += await applying.apply(ready, earlier=[*earlier, *done.outcomes])
    return done


async def _proofs(
    changes: Iterable[Change],
    observed: Observed,
    outcomes: Collection[Outcome],
    others: Collection[Proof],
    *,
    keep: bool,
) -> tuple[list[Proof], list[str]]:
    """A proof of every chain, anew of those that a change has touched; and the chains that cannot be tried."""
    work = runs.WORK.get()
    done = _applied(outcomes)
    chains, gaps = verification.chains(work.fleet, seen_after(observed, outcomes))
    proofs = await proving.verify(
        work.fleet.name,
        chains,
        PROPAGATION_SECONDS if done or any(change.after_proof for change in changes) else _SETTLED_SECONDS,
        anew=touched(change.resource for change in done.values()),
        others=others,
        keep=keep,
    )
    if keep:
        await artifacts.show_proofs(work.fleet.name, [*others, *proofs], gaps)
    return proofs, gaps


def seen_after(observed: Observed, outcomes: Iterable[Outcome]) -> Observed:
    """The picture after the changes that were applied, with what they told."""
    made = [change.resource for change in _applied(outcomes).values() if not change.takes_away]
    return observed.with_applied(made, runs.WORK.get().outputs)


def _applied(outcomes: Iterable[Outcome]) -> dict[str, Change]:
    """The changes that were applied, by key, with what they came to know."""
    outputs = runs.WORK.get().outputs
    return {outcome.change.key: outcome.change.resolved(outputs) for outcome in outcomes if not outcome.error}
