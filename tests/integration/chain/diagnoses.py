"""A diagnosis in a test: of a fleet's only chain, and of whatever somebody asks about."""

from __future__ import annotations

import re

from fleet.diagnosis.report import Report
from fleet.spec import Fleet
from flows import diagnosing
from flows.diagnosing import Ask
from tests.conftest import ROOT, Cloud
from tests.hurried import hurried

_TIMES = 100.0
PAGE = ROOT / "deployments" / "faults.md"
_NORMAL = (
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "ID"),
    (re.compile(r"\b\d+ s\b"), "N s"),
    (re.compile(r"character \d+ is .*"), "character N is …"),
    (re.compile(r"(azure-wi-demo)-[a-z0-9]+-[a-z0-9]{5}\b"), r"\1-…"),
    (re.compile(r"(sysadminas-sysadminas-demo-sysadminas-demo-sa)-[0-9a-f]{16}"), r"\1-…"),
)


async def diagnosed(cloud: Cloud, fleet: Fleet) -> Report:
    """The report of the fleet's only chain."""
    cloud.patience = hurried(_TIMES)
    observed = await cloud.observe(fleet)
    async with cloud.clients() as clients:
        clients.tenancy = observed.tenancy
        (report,) = await diagnosing.of_fleet(clients, fleet, observed)
        return report


async def asked(cloud: Cloud, ask: Ask) -> list[Report]:
    """The reports of what is asked about without a fleet file."""
    cloud.patience = hurried(_TIMES)
    async with cloud.clients() as clients:
        return await diagnosing.of_ask(clients, ask)


def names(report: Report) -> list[str]:
    """The names of its causes."""
    return [cause.name for cause in report.causes]


def normal(text: str) -> str:
    """A text without what is another one in every run, for a table's cell."""
    for pattern, name in _NORMAL:
        text = pattern.sub(name, text)
    return text.replace("|", "\\|")
