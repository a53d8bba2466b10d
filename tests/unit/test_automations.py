"""The automations' files are what Prefect takes, and act on events that exist."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml
from prefect.events import AutomationCore
from prefect.settings.models.flows import FlowsSettings

from deployments import automations
from flows.happenings import Happening
from tests.conftest import ROOT

FILES = automations.files()
DEPLOYED = {
    f"{deployment['entrypoint'].rpartition(':')[2].replace('_', '-')}/{deployment['name']}"
    for deployment in yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
}


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def content(request: pytest.FixtureRequest) -> dict[str, Any]:
    path: Path = request.param
    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content


def test_there_is_one_of_each_kind() -> None:
    kinds = {action["type"] for path in FILES for action in yaml.safe_load(path.read_text(encoding="utf-8"))["actions"]}
    assert kinds == {"call-webhook", "change-flow-run-state", "run-deployment"}


def test_it_acts_on_events_that_runs_emit(content: dict[str, Any]) -> None:
    of_every_run = {"prefect.flow-run.*"}
    assert set(content["trigger"]["expect"]) <= {happening.value for happening in Happening} | of_every_run


def test_it_watches_flows_that_there_are(content: dict[str, Any]) -> None:
    related = content["trigger"].get("match_related") or {}
    flows = {deployed.partition("/")[0] for deployed in DEPLOYED} | {"plan", "teardown"}
    assert set(related.get("prefect.resource.name", ())) <= flows


def test_no_living_run_is_taken_for_dead() -> None:
    (trigger,) = (
        content["trigger"]
        for path in FILES
        if (content := yaml.safe_load(path.read_text(encoding="utf-8")))["trigger"]["posture"] == "Proactive"
    )
    assert trigger["within"] >= 3 * FlowsSettings().heartbeat_frequency


def test_it_runs_what_is_deployed(content: dict[str, Any]) -> None:
    assert {action["deployment"] for action in content["actions"] if "deployment" in action} <= DEPLOYED


def test_it_is_an_automation_once_its_names_are_ids(content: dict[str, Any]) -> None:
    for action in content["actions"]:
        for name, of in (("deployment", "deployment_id"), ("block", "block_document_id")):
            if action.pop(name, None):
                action[of] = str(uuid4())
    assert AutomationCore.model_validate(content).enabled
