"""An operator who may not look at one link is told so and what it takes; all else is judged."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fleet.spec import Fleet
from simulator.breakage import break_
from simulator.simulation import Simulation
from tests.conftest import Cloud
from tests.integration.chain.diagnoses import diagnosed, names

pytestmark = pytest.mark.asyncio(loop_scope="module")


def without_graph(simulation: Simulation) -> None:
    simulation.azure.operators[0].graph.clear()


def without_secrets(simulation: Simulation) -> None:
    """The vault's policy of the operator goes; the workload's stays."""
    operator = simulation.azure.operators[0].object_id
    (vault,) = simulation.azure.vaults.values()
    del vault.grants[operator]
    properties = vault.body["properties"]
    properties["accessPolicies"] = [one for one in properties["accessPolicies"] if one["objectId"] != operator]


def without_cluster(simulation: Simulation) -> None:
    (cluster,) = simulation.clusters.values()
    cluster.state.admins.clear()


LACKING: dict[str, tuple[Callable[[Simulation], None], str, str, str]] = {
    "Microsoft Graph": (without_graph, "identity", "Needs Application.Read.All", "label-missing"),
    "the cluster": (without_cluster, "ServiceAccount", "Needs list of ServiceAccounts in the cluster", "vault-private"),
    "the vault's secrets": (without_secrets, "secret", "Needs to list the vault's secrets", "issuer-case"),
}
"""Who takes it away, which link is hidden then, what is needed to see it, and a fault of another link."""


@pytest.mark.parametrize("lacking", LACKING)
async def test_a_link_that_is_not_visible_is_said_to_be_and_the_rest_is_judged(
    whole: Cloud, fleet: Fleet, lacking: str
) -> None:
    take_away, link, needs, elsewhere = LACKING[lacking]
    simulation = whole.simulator.simulation
    await break_(simulation, elsewhere, "")
    take_away(simulation)
    report = await diagnosed(whole, fleet)
    assert names(report) == [elsewhere], report
    (hidden, *_) = [one for one in report.not_visible if one.link == link]
    assert needs in str(hidden)


async def test_without_the_directory_the_sign_in_is_tried_all_the_same_and_its_refusal_explained(
    whole: Cloud, fleet: Fleet
) -> None:
    await break_(whole.simulator.simulation, "subject-case", "")
    without_graph(whole.simulator.simulation)
    (cause,) = (await diagnosed(whole, fleet)).causes
    assert cause.name == "sign-in-refused"
    assert cause.what == "a federated credential has the token's subject but for upper and lower case"
    assert "AADSTS7002138" in " ".join(cause.evidence)
