"""What is wrong in the form of a run is told in our words: by Prefect's server that checks the form, and by the run."""

from __future__ import annotations

from typing import Any

import pytest
from prefect.utilities.schema_tools.validation import validate

from flows.reconcile import reconcile
from flows.verify import verify

FLOWS = {"reconcile": reconcile, "verify": verify}
WRONG = [
    ("reconcile", "approve_minutes", 0, "a number of minutes above 0 and up to 10080 (a week)"),
    ("reconcile", "approve_minutes", 10_081, "a number of minutes above 0 and up to 10080 (a week)"),
    ("reconcile", "shard_size", -1, "a number of changes from 0 on"),
    ("reconcile", "fleet_file", "", "a path (or leave it out)"),
    ("reconcile", "plan_file", "", "a path (or leave it out)"),
    ("verify", "patience_seconds", -1, "a number of seconds from 0 to 3600 (an hour)"),
    ("verify", "patience_seconds", 3601, "a number of seconds from 0 to 3600 (an hour)"),
]
RIGHT = [
    ("reconcile", {"approve_minutes": 0.5, "shard_size": 0, "fleet_file": "fleet.yaml"}),
    ("reconcile", {"approve_minutes": 10_080, "shard_size": 100, "plan_file": "plan.json", "fleet_file": None}),
    ("verify", {"patience_seconds": 0, "fleet_file": "fleet"}),
    ("verify", {"patience_seconds": 3600, "fleet_file": "fleet"}),
]


def complaints(flow: str, values: dict[str, Any]) -> list[str]:
    """What Prefect's server says of the values of a form."""
    schema = FLOWS[flow].parameters.model_dump()
    return [error.message for error in validate(values, schema, raise_on_error=False, preprocess=True)]


@pytest.mark.parametrize(("flow", "field", "value", "says"), WRONG)
def test_a_wrong_value_is_refused_by_what_is_right(flow: str, field: str, value: Any, says: str) -> None:
    assert complaints(flow, {field: value}) == [f"'{says}' was expected"]
    with pytest.raises(Exception, match=r"was expected") as refused:
        FLOWS[flow].validate_parameters({"fleet_file": "fleet.yaml", field: value})
    assert says in str(refused.value)


@pytest.mark.parametrize(("flow", "values"), RIGHT)
def test_a_right_value_is_taken(flow: str, values: dict[str, Any]) -> None:
    assert complaints(flow, values) == []
    assert FLOWS[flow].validate_parameters(values)
