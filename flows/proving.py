"""Verifies chains, each as a task run of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from fleet.proof import Chain, Proof

from .progress import Phase, tell
from .runs import ProofFailedError, prove

_AT_ONCE = 32


async def verify(
    chains: Iterable[Chain], patience_seconds: float, anew: Callable[[Chain], bool] = lambda _: False
) -> list[Proof]:
    """A proof for every chain: one kept from an earlier run, unless it has expired or is to be made ``anew``."""
    room = asyncio.Semaphore(_AT_ONCE)

    async def one(link: Chain) -> Proof:
        name = f"verify {link.namespace}/{link.service_account} on {link.cluster}"
        async with room:
            tell(name, Phase.STARTED)
            run = prove.with_options(task_run_name=name, refresh_cache=anew(link))
            state = await run(link, patience_seconds, return_state=True)  # type: ignore[misc]  # Prefect types return_state for synchronous tasks only
            try:
                proof: Proof = Proof.model_validate(await state.aresult())
            except ProofFailedError as error:
                proof = error.proof
            except Exception as error:  # noqa: BLE001 - one chain's failure must not hide the others' proofs
                proof = Proof(chain=link, holds=False, problems=(str(error),))
        tell(name, Phase.DONE if proof.holds else Phase.FAILED, "; ".join(proof.problems))
        return proof

    return list(await asyncio.gather(*(one(link) for link in chains)))
