"""A large plan on many machines: slices of it as runs of a deployment of their own, gathered into one outcome.

A slice is a document where results are kept; its run is told by name alone. A slice whose worker has died is given to
another one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from prefect.client.orchestration import get_client
from prefect.runtime import flow_run

from fleet import slicing
from fleet.changes import Change, Plan
from fleet.observed import Observed
from fleet.proof import Proof
from fleet.resources import Outputs
from fleet.spec import Fleet

from . import artifacts, handing_out, kept, proof_book, runs, turns
from .applying import Outcome
from .carrying_out import Done, carry_out, seen_after
from .shards import Shard, ShardError, beat_of
from .summary import Summary

_CLUSTERS, _IDENTITIES = ("cluster",), ("application", "managed-identity")
"""Kinds of what a chain must know to be tried: its issuer, its client id."""


async def carry_out_on_many(planned: Plan, observed: Observed, *, verify: bool, most: int) -> tuple[Done, int]:
    """As :func:`~flows.carrying_out.carry_out`, in slices of at most ``most`` changes, each a run on some machine.

    What is shared is done here, before the slices or after them, and so are the proofs of what nobody changes. Returns
    the requests of the other machines, too.
    """
    work = runs.WORK.get()
    whole = work.fleet
    parts = slicing.parts(planned.changes, [cluster.name for cluster in whole.clusters], most)
    done = await carry_out(parts.first, observed, verify=False)
    seen, turn = seen_after(observed, done.outcomes), await turns.lease_of(whole.name)
    pieces = []
    for slice_ in parts.slices:
        ready, skipped = _after_failures(slice_, done.outcomes)
        done.outcomes += skipped
        if ready:
            pieces.append(_shard(whole, seen, ready, work.outputs, verify=verify, turn=turn))
    summaries = await _handed_out(whole.name, pieces)
    for piece, summary in zip(pieces, summaries, strict=True):
        done.outcomes += _outcomes(planned, piece, summary)
        done.waiting |= summary.waiting
    done.proofs = _each_once(proof for summary in summaries for proof in summary.proofs)
    done.gaps = list(dict.fromkeys(gap for summary in summaries for gap in summary.gaps))
    elsewhere = {str(workload) for piece in pieces for workload in piece.fleet.workloads}
    rest = tuple(workload for workload in whole.workloads if str(workload) not in elsewhere)
    work.fleet = whole.model_copy(update={"workloads": rest})
    try:
        last = await carry_out(
            parts.last, observed, verify=verify, earlier=done.outcomes, waiting=done.waiting, proofs=done.proofs
        )
    finally:
        work.fleet = whole
    done.outcomes += last.outcomes
    done.waiting |= last.waiting
    done.proofs, done.gaps = [*done.proofs, *last.proofs], [*done.gaps, *last.gaps]
    return done, sum(summary.requests for summary in summaries)


def _each_once(proofs: Iterable[Proof]) -> list[Proof]:
    """Proofs of several slices: where two of them change a workload's identity and its ServiceAccount, both try it.

    The one that holds counts, as the later one: the other may have been made before all was in place.
    """
    found: dict[str, Proof] = {}
    for proof in proofs:
        if proof.holds or proof.chain.fingerprint not in found:
            found[proof.chain.fingerprint] = proof
    return list(found.values())


def _after_failures(changes: Sequence[Change], outcomes: Iterable[Outcome]) -> tuple[list[Change], list[Outcome]]:
    """The changes that may be tried, and what is to be told of those that come after something that failed."""
    failed = {outcome.change.key: outcome.change for outcome in outcomes if outcome.error}
    ready: list[Change] = []
    skipped: list[Outcome] = []
    for change in changes:
        if (behind := next((key for key in change.after if key in failed), None)) is not None:
            failed[change.key] = change
            skipped.append(Outcome.after_failure(change, failed[behind]))
        else:
            ready.append(change)
    return ready, skipped


def _shard(
    fleet: Fleet, observed: Observed, changes: Sequence[Change], outputs: Outputs, *, verify: bool, turn: str
) -> Shard:
    here = {change.key for change in changes}
    groups = {change.group for change in changes}
    concerned = tuple(
        workload
        for workload in fleet.workloads
        if not groups.isdisjoint(
            {f"workload:{workload}", f"identity:{workload.identity}", f"namespace:{workload.namespace}"}
        )
    )
    identities = {workload.identity for workload in concerned}
    return Shard(
        fleet=fleet.model_copy(update={"workloads": concerned}),
        observed=Observed(
            tenancy=observed.tenancy,
            found=tuple(
                found
                for found in observed.found
                if found.resource.kind in _CLUSTERS
                or (found.resource.kind in _IDENTITIES and getattr(found.resource, "identity", "") in identities)
            ),
            unknown=observed.unknown,
        ),
        changes=tuple(
            change.model_copy(update={"after": tuple(key for key in change.after if key in here)}) for change in changes
        ),
        outputs={key: dict(told) for key, told in outputs.items()},
        verify=verify,
        turn=turn,
    )


def _outcomes(planned: Plan, piece: Shard, summary: Summary) -> list[Outcome]:
    """What came of a slice's changes, each coming again after all that it comes after in the whole plan."""
    after = {change.key: change.after for change in planned.changes}
    applied = {change.key: change for change in summary.plan.changes}
    return [
        Outcome(
            applied.get(change.key, change).model_copy(update={"after": after[change.key]}),
            summary.failures.get(change.key),
        )
        for change in piece.changes
        if change.key not in summary.waiting
    ]


async def _handed_out(fleet: str, pieces: Sequence[Shard]) -> list[Summary]:
    """The outcome of every slice; one that nobody could carry out has failed in all its changes."""
    signs, keeping = handing_out.Signs(), asyncio.Lock()
    async with get_client() as client, artifacts.progress("slices on other machines", len(pieces)) as one_more:

        async def one(number: int, piece: Shard) -> Summary:
            name = f"shard-{flow_run.id}-{number}"
            await kept.write(piece, name, fleet)
            try:
                summary = await handing_out.carried_out(client, fleet, name, signs)
                async with keeping:  # also for whoever comes after a coordinator that is killed
                    await proof_book.add(fleet, summary.proofs)
                return summary
            except ShardError as error:
                failures = {change.key: str(error) for change in piece.changes}
                return Summary(plan=Plan(fleet=fleet, changes=piece.changes), failures=failures)
            finally:
                one_more()
                await kept.remove(name, fleet)
                await kept.remove(beat_of(name), fleet)

        return list(await asyncio.gather(*(one(number, piece) for number, piece in enumerate(pieces, 1))))
