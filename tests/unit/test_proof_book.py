"""How long, and for what, a proof of an earlier run is trusted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from fleet.proof import Chain, Proof
from flows import proof_book

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def chain(**fields: Any) -> Chain:
    usual = {
        "cluster": "one",
        "namespace": "team",
        "service_account": "app",
        "identity": "app",
        "issuer": "https://issuer.example/",
        "client_id": "client",
        "tenant_id": "tenant",
        "vault": "vault",
        "secret": "secret",
    }
    return Chain.model_validate({**usual, **fields})


def proven(link: Chain, at: datetime, *, holds: bool = True) -> Proof:
    return Proof(chain=link, holds=holds, at=at.isoformat(timespec="seconds"))


def test_a_young_proof_is_trusted_and_says_that_it_is_an_earlier_one() -> None:
    kept = proof_book.of([proven(chain(), NOW)]).proof_of(chain(), NOW + timedelta(hours=8))
    assert kept is not None
    assert kept.kept


def test_no_proof_is_trusted_for_longer_than_its_time() -> None:
    longest = proof_book.EXPIRES * 1.25
    assert proof_book.of([proven(chain(), NOW)]).proof_of(chain(), NOW + longest) is None


@pytest.mark.parametrize("changed", ["issuer", "client_id", "secret", "service_account"])
def test_a_proof_is_for_exactly_its_chain(changed: str) -> None:
    assert proof_book.of([proven(chain(), NOW)]).proof_of(chain(**{changed: "other"}), NOW) is None


def test_a_chain_that_does_not_hold_is_not_kept() -> None:
    assert proof_book.of([proven(chain(), NOW, holds=False)]).proof_of(chain(), NOW) is None


def test_proofs_that_were_made_together_do_not_expire_together() -> None:
    links = [chain(service_account=f"app-{number}") for number in range(200)]
    book = proof_book.of(proven(link, NOW) for link in links)
    left = [
        sum(book.proof_of(link, NOW + timedelta(hours=hours)) is not None for link in links) for hours in range(8, 17)
    ]
    assert (left[0], left[-1]) == (200, 0)
    assert max(before - after for before, after in pairwise(left)) < 60
