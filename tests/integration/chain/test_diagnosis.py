"""Every fault that can be injected is named by the diagnosis, and nothing else is. Its table is a page of the docs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import combinations, islice

import pytest

from fleet.diagnosis.report import Report
from fleet.spec import Fleet
from simulator.breakage import CATALOGUE, NotBreakable, break_
from simulator.breakage.catalogue import LINKS
from tests.conftest import Cloud
from tests.integration.chain.diagnoses import PAGE, diagnosed, names, normal

pytestmark = pytest.mark.asyncio(loop_scope="module")

_FOUND_LAST = ("identity", "ServiceAccount")
"""Links by which ``simulate break`` finds the others: of a pair, they are broken last."""
_MOOT = {
    ("cluster-rebuilt", "issuer-slash"): "the issuer of before is no matter any more",
    ("cluster-rebuilt", "issuer-case"): "the issuer of before is no matter any more",
    ("cluster-rebuilt", "issuer-space"): "the issuer of before is no matter any more",
    ("cluster-rebuilt", "issuer-look-alike"): "the issuer of before is no matter any more",
    ("cluster-rebuilt", "issuer-other"): "the issuer of before is no matter any more",
    ("cluster-rebuilt", "credential-missing"): "what tells of a rebuilt cluster is the credential of before",
    ("cluster-rebuilt", "credential-budget"): "what tells of a rebuilt cluster is the credential of before",
    ("webhook-tenant", "tenant-id-empty"): "what the ServiceAccount says goes before what the webhook would",
    ("webhook-tenant", "tenant-id-other"): "what the ServiceAccount says goes before what the webhook would",
    ("label-missing", "label-on-account"): "a label on the account is one that the pods lack",
}
"""Pairs of which the second fault, or the first, leaves no trace beside the other."""
_SHOWS_AT = {"cluster-rebuilt": "federated credential"}
"""Faults that are seen at another link than that which they break."""
_GONE = {"identity-deleted", "identity-not-replicated"}
_ANNOTATED_BY_HAND = {"pods-older-than-annotation", *(name for name in CATALOGUE if name.startswith("client-id-"))}
"""Faults that a person's annotation brings about: it was what told whose the identity was, and how new."""
_ROWS: dict[str, Report] = {}


def pairs(each_link_once: bool) -> Iterator[tuple[str, str]]:
    """Faults of different links: one pair of every two links, or every fault with one of every other link."""
    by_link: dict[str, list[str]] = {link: [] for link in LINKS}
    for one in CATALOGUE.values():
        by_link[one.link].append(one.name)
    ordered = sorted(by_link, key=lambda link: _FOUND_LAST.index(link) + 1 if link in _FOUND_LAST else 0)
    for turn, (first, second) in enumerate(combinations(ordered, 2)):
        many = zip(_repeated(by_link[first], turn), _repeated(by_link[second], turn), strict=False)
        length = max(len(by_link[first]), len(by_link[second]))
        yield from islice(many, 1 if each_link_once else length)


def _repeated(items: list[str], start: int) -> Iterator[str]:
    """The items round and round, each time from another one on."""
    number = start
    while True:
        yield items[number % len(items)]
        number += 1


async def _both_are_named(cloud: Cloud, fleet: Fleet, one: str, other: str) -> None:
    await break_(cloud.simulator.simulation, one, "")
    try:
        await break_(cloud.simulator.simulation, other, "")
    except NotBreakable:  # the first left nothing to break
        return
    report = await diagnosed(cloud, fleet)
    hidden = {str(link.link) for link in report.not_visible}
    links = {fault: _SHOWS_AT.get(fault, CATALOGUE[fault].link) for fault in (one, other)}
    seen = {fault for fault in (one, other) if fault in names(report) or links[fault] not in hidden}
    if {one, other} & _GONE and {one, other} & _ANNOTATED_BY_HAND:
        assert report.causes  # that there is no such identity, and no more of it
        return
    moot = {pair for pair in _MOOT if set(pair) == {one, other}}
    assert set(names(report)) <= {one, other}, report
    assert seen <= set(names(report)) or (moot and names(report)), report


async def test_a_whole_chain_has_no_cause_and_hides_nothing(whole: Cloud, fleet: Fleet) -> None:
    report = await diagnosed(whole, fleet)
    assert report.is_well, report


@pytest.mark.parametrize("fault", CATALOGUE)
async def test_each_fault_is_named_exactly(whole: Cloud, fleet: Fleet, fault: str) -> None:
    await break_(whole.simulator.simulation, fault, "")
    report = await diagnosed(whole, fleet)
    assert names(report) == [fault], report
    _ROWS[fault] = report


async def test_the_page_of_faults_says_what_the_diagnosis_says() -> None:
    if _ROWS.keys() != CATALOGUE.keys():
        pytest.fail("this test goes with those before it: run the whole file")
    lines = [
        "# Faults, and what the diagnosis says of each",
        "",
        "Each is injected with `workload-identity simulate break NAME` into a chain that is whole, and then",
        "`workload-identity diagnose` is asked. A test does that for every row and writes this page; ids, names of",
        "pods and seconds are left out. A whole chain yields nothing, and two faults of different links yield both,",
        "unless one makes it impossible to see the other's link: then that link is listed as not visible.",
        "",
        "| link | fault | what the diagnosis says | what mends it |",
        "|---|---|---|---|",
    ]
    for fault in sorted(CATALOGUE.values(), key=lambda one: LINKS.index(one.link)):
        (cause,) = _ROWS[fault.name].causes
        lines.append(f"| {fault.link} | `{fault.name}` | {normal(str(cause))} | `{normal(cause.mend)}` |")
    page = "\n".join(lines) + "\n"
    if "FAULTS_PAGE" in os.environ:
        PAGE.write_text(page, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == page, "make faults writes the page anew"


@pytest.mark.parametrize(("one", "other"), pairs(each_link_once=True))
async def test_of_two_faults_both_are_named(whole: Cloud, fleet: Fleet, one: str, other: str) -> None:
    await _both_are_named(whole, fleet, one, other)


@pytest.mark.faults
@pytest.mark.parametrize(("one", "other"), pairs(each_link_once=False))
async def test_every_fault_is_named_beside_one_of_every_other_link(
    whole: Cloud, fleet: Fleet, one: str, other: str
) -> None:
    await _both_are_named(whole, fleet, one, other)
