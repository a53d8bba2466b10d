"""The published JSON Schema is the model's: editors explain every field, and say of a file what we say of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from fleet import schema
from fleet.files import FleetFileError, load
from fleet.spec import Fleet
from flows.command_line import app
from tests.conftest import DEMO_FLEET, ROOT

from .worlds import aks, application, deployment, elsewhere, fleet_data, managed, vault, workload

PUBLISHED = ROOT / "fleet" / "fleet.schema.json"
SCHEMA = schema.fleet_file_schema()
EDITOR = Draft202012Validator(SCHEMA)
TEMPLATE = {
    "name": "web",
    "for_each": [{"team": "shop", "clusters": ["one"], "seconds": 7200}],
    "vaults": [vault("${team}-kv", authorization="rbac")],
    "identities": [application("${team}-app", access=[{"vault": "${team}-kv"}])],
    "workloads": [
        workload(
            "${team}-web",
            identity="${team}-app",
            clusters="${clusters}",
            token_expiration="${seconds}",
            deployment=deployment("${team}", replicas=2),
        )
    ],
}
DEFAULTS = {
    "vaults": {"resource_group": "group", "location": "westeurope"},
    "workloads": {"namespace": "space", "clusters": ["one"], "identity": "app"},
}


def test_the_published_schema_is_that_of_the_model() -> None:
    assert PUBLISHED.read_text(encoding="utf-8") == schema.fleet_file_schema_text(), "run make schema"


def test_the_command_prints_the_schema() -> None:
    printed = CliRunner().invoke(app, ["schema"])
    assert (printed.exit_code, json.loads(printed.stdout)) == (0, SCHEMA)


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def properties() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every field of every kind of entry, as its schema."""
    kinds = {name: kind for name, kind in SCHEMA["$defs"].items() if "properties" in kind}
    for name, kind in {**kinds, "Fleet": SCHEMA}.items():
        for field, about in kind["properties"].items():
            yield f"{name}.{field}", about


@pytest.mark.parametrize(("name", "about"), properties())
def test_every_field_is_described(name: str, about: dict[str, Any]) -> None:
    assert about.get("description"), f"write a docstring below {name}"


@pytest.mark.parametrize(
    ("name", "about"),
    [case for case in properties() if case[1].get("type") in ("string", "integer") and "enum" not in case[1]],
)
def test_every_field_that_is_written_by_hand_has_a_title_and_an_example_that_it_allows(
    name: str, about: dict[str, Any]
) -> None:
    assert about["title"]
    assert about["examples"]
    assert all(Draft202012Validator(about).is_valid(example) for example in about["examples"])


@pytest.mark.parametrize("path", [DEMO_FLEET, ROOT / "tests" / "integration" / "chain" / "wide.yaml"])
def test_files_that_are_right_are_right_in_an_editor_too(path: Any) -> None:
    EDITOR.validate(yaml.safe_load(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    "written",
    [
        fleet_data(),
        fleet_data(clusters=[aks(), elsewhere("two")], identities=[application(), managed(shards=3)]),
        fleet_data(templates=[TEMPLATE]),
        fleet_data(defaults=DEFAULTS, vaults=[{"name": "vault"}], workloads=[{"service_account": "account"}]),
    ],
    ids=["plain", "all kinds", "templates", "defaults"],
)
def test_what_loads_is_right_in_an_editor_and_where_prefect_draws_a_form(written: dict[str, Any]) -> None:
    data = json.loads(json.dumps(written))
    load(yaml.safe_dump(data))
    EDITOR.validate(data)
    Draft202012Validator(Fleet.model_json_schema()).validate(data)


@pytest.mark.parametrize(
    "part", [{"workloads": [workload()]}, {"include": ["teams/*.yaml"]}, {"templates": [TEMPLATE]}, {"clusters": []}]
)
def test_a_part_of_a_fleet_is_right_in_an_editor(part: dict[str, Any]) -> None:
    EDITOR.validate(part)


@pytest.mark.parametrize(
    "parts",
    [
        {"colour": "red"},
        {"name": "My_Fleet"},
        {"clusters": [aks(region="x")]},
        {"vaults": [vault("a_b")]},
        {"identities": [application(kind="robot")]},
        {"identities": [application(shards=51)]},
        {"workloads": [workload(namespace="Space")]},
        {"workloads": [workload(token_expiration=60)]},
        {"workloads": [workload(clusters="one")]},
        {"templates": [TEMPLATE | {"workloads": [workload(colour="red")]}]},
        {"templates": [TEMPLATE | {"workloads": [workload(namespace="Space")]}]},
        {"templates": [TEMPLATE | {"for_each": []}]},
        {"defaults": {"workloads": {"colour": "red"}}},
    ],
    ids=str,
)
def test_what_does_not_load_is_wrong_in_an_editor_already(parts: dict[str, Any]) -> None:
    written = json.loads(json.dumps(fleet_data(**parts)))
    with pytest.raises(FleetFileError):
        load(yaml.safe_dump(written))
    assert not EDITOR.is_valid(written)
