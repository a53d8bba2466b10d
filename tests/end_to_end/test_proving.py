"""``verify`` says whether the chain holds, and names the link that does not."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from fleet.files import load
from tests.conftest import DEMO_FLEET, Cloud, running_cloud
from tests.end_to_end.command import Finished, PrefectApi, Terminal

pytestmark = pytest.mark.asyncio(loop_scope="module")

GRAPH = "https://graph.microsoft.com/v1.0"
PATIENCE = 2.0


@dataclass(frozen=True)
class Verifications:
    """Of a fleet that is sound, then broken by hand, then gone."""

    sound: Finished
    asked_by_sound: int
    broken: Finished
    written: int


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def verifications(
    home: Path, prefect: PrefectApi, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Verifications]:
    async with running_cloud(tmp_path_factory.mktemp("simulator")) as cloud:
        await cloud.apply(load(DEMO_FLEET.read_text(encoding="utf-8")))
        terminal = Terminal(cloud, home)
        before, written = len(cloud.journal.entries), len(cloud.journal.writing())
        sound = await terminal.run("verify", "--json", DEMO_FLEET)
        asked = len(cloud.journal.entries) - before
        written = len(cloud.journal.writing()) - written
        await break_subject(cloud)
        broken = await terminal.run("verify", "--fresh", "--patience", str(PATIENCE), DEMO_FLEET)
        yield Verifications(sound, asked, broken, written)


async def break_subject(cloud: Cloud) -> None:
    """Somebody renames the ServiceAccount in the federated credential."""
    (application,) = [
        item
        for item in (await cloud.by_hand("GET", f"{GRAPH}/applications"))["value"]
        if item["displayName"] == "sysadminas-aad-workload-identity-demo-app"
    ]
    credentials = f"{GRAPH}/applications/{application['id']}/federatedIdentityCredentials"
    (credential,) = (await cloud.by_hand("GET", credentials))["value"]
    subject = {"subject": "system:serviceaccount:sysadminas-demo:somebody-else"}
    await cloud.by_hand("PATCH", f"{credentials}/{credential['id']}", subject)


async def test_a_chain_that_holds_is_proven(verifications: Verifications) -> None:
    assert verifications.sound.code == 0
    summary = json.loads(verifications.sound.out)
    (proof,) = summary["proofs"]
    assert (proof["holds"], proof["succeeded"], proof["tried"]) == (True, 3, 3)
    assert summary["run"].startswith("http://127.0.0.1:")
    assert verifications.written == 0


async def test_it_counts_what_it_asked(verifications: Verifications) -> None:
    """The demo application and Entra ask too, so the simulator may have counted more, never less."""
    requests = json.loads(verifications.sound.out)["requests"]
    assert 20 < requests <= verifications.asked_by_sound


async def test_a_wrong_subject_is_named_with_what_to_do(verifications: Verifications) -> None:
    broken = verifications.broken
    assert broken.code == 1
    assert "not proven system:serviceaccount:sysadminas-demo:sysadminas-demo-sa on sysadminas" in broken.words
    assert "AADSTS700213" in broken.words
    assert "No federated credential of the identity has this subject" in broken.words


async def test_it_gives_up_when_its_patience_is_at_an_end(verifications: Verifications, prefect: PrefectApi) -> None:
    run = await prefect.get(f"/flow_runs/{verifications.broken.run_id}")
    assert run["state"]["type"] == "FAILED"
    assert run["state"]["message"].startswith("nothing changed, 0 of 1 chains proven")
    assert run["parameters"]["patience_seconds"] == PATIENCE
    assert run["total_run_time"] < PATIENCE + 15


async def test_verify_speaks_of_no_plan(verifications: Verifications) -> None:
    assert "Nothing to change" not in verifications.broken.out
