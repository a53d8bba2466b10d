"""What is soft-deleted is refused unless the spec says recover, and never purged."""

from __future__ import annotations

import pytest

from fleet.changes import Action
from fleet.spec import Fleet
from tests.conftest import Cloud

SECRET = "https://sysadminas-demo-kv.vault.azure.net/secrets/sysadminas-demo-kv-secret?api-version=7.4"


async def vault_url(cloud: Cloud) -> str:
    subscription = next(iter(cloud.simulator.simulation.azure.subscriptions))
    group = f"https://management.azure.com/subscriptions/{subscription}/resourceGroups/sysadminas-aks"
    return f"{group}/providers/Microsoft.KeyVault/vaults/sysadminas-demo-kv?api-version=2023-07-01"


def recovering(fleet: Fleet) -> Fleet:
    vaults = tuple(vault.model_copy(update={"soft_deleted": "recover"}) for vault in fleet.vaults)
    return fleet.model_copy(update={"vaults": vaults})


@pytest.mark.parametrize("what", ["secret", "vault"])
async def test_it_is_held_with_the_way_out_and_comes_back_where_the_spec_says_so(
    cloud: Cloud, fleet: Fleet, what: str
) -> None:
    await cloud.apply(fleet)
    await cloud.by_hand("DELETE", SECRET if what == "secret" else await vault_url(cloud))
    held = {hold.key.partition(":")[0]: hold.reason for hold in (await cloud.plan(fleet)).holds}
    assert "soft_deleted: recover" in held[what]
    planned = await cloud.apply(recovering(fleet))
    assert {change.resource.kind for change in planned.changes if change.action is Action.RECOVER} == {what}
    assert (await cloud.plan(recovering(fleet))).is_empty
    assert not [entry for entry in cloud.journal.entries if "purge" in entry.path]
