"""What a plan found is told as what it is: as something that nobody wants any more, or as pods of before."""

from __future__ import annotations

from typing import Any

import pytest

from fleet.changes import Plan
from fleet.findings import Finding
from flows import happenings


def finding(key: str) -> Finding:
    return Finding(key=key, what=f"{key} is there", danger="much", advice="look", prunable=False)


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ((), {}),
        (("application:old",), {"workload-identity.orphan.found": 1}),
        (("rollout:one/space/sa/deployment/web", "pods:two"), {"workload-identity.pods.stale": 2}),
        (("namespace:one/old", "pods:two"), {"workload-identity.orphan.found": 1, "workload-identity.pods.stale": 1}),
    ],
)
def test_findings_are_told_by_their_kind(
    keys: tuple[str, ...], told: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: dict[str, int] = {}

    def hear(event: str, resource: dict[str, str], payload: dict[str, Any]) -> None:
        assert resource["prefect.resource.id"] == "workload-identity.fleet.shop"
        heard[event] = payload["count"]

    monkeypatch.setattr(happenings, "emit_event", hear)
    happenings.planned(Plan(fleet="shop", findings=tuple(map(finding, keys))))
    assert heard == told
