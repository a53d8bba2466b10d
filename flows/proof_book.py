"""What is proven, from run to run: one document for each fleet, where Prefect keeps results.

A cache of task runs would do the same with a task run for every workload in every run, which costs more than all the
rest of a run that changes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from prefect.results import aget_default_result_storage
from pydantic import Field, ValidationError

from fleet.naming import slug
from fleet.proof import Chain, Proof
from fleet.spec import Model

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
    storage = await aget_default_result_storage()
    try:
        return ProofBook.model_validate_json(await storage.read_path(_path(fleet)))
    except (OSError, ValueError, ValidationError):
        return ProofBook()


async def write(fleet: str, book: ProofBook) -> None:
    """Keep the book, whole or not at all as far as the storage can."""
    storage = await aget_default_result_storage()
    await storage.write_path(_path(fleet), book.model_dump_json(exclude_defaults=True).encode())


def _path(fleet: str) -> str:
    return f"proofs-{slug(fleet)}.json"


def _lasts(chain: Chain) -> timedelta:
    """Spread, so that the proofs of a large fleet, made in one run, do not expire in one run."""
    spread = int(hashlib.sha256(chain.fingerprint.encode()).hexdigest()[:8], 16) / 0xFFFFFFFF
    return EXPIRES * (0.75 + spread / 2)


def now() -> datetime:
    """The time by which proofs are dated."""
    return datetime.now(UTC)
