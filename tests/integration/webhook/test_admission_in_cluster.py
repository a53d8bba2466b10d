"""What the API server makes of every recorded pod with the webhook behind it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from recorded_admission import CASES, Case, containers
from recorded_cluster import Recorded

from simulator.routing import Refusal

Json = dict[str, Any]

REFUSED = [case for case in CASES if case.api["code"] != 201]


@pytest.fixture(scope="module")
def recorded() -> Iterator[Recorded]:
    return Recorded()


def as_recorded(value: Any) -> Any:
    """Without what the API server adds to every pod: the recording left that out, too."""
    if isinstance(value, list):
        return [as_recorded(item) for item in value if not _is_api_access(item)]
    if isinstance(value, dict):
        added = ("defaultMode", "protocol", "terminationMessagePath", "terminationMessagePolicy")
        return {key: as_recorded(item) for key, item in value.items() if key not in added}
    return value


def _is_api_access(item: Any) -> bool:
    return isinstance(item, dict) and str(item.get("name", "")).startswith("kube-api-access-")


def _without_empty_lists(rows: list[Json]) -> list[Json]:
    return [{key: value for key, value in row.items() if value != []} for row in rows]


@pytest.mark.parametrize("case", [case for case in CASES if case.api["code"] == 201], ids=lambda case: case.id)
async def test_created_pod_is_as_recorded(recorded: Recorded, case: Case) -> None:
    pod = await recorded.create(case)
    assert recorded.calls == case.api["calls"]
    if recorded.calls == 0:
        assert all(not container.get("env") for container in pod["spec"]["containers"])
        return
    for part, expected in (("initContainers", case.init), ("containers", case.app)):
        rows = as_recorded(containers(pod, case.pod, part))
        assert _without_empty_lists(rows) == as_recorded(expected)
    assert as_recorded(pod["spec"]["volumes"]) == case.volumes


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.id)
async def test_refused_pod_is_refused_as_recorded(recorded: Recorded, case: Case) -> None:
    with pytest.raises(Refusal) as refused:
        await recorded.create(case)
    answer = {"code": refused.value.status, "calls": recorded.calls, "message": refused.value.message}
    if refused.value.code:
        answer["reason"] = refused.value.code
    assert answer == case.api
