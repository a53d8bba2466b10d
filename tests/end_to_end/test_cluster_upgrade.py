"""One of two clusters is being upgraded: the other one's workloads are set up and proven, and the run ends failed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import yaml

from tests.conftest import running_cloud
from tests.end_to_end.command import Finished, PrefectApi, Terminal
from tests.integration.chain.test_cluster_in_trouble import upgrading
from tests.integration.chain.test_partial_teardown import FLEET, two_clusters

pytestmark = [pytest.mark.long, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def run(home: Path, prefect: PrefectApi, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Finished]:
    directory = tmp_path_factory.mktemp("upgrade")
    file = directory / "fleet.yaml"
    file.write_text(yaml.safe_dump(FLEET), encoding="utf-8")
    async with running_cloud(directory / "simulator", cloud=two_clusters()) as cloud:
        upgrading(cloud)
        yield await Terminal(cloud, home).run("reconcile", file)


async def test_the_other_clusters_workloads_are_proven(run: Finished) -> None:
    assert "proven read key as system:serviceaccount:shop:web on west" in run.out
    assert "proven read key as system:serviceaccount:shop:ledger on west" in run.out


async def test_what_could_not_be_done_is_held_with_the_reason(run: Finished) -> None:
    assert "held cluster:north: the cluster is Upgrading, and takes no other change beside that" in run.words
    assert "held service-account:north/shop/web: waits for" in run.words
    assert "not tried shop/web on north: cluster north has no OIDC issuer yet" in run.words


async def test_the_run_ends_failed_with_a_summary(run: Finished, prefect: PrefectApi) -> None:
    assert run.code == 1
    state = (await prefect.get(f"/flow_runs/{run.run_id}"))["state"]
    assert state["type"] == "FAILED"
    assert "changes applied, " in state["message"]
    assert "2 of 2 chains proven, 1 chains not tried" in state["message"]
