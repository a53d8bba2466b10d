"""``plan``: what it says, by which exit code, and that it needs neither a Prefect server nor a sound fleet file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
import yaml

from fleet.changes import Plan
from fleet.files import load
from tests.conftest import DEMO_FLEET, running_cloud
from tests.end_to_end.command import Finished, Terminal

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOTHING, MISTAKE, CHANGES = 0, 1, 2
NO_SERVER = {"PREFECT_API_URL": "http://127.0.0.1:9/api"}
ACCOUNT = "service-account:sysadminas/sysadminas-demo/sysadminas-demo-sa"

WRONG_SPEC = """\
name: sysadminas-demo
subscription: Visual Studio Premium with MSDN
clusters:
  - {name: sysadminas, resource_group: sysadminas-aks}
vaults:
  - {name: x, resource_group: sysadminas-aks, location: westeurope, authorisation: rbac}
identities:
  - {name: app, kind: app}
  - {name: other}
workloads:
  - {namespace: Upper_Case, service_account: sa, clusters: [sysadminas], identity: other}
  - {namespace: lower-case, service_account: sa, clusters: [nowhere], identity: other}
"""
BAD_FILES: dict[str, tuple[bytes | None, tuple[str, ...]]] = {
    "missing.yaml": (None, ("missing.yaml: No such file or directory",)),
    "empty.yaml": (b"", ("empty.yaml: 1 mistake", "the file is empty: a fleet has name, subscription")),
    "binary.yaml": (b"\xff\xfe\x00\x01", ("binary.yaml: this is not a text file in UTF-8",)),
    "not-yaml.yaml": (b"name: [unclosed", ("not-yaml.yaml: 1 mistake", "line 1: this is not YAML")),
    "a-list.yaml": (b"- name: demo", ("a fleet is a mapping with name, subscription",)),
    "twice.yaml": (b"name: a\nname: b\n", ("line 2: this is not YAML: name stands twice here",)),
    "wrong.yaml": (
        WRONG_SPEC.encode(),
        (
            "wrong.yaml: 5 mistakes",
            "vaults[0].authorisation: there is no such field",
            "vaults[0].name: 'x' is not allowed here: 3 to 24 letters",
            "identities[0].kind: Input should be 'application' or 'managed-identity'",
            "workloads[0].namespace: 'Upper_Case' is not allowed here: 1 to 63 lower-case letters",
            "workloads[1].clusters[0]: there is no cluster nowhere in this fleet, there is: sysadminas",
        ),
    ),
}
"""Files by name, and what is said about each."""


@dataclass(frozen=True)
class Plans:
    """Plans of one cloud: fresh, then reconciled with one ServiceAccount in somebody else's hands."""

    terminal: Terminal
    directory: Path
    fresh: Finished
    as_json: Finished
    written: int
    unchanged: Finished
    foreign: Finished
    adopting: Finished


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def plans(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Plans]:
    directory = tmp_path_factory.mktemp("plans")
    async with running_cloud(directory / "simulator") as cloud:
        terminal = Terminal(cloud, directory / "home", NO_SERVER)
        fresh, as_json = await asyncio.gather(
            terminal.run("plan", DEMO_FLEET), terminal.run("plan", "--json", DEMO_FLEET)
        )
        written = len(cloud.journal.writing())
        await cloud.apply(load(DEMO_FLEET.read_text(encoding="utf-8")))
        unchanged = await terminal.run("plan", DEMO_FLEET)
        cluster = next(iter(cloud.simulator.simulation.clusters.values()))
        account = f"https://{cluster.state.fqdn}/api/v1/namespaces/sysadminas-demo/serviceaccounts"
        await cloud.by_hand("DELETE", f"{account}/sysadminas-demo-sa")
        theirs = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "sysadminas-demo-sa"}}
        await cloud.by_hand("POST", account, theirs)
        foreign, adopting = await asyncio.gather(
            terminal.run("plan", DEMO_FLEET), terminal.run("plan", "--adopt", DEMO_FLEET)
        )
        yield Plans(terminal, directory, fresh, as_json, written, unchanged, foreign, adopting)


