"""What a simulated cloud begins with, and that a snapshot keeps it."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import TypeAdapter
from simulated_cloud import BEGINNING, SUBJECT, Cloud, running

from simulator.azure import start
from simulator.azure.state import AzureState
from simulator.weather import CALM

DEMO = Path(__file__).parents[3] / "deployments" / "demo" / "cloud.yaml"


async def test_the_demo_begins_where_the_tutorial_does(tmp_path: Path) -> None:
    async for cloud in running(tmp_path, CALM, DEMO.read_text(encoding="utf-8")):
        azure = cloud.simulation.azure
        cluster = next(iter(azure.clusters.values())).body
        side = next(iter(cloud.simulation.clusters.values())).state
        assert [one.name for one in azure.subscriptions.values()] == ["Visual Studio Premium with MSDN"]
        assert cluster["name"] == "sysadminas"
        assert cluster["properties"]["oidcIssuerProfile"] == {"enabled": False}
        assert (side.entra_integrated, side.local_accounts) == (True, True)
        assert side.admins == [azure.operators[0].object_id]


def test_clusters_can_be_added_by_resource_group_and_name() -> None:
    begun = start.load(BEGINNING, clusters=("rg/one", "new-group/two"))
    assert [(one.resource_group, one.name) for one in begun.subscriptions[0].clusters] == [
        ("rg", "one"),
        ("new-group", "two"),
    ]
    assert begun.subscriptions[0].resource_groups[1].name == "new-group"


@pytest.mark.parametrize(
    ("text", "clusters", "said"),
    [
        ("{", (), "not YAML"),
        ("tenant: {}", (), "subscriptions"),
        (BEGINNING + "colour: red", (), "colour"),
        (BEGINNING.replace("location: westeurope", "place: x"), (), "location"),
        (BEGINNING, ("nameless",), "RESOURCE_GROUP/NAME"),
    ],
)
def test_what_is_wrong_with_a_start_file_is_said(text: str, clusters: tuple[str, ...], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        start.load(text, clusters)


async def test_a_role_that_does_not_exist_is_said(tmp_path: Path) -> None:
    beginning = BEGINNING.replace("role: Reader", "role: Emperor")
    with pytest.raises(ValueError, match="Emperor"):
        async for _ in running(tmp_path, CALM, beginning):
            pass


async def test_a_snapshot_keeps_everything(calm: Cloud) -> None:
    calm.publish_issuer()
    app, _ = await calm.make_application()
    await calm.federate(app)
    await calm.make_vault(enableRbacAuthorization=True)
    await calm.vault("PUT", "vault-one", "/secrets/password", {"value": "hunter2"})
    adapter = TypeAdapter(AzureState)
    kept = adapter.dump_json(calm.simulation.azure)
    calm.simulation.azure = adapter.validate_json(kept)
    assert adapter.dump_json(calm.simulation.azure) == kept
    assert (await calm.vault("GET", "vault-one", "/secrets/password")).json()["value"] == "hunter2"
    assert (await calm.exchange(app["appId"], calm.assertion(sub=SUBJECT))).status_code == 200
