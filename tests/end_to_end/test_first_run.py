"""The tutorial by one command: what it says, what it leaves in Prefect, and that the demo application really runs."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_asyncio

from simulator.journal import Entry
from tests.conftest import CANARY, DEMO_FLEET, running_cloud
from tests.end_to_end.command import TOKEN, Finished, PrefectApi, Terminal, eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

WORKLOAD = "sysadminas-demo/sysadminas-demo-sa"
APPLICATION = "sysadminas-aad-workload-identity-demo-app"
PODS = "/api/v1/namespaces/sysadminas-demo/pods"
TOKEN_FILE = "/var/run/secrets/azure/wi/token/azure-identity-token"
COMES_AFTER = {
    "register feature EnableOIDCIssuerPreview": set(),
    "set up cluster sysadminas": {"register feature EnableOIDCIssuerPreview"},
    "install webhook on sysadminas": {"set up cluster sysadminas"},
    "prepare vault sysadminas-demo-kv": set(),
    "allow operator on sysadminas-demo-kv": {"prepare vault sysadminas-demo-kv"},
    "write secret sysadminas-demo-kv/sysadminas-demo-kv-secret": {
        "prepare vault sysadminas-demo-kv",
        "allow operator on sysadminas-demo-kv",
    },
    f"register application {APPLICATION}": set(),
    f"add service principal of {APPLICATION}": {f"register application {APPLICATION}"},
    f"assign role Reader to {APPLICATION} on sysadminas-demo-kv": {
        f"add service principal of {APPLICATION}",
        "prepare vault sysadminas-demo-kv",
    },
    f"allow {APPLICATION} on sysadminas-demo-kv": {
        f"add service principal of {APPLICATION}",
        "prepare vault sysadminas-demo-kv",
    },
    f"federate {WORKLOAD} on sysadminas": {f"register application {APPLICATION}", "set up cluster sysadminas"},
    "create namespace sysadminas-demo on sysadminas": {"set up cluster sysadminas"},
    f"annotate {WORKLOAD} on sysadminas": {
        "create namespace sysadminas-demo on sysadminas",
        f"register application {APPLICATION}",
    },
    "deploy sysadminas-demo/azure-wi-demo on sysadminas": {
        f"annotate {WORKLOAD} on sysadminas",
        f"federate {WORKLOAD} on sysadminas",
        "install webhook on sysadminas",
        f"assign role Reader to {APPLICATION} on sysadminas-demo-kv",
        f"allow {APPLICATION} on sysadminas-demo-kv",
        "write secret sysadminas-demo-kv/sysadminas-demo-kv-secret",
    },
}
"""The tutorial's chain: each step by the name of its task run, and the steps whose results it needs."""


@dataclass(frozen=True)
class Tutorial:
    """The demo's fleet, reconciled twice on a fresh cloud."""

    terminal: Terminal
    first: Finished
    seen_in_process_lists: set[str]
    second: Finished
    asked_by_the_second: list[Entry]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tutorial(
    home: Path, prefect: PrefectApi, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Tutorial]:
    async with running_cloud(tmp_path_factory.mktemp("simulator")) as cloud:
        terminal = Terminal(cloud, home)
        seen: set[str] = set()
        watching = asyncio.create_task(watch(seen))
        first = await terminal.run("reconcile", DEMO_FLEET)
        watching.cancel()
        before = len(cloud.journal.entries)
        second = await terminal.run("reconcile", DEMO_FLEET)
        yield Tutorial(terminal, first, seen, second, cloud.journal.entries[before:])


async def watch(seen: set[str]) -> None:
    """Note the command line of every process that is begun here, as anybody on this machine can."""
    while True:
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):
                seen.add(" ".join(process.cmdline()))
        await asyncio.sleep(0.03)


async def test_one_command_sets_up_the_chain_and_proves_it(tutorial: Tutorial) -> None:
    first = tutorial.first
    assert first.code == 0
    assert first.err == ""
    assert f"Applied {len(COMES_AFTER)} of {len(COMES_AFTER)} changes" in first.out
    assert "\n12 created, 2 updated\n" in first.out
    assert f"read sysadminas-demo-kv-secret as system:serviceaccount:{WORKLOAD.replace('/', ':')}" in first.out
    assert "••••••••" in first.out