async def test_a_plan_with_changes_ends_with_2_and_changes_nothing(plans: Plans) -> None:
    assert plans.fresh.code == CHANGES
    assert plans.fresh.out.startswith("Plan of sysadminas-demo")
    assert "+ register application sysadminas-aad-workload-identity-demo-app" in plans.fresh.out
    assert "known after apply" in plans.fresh.out
    assert plans.fresh.out.endswith("\n12 to create, 2 to update\n")
    assert plans.written == 0


async def test_a_plan_as_json_is_the_plan(plans: Plans) -> None:
    assert plans.as_json.code == CHANGES
    planned = Plan.model_validate_json(plans.as_json.out)
    assert planned.fleet == "sysadminas-demo"
    assert len(planned.changes) == 14
    assert {change.group for change in planned.changes} == {
        "subscription:Visual Studio Premium with MSDN",
        "cluster:sysadminas",
        "vault:sysadminas-demo-kv",
        "workload:sysadminas-demo/sysadminas-demo-sa",
    }
    assert plans.as_json.err == ""


async def test_a_plan_without_changes_ends_with_0(plans: Plans) -> None:
    assert plans.unchanged.code == NOTHING
    assert plans.unchanged.out == "Nothing to change.\n"


async def test_what_is_somebody_elses_is_held_with_the_way_out(plans: Plans) -> None:
    assert plans.foreign.code == MISTAKE
    reason = "exists and does not carry our mark: rename ours, or set adopt: true to take it over"
    assert f"held {ACCOUNT}: {reason}" in plans.foreign.out


async def test_adopting_plans_to_take_it_over(plans: Plans) -> None:
    assert plans.adopting.code == CHANGES
    assert "~ annotate sysadminas-demo/sysadminas-demo-sa on sysadminas" in plans.adopting.out
    assert "held" not in plans.adopting.out


@pytest.mark.parametrize("command", ["plan", "reconcile", "verify", "teardown"])
async def test_a_bad_file_is_told_before_anything_is_asked(plans: Plans, command: str) -> None:
    empty = plans.directory / "empty-folder"
    empty.mkdir(exist_ok=True)
    before = len(plans.terminal.cloud.journal.entries)
    finished = await plans.terminal.run(command, empty)
    assert finished.code == MISTAKE
    assert finished.err == f"{empty}: 1 mistake\n  no file in this folder is named *.yaml or *.yml\n"
    assert len(plans.terminal.cloud.journal.entries) == before


async def test_a_folder_is_planned_as_one_file_would_be(plans: Plans) -> None:
    described = yaml.safe_load(DEMO_FLEET.read_text(encoding="utf-8"))
    teams = plans.directory / "fleet" / "teams"
    teams.mkdir(parents=True)
    (teams / "demo.yaml").write_text(yaml.safe_dump({"workloads": described.pop("workloads")}), encoding="utf-8")
    described["include"] = ["teams/*.yaml"]
    (teams.parent / "fleet.yaml").write_text(yaml.safe_dump(described), encoding="utf-8")
    of_folder, of_file = await asyncio.gather(
        plans.terminal.run("plan", teams.parent), plans.terminal.run("plan", DEMO_FLEET)
    )
    assert (of_folder.code, of_folder.out) == (of_file.code, of_file.out)
    assert "sysadminas-demo-sa" in of_folder.out


async def test_each_bad_file_is_told_what_is_wrong_with_it(plans: Plans) -> None:
    before = len(plans.terminal.cloud.journal.entries)

    async def told(name: str, content: bytes | None) -> Finished:
        if content is not None:
            (plans.directory / name).write_bytes(content)
        return await plans.terminal.run("plan", plans.directory / name)

    finished = await asyncio.gather(*(told(name, content) for name, (content, _) in BAD_FILES.items()))
    for outcome, (name, (_, words)) in zip(finished, BAD_FILES.items(), strict=True):
        assert outcome.code == MISTAKE, name
        assert outcome.out == "", name
        for said in words:
            assert said in outcome.err, f"{name}: {outcome.err}"
    assert len(plans.terminal.cloud.journal.entries) == before, "a request was sent"


async def test_a_mistake_on_the_command_line_is_not_taken_for_changes(plans: Plans) -> None:
    for arguments in (("plan",), ("plan", "--no-such-option", str(DEMO_FLEET)), ("no-such-command",)):
        finished = await plans.terminal.run(*arguments)
        assert finished.code == MISTAKE, arguments
        assert "Usage: workload-identity" in finished.words
