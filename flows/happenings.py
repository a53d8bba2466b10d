"""What a run tells Prefect as events, so that automations can act on it.

One event for each thing that somebody should hear of, about the fleet; many of one kind are one event with a list.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from prefect.events import emit_event

from fleet import healing, naming
from fleet.audit.findings import Audit
from fleet.changes import Plan
from fleet.outline import headline
from fleet.proof import Proof
from tasks.chain import title

_LISTED = 100
"""Objects that one event names. ``count`` has them all."""


class Happening(StrEnum):
    """The names of our events; automations match them."""

    DRIFT_FOUND = "workload-identity.drift.found"
    DRIFT_REPAIRED = "workload-identity.drift.repaired"
    VERIFICATION_FAILED = "workload-identity.verification.failed"
    ORPHAN_FOUND = "workload-identity.orphan.found"
    PODS_STALE = "workload-identity.pods.stale"
    AUDIT_FOUND = "workload-identity.audit.found"
    BUDGET_NEARLY_USED = "workload-identity.budget.nearly-used"


def resource_of(fleet: str) -> dict[str, str]:
    """The fleet as the resource of an event."""
    return {"prefect.resource.id": f"workload-identity.fleet.{fleet}", "prefect.resource.name": fleet}


def planned(plan: Plan) -> None:
    """What a look at the world found."""
    if plan.changes:
        changes = [title(change) for change in plan.changes]
        _emit(Happening.DRIFT_FOUND, plan.fleet, changes, plan=headline(plan.changes, plan.holds))
    for happening, of_pods in ((Happening.ORPHAN_FOUND, False), (Happening.PODS_STALE, True)):
        if told := [str(finding) for finding in plan.findings if healing.is_of_pods(finding) is of_pods]:
            _emit(happening, plan.fleet, told)


def applied(plan: Plan, failures: Mapping[str, str], waiting: Mapping[str, str]) -> None:
    """What a run made so."""
    done = [change for change in plan.changes if change.key not in failures and change.key not in waiting]
    if done:
        _emit(Happening.DRIFT_REPAIRED, plan.fleet, [title(change) for change in done], failed=len(failures))


def proven(fleet: str, proofs: Iterable[Proof]) -> None:
    """What verification came to."""
    if broken := [str(proof) for proof in proofs if not proof.holds]:
        _emit(Happening.VERIFICATION_FAILED, fleet, broken)


def audited(audit: Audit) -> None:
    """What an audit found."""
    if audit.findings:
        _emit(Happening.AUDIT_FOUND, audit.fleet, [str(finding) for finding in audit.findings])


def nearly_full(fleet: str, identities: Mapping[str, int]) -> None:
    """Identities on which there is little room left."""
    limit = naming.MAX_FEDERATED_CREDENTIALS
    if told := [f"{name} holds {count} of {limit} federated credentials" for name, count in identities.items()]:
        _emit(Happening.BUDGET_NEARLY_USED, fleet, told)


def _emit(happening: Happening, fleet: str, objects: Sequence[str], **more: Any) -> None:
    payload = {"count": len(objects), "objects": list(objects[:_LISTED]), **more}
    emit_event(happening.value, resource=resource_of(fleet), payload=payload)
