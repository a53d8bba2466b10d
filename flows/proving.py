"""Verifies chains, each as a task run of its own, unless a proof of an earlier run still holds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable

from fleet.proof import Chain, Proof

from . import artifacts, proof_book
from .progress import Phase, tell
from .runs import WORK, ProofFailedError, prove

_AT_ONCE = 32
_WRITTEN_AFTER = 100
"""Proofs that a run that is killed may lose."""


async def verify(
    fleet: str,
    chains: Iterable[Chain],
    patience_seconds: float,
    anew: Callable[[Chain], bool] = lambda _: False,
    *,
    others: Collection[Proof] = (),
    keep: bool = True,
) -> list[Proof]:
    """A proof for every chain: one kept from an earlier run, unless it is to be made ``anew``.

    They are kept for later runs, with those ``others`` that were made elsewhere, unless not to ``keep`` them.
    """
    chains = list(chains)
    book, now = await proof_book.read(fleet), proof_book.now()
    proofs = {link: kept for link in chains if not anew(link) and (kept := book.proof_of(link, now)) is not None}
    missing = [link for link in chains if link not in proofs]
    room = asyncio.Semaphore(_AT_ONCE)

    async def keeping() -> None:
        if keep:
            await proof_book.write(fleet, proof_book.of([*others, *proofs.values()]))

    if others and not missing:
        await keeping()
    WORK.get().chains = {link.fingerprint: link for link in missing}

    async with artifacts.progress("proofs", len(missing)) as one_more:

        async def one(link: Chain) -> None:
            async with room:
                proofs[link] = await _prove(link, patience_seconds)
                one_more()

        for start in range(0, len(missing), _WRITTEN_AFTER):
            try:
                await asyncio.gather(*(one(link) for link in missing[start : start + _WRITTEN_AFTER]))
            finally:  # what is proven is kept by a run that is interrupted, too
                await keeping()
    return [proofs[link] for link in chains]


async def _prove(link: Chain, patience_seconds: float) -> Proof:
    name = f"verify {link.namespace}/{link.service_account} on {link.cluster}"
    tell(name, Phase.STARTED)
    state = await prove(name, link.fingerprint, patience_seconds, return_state=True)  # type: ignore[misc]  # Prefect types return_state for synchronous tasks only
    try:
        proof: Proof = Proof.model_validate(await state.aresult())
    except ProofFailedError as error:
        proof = error.proof
    except Exception as error:  # noqa: BLE001 - one chain's failure must not hide the others' proofs
        proof = Proof(chain=link, holds=False, problems=(str(error),))
    tell(name, Phase.DONE if proof.holds else Phase.FAILED, "; ".join(proof.problems))
    return proof
