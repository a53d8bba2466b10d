"""From what somebody asks to reports: the chains that are meant, their evidence, and what follows from it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from clients.session import Clients, find_tenancy
from fleet.diagnosis.asking import questions
from fleet.diagnosis.evidence import Question, Token
from fleet.diagnosis.judging import judge
from fleet.diagnosis.report import Report
from fleet.observed import Observed
from fleet.spec import Cluster, Fleet
from tasks.evidence import asked
from tasks.evidence.asked import Ask, NothingToDiagnoseError
from tasks.evidence.gathering import Gatherer

__all__ = ["Ask", "NothingToDiagnoseError", "of_ask", "of_fleet"]

_AT_ONCE = 8
_MANY = 20
"""Chains beyond which each chain's token is exchanged fewer times."""
_TRIES, _FEW_TRIES = 10, 3


async def of_fleet(
    clients: Clients,
    fleet: Fleet,
    observed: Observed,
    workload: str = "",
    cluster: str = "",
    at_hand: Token | None = None,
) -> list[Report]:
    """Reports of a fleet's chains, of all or of those of one workload or cluster, and on the token ``at_hand``.

    Raises :class:`NothingToDiagnoseError` where the fleet has none such.
    """
    chains = list(questions(fleet, observed, workload, cluster))
    if not chains:
        there = ", ".join(map(str, fleet.workloads[:_MANY]))
        wanted = " on ".join(filter(None, (workload or "any workload", cluster)))
        message = f"{fleet.name} has no {wanted}; it has {there} on {', '.join(one.name for one in fleet.clusters)}"
        raise NothingToDiagnoseError(message)
    silent = {one.name: observed.why_unreachable(f"kubernetes:{one.name}") for one in fleet.clusters}
    known = {name: reason for name, reason in silent.items() if reason}
    return await _reports(clients, {one.name: one for one in fleet.clusters}, chains, known, at_hand)


async def of_ask(clients: Clients, ask: Ask, at_hand: Token | None = None) -> list[Report]:
    """Reports of the chains that ``ask`` means, without a fleet file, and on the token ``at_hand``.

    Raises :class:`NothingToDiagnoseError` where it does not say enough, or what it names is not there.
    """
    clients.tenancy = await find_tenancy(clients, ask.subscription or None)
    return await _reports(clients, *await asked.questions(clients, ask), at_hand=at_hand)


async def _reports(
    clients: Clients,
    clusters: Mapping[str, Cluster],
    chains: Sequence[Question],
    silent: Mapping[str, str] | None = None,
    at_hand: Token | None = None,
) -> list[Report]:
    gatherer = Gatherer(clients, clusters, _TRIES if len(chains) <= _MANY else _FEW_TRIES, silent, at_hand)
    room = asyncio.Semaphore(_AT_ONCE)

    async def one(question: Question) -> Report:
        async with room:
            return judge(await gatherer.gather(question))

    return list(await asyncio.gather(*(one(question) for question in chains)))
