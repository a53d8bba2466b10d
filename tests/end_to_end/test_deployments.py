"""prefect.yaml says what it means. ``prefect deploy`` takes a misspelt key or an unknown parameter in silence."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from prefect import Flow
from prefect.client.schemas.objects import ConcurrencyLimitConfig
from prefect.client.schemas.schedules import CronSchedule
from prefect.flows import load_flow_from_entrypoint

from fleet.files import load
from tests.conftest import ROOT

FILE: dict[str, Any] = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))
DEPLOYMENTS: dict[str, dict[str, Any]] = {deployment["name"]: deployment for deployment in FILE["deployments"]}
TOP_LEVEL = {"name", "prefect-version", "build", "push", "pull", "definitions", "deployments"}
OF_A_DEPLOYMENT = {
    "name",
    "entrypoint",
    "description",
    "version",
    "tags",
    "parameters",
    "schedules",
    "concurrency_limit",
    "work_pool",
    "triggers",
    "enforce_parameter_schema",
}
OF_A_WORK_POOL = {"name", "work_queue_name", "job_variables"}
OF_A_SCHEDULE = {"cron", "timezone", "active", "parameters", "slug"}


def flow_of(deployment: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Flow[..., Any]:
    monkeypatch.chdir(ROOT)
    return load_flow_from_entrypoint(deployment["entrypoint"])


def test_every_key_is_one_that_prefect_knows() -> None:
    assert set(FILE) <= TOP_LEVEL
    assert len(DEPLOYMENTS) == len(FILE["deployments"]) == 6
    for name, deployment in DEPLOYMENTS.items():
        assert set(deployment) <= OF_A_DEPLOYMENT, name
        assert set(deployment["work_pool"]) <= OF_A_WORK_POOL, name
        for schedule in deployment["schedules"]:
            assert set(schedule) <= OF_A_SCHEDULE, name


def test_it_is_written_for_the_prefect_that_is_installed() -> None:
    import prefect

    assert FILE["prefect-version"] == prefect.__version__


WITH_A_FLEET = [name for name, deployment in DEPLOYMENTS.items() if deployment["parameters"]]


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_the_entrypoint_is_a_flow_of_that_name(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    deployment = DEPLOYMENTS[name]
    assert flow_of(deployment, monkeypatch).name == deployment["entrypoint"].rpartition(":")[2].replace("_", "-")


def test_only_a_slice_of_a_plan_comes_without_a_fleet() -> None:
    from flows.handing_out import DEPLOYMENT

    assert [DEPLOYMENT.partition("/")[2]] == [name for name in DEPLOYMENTS if name not in WITH_A_FLEET]


@pytest.mark.parametrize("name", WITH_A_FLEET)
def test_the_parameters_are_the_flows_and_their_fleet_file_is_sound(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    deployment = DEPLOYMENTS[name]
    flow = flow_of(deployment, monkeypatch)
    assert set(deployment["parameters"]) <= set(inspect.signature(flow.fn).parameters)
    flow.validate_parameters(deployment["parameters"])
    fleet_file: Path = ROOT / deployment["parameters"]["fleet_file"]
    assert load(fleet_file.read_text(encoding="utf-8")).name


def test_reconcile_runs_every_quarter_of_an_hour() -> None:
    (schedule,) = DEPLOYMENTS["every-15-minutes"]["schedules"]
    assert schedule["active"] is True
    assert ZoneInfo(schedule["timezone"])
    CronSchedule(cron=schedule["cron"], timezone=schedule["timezone"])
    from prefect._vendor.croniter import croniter

    times = croniter(schedule["cron"], datetime(2026, 1, 1, 0, 1, tzinfo=UTC))
    assert [times.get_next(datetime).minute for _ in range(5)] == [15, 30, 45, 0, 15]


@pytest.mark.parametrize("name", ["every-15-minutes", "on-demand"])
def test_a_deployment_that_writes_never_runs_twice_at_once(name: str) -> None:
    limit = ConcurrencyLimitConfig.model_validate(DEPLOYMENTS[name]["concurrency_limit"])
    assert limit.limit == 1
    assert limit.collision_strategy.value == "ENQUEUE"


@pytest.mark.parametrize("name", WITH_A_FLEET)
def test_every_field_of_the_form_has_a_title_an_explanation_and_a_default(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = flow_of(DEPLOYMENTS[name], monkeypatch).parameters.properties
    for parameter, field in fields.items():
        assert field["title"] != parameter, parameter
        assert field["description"].endswith("."), parameter
        assert "default" in field, parameter


@pytest.mark.parametrize("name", WITH_A_FLEET)
def test_the_form_in_the_ui_explains_the_fleet(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    schema = flow_of(DEPLOYMENTS[name], monkeypatch)
    parameters = schema.parameters.model_dump() if hasattr(schema.parameters, "model_dump") else schema.parameters
    assert {"fleet", "fleet_file"} <= set(parameters["properties"])
    fields = parameters["definitions"]["Fleet"]["properties"]
    assert {"name", "subscription", "clusters", "vaults", "identities", "workloads"} <= set(fields)
    assert "Marks what this fleet owns" in fields["name"]["description"]