async def test_it_shows_every_field_that_it_changed(tutorial: Tutorial) -> None:
    lines = [" ".join(line.strip(" │├└─").split()) for line in tutorial.first.out.splitlines()]
    for title in COMES_AFTER:
        assert any(line.startswith((f"+ {title}", f"~ {title}")) for line in lines), title
    for row in (
        "oidc_issuer off → on",
        "state NotRegistered → Registered",
        "authorization access-policy",
        "subject system:serviceaccount:sysadminas-demo:sysadminas-demo-sa",
        "audience api://AzureADTokenExchange",
        "value as in its source",
    ):
        assert row in lines, row
    for field in ("issuer https://", "client_id ", "principal_id "):  # became known while it ran
        assert any(line.startswith(field) and "known after apply" not in line for line in lines), field


async def test_it_says_what_it_cost_and_where_to_look(tutorial: Tutorial, prefect: PrefectApi) -> None:
    assert " requests, " in tutorial.first.out
    run = await prefect.get(f"/flow_runs/{tutorial.first.run_id}")
    assert run["state"]["type"] == "COMPLETED"
    assert "14 of 14 changes applied, 1 of 1 chains proven" in run["state"]["message"]


async def test_a_second_run_changes_nothing_and_says_what_that_cost(tutorial: Tutorial, prefect: PrefectApi) -> None:
    assert tutorial.second.code == 0
    assert "Nothing to change." in tutorial.second.out
    assert " requests, " in tutorial.second.out
    assert [entry for entry in tutorial.asked_by_the_second if entry.writes] == []
    run = await prefect.get(f"/flow_runs/{tutorial.second.run_id}")
    assert (run["state"]["type"], run["state"]["name"]) == ("COMPLETED", "Unchanged")


async def test_an_unchanged_chain_keeps_its_proof(tutorial: Tutorial) -> None:
    """No ServiceAccount token is asked for, so none can have been exchanged.

    What Entra reads of the issuer says nothing here: the demo application may exchange a token of its own meanwhile.
    """
    proof = next(line for line in tutorial.first.out.splitlines() if line.startswith("proven"))
    assert proof in tutorial.second.out
    asked = [entry.path for entry in tutorial.asked_by_the_second]
    assert asked
    assert not [path for path in asked if "/serviceaccounts/" in path and path.endswith("/token")]


async def test_the_demo_application_runs_and_reads_the_secret(tutorial: Tutorial) -> None:
    async def log() -> str | None:
        pods = json.loads(await tutorial.terminal.asked(PODS))["items"]
        assert len(pods) == 1
        container = pods[0]["spec"]["containers"][0]
        variables = {item["name"]: item.get("value") for item in container["env"]}
        assert variables["AZURE_FEDERATED_TOKEN_FILE"] == TOKEN_FILE
        if pods[0]["status"]["phase"] != "Running":
            return None
        text = await tutorial.terminal.asked(f"{PODS}/{pods[0]['metadata']['name']}/log")
        return text if "read secret" in text else None

    text = await eventually(log, "the demo application's first read")
    vault = "https://sysadminas-demo-kv.vault.azure.net"
    assert f"read secret 'sysadminas-demo-kv-secret' from {vault}: ******** ({len(CANARY)} characters)" in text
    assert CANARY not in text


async def test_the_application_is_given_a_real_token_file_below_its_own_root(tutorial: Tutorial) -> None:
    programs = [process for process in psutil.Process().children() if is_demo(process, tutorial)]
    assert len(programs) == 1
    environment = programs[0].environ()
    token_file = Path(environment["AZURE_FEDERATED_TOKEN_FILE"])
    assert str(token_file).endswith(TOKEN_FILE)
    assert str(token_file) != TOKEN_FILE
    assert TOKEN.search(token_file.read_bytes())
    assert "AZURE_CLIENT_SECRET" not in environment
    assert "KEYVAULT_SECRET_VALUE" not in environment


def is_demo(process: psutil.Process, tutorial: Tutorial) -> bool:
    """Whether a process is the demo application of this module's cloud."""
    if not any(part.endswith("deployments/demo/application.py") for part in process.cmdline()):
        return False
    return process.environ().get("HTTPS_PROXY") == tutorial.terminal.cloud.simulator.environment()["HTTPS_PROXY"]


async def task_runs(prefect: PrefectApi, run_id: str, count: int) -> list[dict[str, Any]]:
    async def all_of_them() -> list[dict[str, Any]] | None:
        found = await prefect.task_runs(run_id)
        ended = [run for run in found if run["state"]["type"] in ("COMPLETED", "FAILED")]
        return ended if len(ended) >= count else None

    return await eventually(all_of_them, f"{count} finished task runs")


