"""``diagnose`` at a terminal: what it says, by which exit code, of fleets, of chains without one, of errors alone."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from fleet.files import load
from simulator.breakage import break_
from tests.conftest import DEMO_FLEET, running_cloud
from tests.end_to_end.command import Finished, PrefectApi, Terminal

pytestmark = pytest.mark.asyncio(loop_scope="module")

WELL, MISTAKE, FOUND = 0, 1, 2
NO_SERVER = {"PREFECT_API_URL": "http://127.0.0.1:9/api"}
NOBODY_THERE = {"HTTPS_PROXY": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
WORKLOAD = "sysadminas-demo/sysadminas-demo-sa"


@dataclass(frozen=True)
class Diagnoses:
    """Of a chain that is whole, and then broken twice; nothing was changed meanwhile."""

    terminal: Terminal
    directory: Path
    well: Finished
    broken: Finished
    as_json: Finished
    fixing: Finished
    plan: Path
    written: int


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def diagnoses(tmp_path_factory: pytest.TempPathFactory, home: Path) -> AsyncIterator[Diagnoses]:
    directory = tmp_path_factory.mktemp("diagnoses")
    async with running_cloud(directory / "simulator") as cloud:
        terminal = Terminal(cloud, home)
        await cloud.apply(load(DEMO_FLEET.read_text(encoding="utf-8")))
        well = await terminal.run("diagnose", DEMO_FLEET, **NO_SERVER)
        for fault in ("issuer-slash", "secret-expired", "client-id-missing"):
            await break_(cloud.simulator.simulation, fault, "")
        before = len(cloud.journal.writing())
        broken = await terminal.run("diagnose", DEMO_FLEET, WORKLOAD, **NO_SERVER)
        as_json = await terminal.run("diagnose", DEMO_FLEET, "--json", **NO_SERVER)
        plan = directory / "fix.json"
        fixing = await terminal.run("diagnose", DEMO_FLEET, "--fix", "--out", plan, **NO_SERVER)
        written = len(cloud.journal.writing()) - before
        yield Diagnoses(terminal, directory, well, broken, as_json, fixing, plan, written)


async def test_a_whole_chain_is_told_to_be_well(diagnoses: Diagnoses) -> None:
    assert diagnoses.well.code == WELL
    assert f"{WORKLOAD} on sysadminas: nothing wrong" in diagnoses.well.out
    assert diagnoses.well.out.endswith("1 chain, nothing wrong\n")
    assert diagnoses.well.err == ""


async def test_every_cause_is_told_with_evidence_and_with_what_mends_it(diagnoses: Diagnoses) -> None:
    assert diagnoses.broken.code == FOUND
    for fault in ("issuer-slash", "client-id-missing", "secret-expired"):
        assert f"✗ {fault}" in diagnoses.broken.out
    assert "mend: az ad app federated-credential update --id " in diagnoses.broken.out
    assert "the credential's issuer: 'https://" in diagnoses.broken.out
    assert diagnoses.broken.out.endswith("3 causes in 1 of 1 chain\n")
    assert diagnoses.broken.err == ""


async def test_looking_changes_nothing(diagnoses: Diagnoses) -> None:
    """Tokens are asked for, and pods by dry run; nothing else is written."""
    assert diagnoses.written == 0


async def test_the_reports_as_json_are_the_reports(diagnoses: Diagnoses) -> None:
    assert diagnoses.as_json.code == FOUND
    content = json.loads(diagnoses.as_json.out)
    (report,) = content["reports"]
    assert [cause["name"] for cause in report["causes"]] == ["issuer-slash", "client-id-missing", "secret-expired"]
    assert content["fix"] is None


async def test_what_mends_it_is_planned_and_that_alone(diagnoses: Diagnoses, prefect: PrefectApi) -> None:
    assert diagnoses.fixing.code == FOUND
    assert "What reconcile would mend" in diagnoses.fixing.out
    assert "2 to update" in diagnoses.fixing.out
    assert "reconcile --plan" in diagnoses.fixing.err
    cluster = next(iter(diagnoses.terminal.cloud.simulator.simulation.clusters.values()))
    deployment = cluster.get("deployments.apps", "azure-wi-demo", "sysadminas-demo")
    assert deployment is not None
    deployment["spec"]["replicas"] = 3  # drift that no chain is broken by
    cluster.write("deployments.apps", deployment, manager="somebody")
    applied = await diagnoses.terminal.run("reconcile", "--plan", diagnoses.plan, "--no-verify")
    assert applied.code == WELL, applied.text
    assert "Applied 2 of 2 changes" in applied.out
    again = cluster.get("deployments.apps", "azure-wi-demo", "sysadminas-demo")
    assert again is not None
    assert again["spec"]["replicas"] == 3


ALONE = {
    "in full": ("AADSTS700213: ... subject 'system:serviceaccount:shop:checkout'", "subject-namespace"),
    "cut in half": ("AADSTS7002", "look it up at https://login.microsoftonline.com/error?code=7002"),
    "never seen": ("AADSTS999999: Etwas anderes.", "a code that is not known here"),
    "no code": ("Unauthorized", "There is no AADSTS code in this text"),
}


@pytest.mark.parametrize("case", ALONE)
async def test_an_error_is_explained_with_nothing_reachable(diagnoses: Diagnoses, case: str) -> None:
    text, says = ALONE[case]
    finished = await diagnoses.terminal.run("diagnose", "--error", text, **NO_SERVER, **NOBODY_THERE)
    assert finished.code == WELL, finished.text
    assert says in finished.out


async def test_an_error_names_the_workload_of_the_fleet(diagnoses: Diagnoses) -> None:
    error = f"AADSTS700213: ... subject 'system:serviceaccount:{WORKLOAD.replace('/', ':')}'"
    finished = await diagnoses.terminal.run("diagnose", DEMO_FLEET, "--error", error, **NO_SERVER)
    assert finished.out.startswith("AADSTS700213: no federated credential of the identity has the token's subject")
    assert f"{WORKLOAD} on sysadminas" in finished.out


WRONG: dict[str, tuple[tuple[str, ...], str]] = {
    "no such workload": (
        (str(DEMO_FLEET), "shop/nobody"),
        "sysadminas-demo has no shop/nobody; it has",
    ),
    "nothing to go by": ((), "name a cluster with --cluster, and a --service-account or --pod there"),
    "no such pod": (
        ("--cluster", "sysadminas", "--pod", "sysadminas-demo/nobody"),
        "there is no pod sysadminas-demo/nobody",
    ),
    "no such cluster": (("--cluster", "nowhere", "--service-account", "a/b"), "there is no AKS cluster nowhere in"),
    "a fix without a fleet": (("--fix", "--client-id", "x"), "--fix plans what FLEET says: give the fleet file"),
    "a pod beside a fleet": ((str(DEMO_FLEET), "--pod", "a/b"), "leave FLEET out"),
    "a token that is none": (("--token", __file__), "this is no JSON Web Token"),
    "a token that is not there": (("--token", "/nowhere"), "/nowhere: No such file or directory"),
}


@pytest.mark.parametrize("case", WRONG)
async def test_what_is_wrong_with_the_question_is_told(diagnoses: Diagnoses, case: str) -> None:
    arguments, says = WRONG[case]
    finished = await diagnoses.terminal.run("diagnose", *arguments, **NO_SERVER)
    assert finished.code == MISTAKE
    assert says in finished.err
