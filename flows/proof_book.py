"""What is proven, from run to run: one document for each fleet, where Prefect keeps results.

A cache of task runs would do the same with a task run for every workload in every run, which costs more than all the
rest of a run that changes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from pydantic import Field

from fleet.proof import Chain, Proof
from fleet.spec import Model

from . import kept

_NAME = "proofs"
EXPIRES = timedelta(hours=12)
"""How long a proof is trusted, give or take a quarter."""


class ProofBook(Model):
    """Proofs that held, by the fingerprint of their chain."""

    proofs: dict[str, Proof] = Field(default_factory=dict)

    def proof_of(self, chain: Chain, now: datetime) -> Proof | None:
        """The proof of exactly this chain, marked as kept, unless it has expired."""
        proof = self.proofs.get(chain.fingerprint)
        if proof is None or not proof.holds or now >= datetime.fromisoformat(proof.at) + _lasts(chain):
            return None
        return proof.model_copy(update={"kept": True})


def of(proofs: Iterable[Proof]) -> ProofBook:
    """A book of those that hold."""
    return ProofBook(proofs={proof.chain.fingerprint: proof for proof in proofs if proof.holds})


async def read(fleet: str) -> ProofBook:
    """The fleet's book; an empty one where there is none, or none that can be read: then all is proven anew."""
    return await kept.read(ProofBook, _NAME, fleet)


async def write(fleet: str, book: ProofBook) -> None:
    """Keep the book."""
    await kept.write(book, _NAME, fleet)


async def add(fleet: str, proofs: Iterable[Proof]) -> None:
    """Keep these, too. Only the run that has the turn to change the fleet does this, one after the other."""
    if (more := of(proofs)).proofs:
        await write(fleet, ProofBook(proofs=(await read(fleet)).proofs | more.proofs))


def _lasts(chain: Chain) -> timedelta:
    """Spread, so that the proofs of a large fleet, made in one run, do not expire in one run."""
    spread = int(hashlib.sha256(chain.fingerprint.encode()).hexdigest()[:8], 16) / 0xFFFFFFFF
    return EXPIRES * (0.75 + spread / 2)


def now() -> datetime:
    """The time by which proofs are dated."""
    return datetime.now(UTC)