async def test_every_change_is_a_task_run_named_after_it(tutorial: Tutorial, prefect: PrefectApi) -> None:
    verification = f"verify {WORKLOAD} on sysadminas"
    looks = 7
    runs = await task_runs(prefect, tutorial.first.run_id, len(COMES_AFTER) + looks + 1)
    changes = [run["name"] for run in runs if not run["name"].startswith("observe ")]
    assert sorted(changes) == sorted([*COMES_AFTER, verification])
    assert len(runs) == len(changes) + looks, [run["name"] for run in runs]
    assert {run["state"]["type"] for run in runs} == {"COMPLETED"}


async def test_a_run_without_changes_is_a_handful_of_task_runs(tutorial: Tutorial, prefect: PrefectApi) -> None:
    runs = await task_runs(prefect, tutorial.second.run_id, 7)
    assert {run["name"].split()[0] for run in runs} == {"observe"}, "what is proven still needs no task run"


async def test_the_run_graph_shows_what_each_step_waited_for(tutorial: Tutorial, prefect: PrefectApi) -> None:
    runs = await task_runs(prefect, tutorial.first.run_id, len(COMES_AFTER))
    names = {run["id"]: run["name"] for run in runs}
    waited_for = {
        run["name"]: {names[item["id"]] for item in run["task_inputs"].get("wait_for", ())}
        for run in runs
        if run["name"] in COMES_AFTER
    }
    assert waited_for == COMES_AFTER


async def test_the_plan_and_the_verification_are_artifacts(tutorial: Tutorial, prefect: PrefectApi) -> None:
    artifacts = {item["key"]: item for item in await prefect.artifacts(tutorial.first.run_id)}
    assert set(artifacts) == {f"{name}-sysadminas-demo" for name in ("plan", "verification", "health", "history")}
    plan = json.loads(artifacts["plan-sysadminas-demo"]["data"])
    assert {row["change"] for row in plan} == set(COMES_AFTER)
    (subject,) = [row for row in plan if row["old → new"].startswith("subject: ")]
    assert subject["action"] == "create"
    assert subject["old → new"] == f"subject: system:serviceaccount:{WORKLOAD.replace('/', ':')}"
    assert subject["of"] == f"workload {WORKLOAD}"
    assert "oidc_issuer: off → on" in {row["old → new"] for row in plan}
    (proof,) = json.loads(artifacts["verification-sysadminas-demo"]["data"])
    assert proof["workload"] == WORKLOAD
    assert proof["secret"] == "sysadminas-demo-kv/sysadminas-demo-kv-secret"
    assert (proof["holds"], proof["exchanges"]) == ("yes", "3 of 3")


async def test_the_health_of_every_workload_is_an_artifact(tutorial: Tutorial, prefect: PrefectApi) -> None:
    for finished, identity in ((tutorial.first, "made"), (tutorial.second, "sound")):
        artifacts = {item["key"]: item["data"] for item in await prefect.artifacts(finished.run_id)}
        (row,) = json.loads(artifacts["health-sysadminas-demo"])
        assert (row["workload"], row["identity"], row["proof"]) == (WORKLOAD, identity, "proven")
        assert artifacts["history-sysadminas-demo"].startswith("![")


async def test_an_unchanged_fleet_has_an_artifact_that_says_so(tutorial: Tutorial, prefect: PrefectApi) -> None:
    artifacts = {item["key"]: item["data"] for item in await prefect.artifacts(tutorial.second.run_id)}
    assert "Nothing to change" in artifacts["plan-sysadminas-demo"]


async def test_results_are_kept_as_json(tutorial: Tutorial, home: Path) -> None:
    kept = list((home / "prefect" / "storage").iterdir())
    assert len(kept) >= 3, "two runs and a proof"
    for path in kept:
        assert isinstance(json.loads(path.read_text(encoding="utf-8")), dict | str), path
    names = {path.name for path in kept}
    assert {"proofs-sysadminas-demo.json", "history-sysadminas-demo.json"} <= names


async def test_no_process_shows_anything_secret_on_its_command_line(tutorial: Tutorial) -> None:
    seen = tutorial.seen_in_process_lists
    assert any("helm" in line and "upgrade" in line for line in seen), "helm was not seen at work"
    for line in seen:
        assert not TOKEN.search(line.encode()), "a token on a command line"
        assert not any(secret.decode() in line for secret in tutorial.terminal.secrets()), "a secret on a command line"
