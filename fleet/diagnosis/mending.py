"""From reports to the part of a fleet's plan that mends what they name."""

from __future__ import annotations

from collections.abc import Iterable

from fleet.changes import Plan
from fleet.proof import link_of

from .report import Link, Report


def mending(plan: Plan, reports: Iterable[Report]) -> tuple[str, ...]:
    """Keys of the plan's changes that put right what the reports name, and of those that these come after."""
    broken = {link for report in reports for link in _links(report)}
    changes = {change.key: change for change in plan.changes}
    todo = [change.key for change in plan.changes if link_of(change.resource) in broken]
    wanted: set[str] = set()
    while todo:
        key = todo.pop()
        if key in changes and key not in wanted:
            wanted.add(key)
            todo += changes[key].after
    return tuple(key for key in changes if key in wanted)


def _links(report: Report) -> set[tuple[str, ...]]:
    """What the causes of a report are about, as :func:`~fleet.proof.link_of` names it."""
    place = (report.cluster, report.namespace, report.service_account)
    of: dict[Link, set[tuple[str, ...]]] = {
        Link.CLUSTER: {("cluster", report.cluster), ("trust", report.identity, *place[1:])},
        Link.WEBHOOK: {("cluster", report.cluster)},
        Link.IDENTITY: {("identity", report.identity)},
        Link.CREDENTIAL: {("trust", report.identity, *place[1:])},
        Link.ACCOUNT: {("namespace", *place[:2]), ("workload", *place)},
        Link.WORKLOAD: {("workload", *place)},
        Link.VAULT: {("vault", report.vault), ("grant", report.identity, report.vault)},
        Link.SECRET: {("secret", report.vault, report.secret)},
        Link.SIGN_IN: set(),
    }
    return {link for cause in report.causes if cause.wait_seconds is None for link in of[cause.link]}
