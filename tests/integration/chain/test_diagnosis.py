"""Every fault that can be injected is named by the diagnosis, and nothing else is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from itertools import combinations

import pytest
import pytest_asyncio

from fleet.diagnosis.asking import questions
from fleet.diagnosis.judging import judge
from fleet.diagnosis.report import Report
from fleet.spec import Fleet
from simulator.breakage import CATALOGUE, NotBreakable, break_
from tasks.evidence.gathering import Gatherer
from tests.conftest import Cloud, running_cloud
from tests.integration.chain.symptoms import put_back_afterwards

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def reconciled(tmp_path_factory: pytest.TempPathFactory, fleet: Fleet) -> AsyncIterator[Cloud]:
    """One cloud for all faults, in which the demo's chain is whole."""
    async with running_cloud(tmp_path_factory.mktemp("cloud")) as cloud:
        await cloud.apply(fleet)
        yield cloud


@pytest_asyncio.fixture(loop_scope="module")
async def whole(reconciled: Cloud) -> AsyncIterator[Cloud]:
    """The cloud, its chain without a symptom; it is put back afterwards."""
    async with put_back_afterwards(reconciled) as cloud:
        yield cloud


async def diagnosed(cloud: Cloud, fleet: Fleet) -> Report:
    """The report of the demo's only chain."""
    observed = await cloud.observe(fleet)
    async with cloud.clients() as clients:
        clients.tenancy = observed.tenancy
        gatherer = Gatherer(clients, {cluster.name: cluster for cluster in fleet.clusters})
        (question,) = questions(fleet, observed)
        return judge(await gatherer.gather(question))


async def test_a_whole_chain_has_no_cause_and_hides_nothing(whole: Cloud, fleet: Fleet) -> None:
    report = await diagnosed(whole, fleet)
    assert report.is_well, report


@pytest.mark.parametrize("fault", CATALOGUE)
async def test_each_fault_is_named_exactly(whole: Cloud, fleet: Fleet, fault: str) -> None:
    await break_(whole.simulator.simulation, fault, "")
    report = await diagnosed(whole, fleet)
    assert [cause.name for cause in report.causes] == [fault], report


LATER = ("ServiceAccount", "identity")
"""Links that simulate break goes by to find the others: they are broken last."""
INSTEAD = {"cluster-rebuilt": "issuer-"}
"""Faults that leave nothing of others: what was wrong with the issuer of before is no matter any more."""


def pairs() -> Iterator[tuple[str, str]]:
    """Faults of different links, each with one of every other link, in turn."""
    by_link: dict[str, list[str]] = {}
    for one in sorted(
        CATALOGUE.values(),
        key=lambda each: (each.link in LATER, LATER[::-1].index(each.link) if each.link in LATER else 0),
    ):
        by_link.setdefault(one.link, []).append(one.name)
    for first, second in combinations(by_link.values(), 2):
        for number in range(max(len(first), len(second))):
            one, other = first[number % len(first)], second[number % len(second)]
            yield one, other


@pytest.mark.parametrize(("one", "other"), pairs())
async def test_of_two_faults_both_are_named(whole: Cloud, fleet: Fleet, one: str, other: str) -> None:
    await break_(whole.simulator.simulation, one, "")
    try:
        await break_(whole.simulator.simulation, other, "")
    except NotBreakable:
        print("\nNB", one, other)
        return
    report = await diagnosed(whole, fleet)
    named = {cause.name for cause in report.causes}
    if named != {one, other}:
        print(
            "\nXX",
            one,
            other,
            [c.name for c in report.causes],
            [h.link.value if hasattr(h.link, "value") else h.link for h in report.not_visible],
        )
