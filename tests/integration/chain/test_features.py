"""Preview features: only where asked for; gone means generally available; stuck is a clear error."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from clients.session import find_tenancy
from clients.waiting import DeadlineError, Patience
from fleet.changes import Action, Change
from fleet.resources import PreviewFeature
from fleet.spec import Fleet
from tasks import features
from tests.conftest import DEMO_CLOUD, running_cloud

FEATURE = "EnableOIDCIssuerPreview"


def cloud_with(**feature: object) -> str:
    described = yaml.safe_load(DEMO_CLOUD.read_text(encoding="utf-8"))
    described["subscriptions"][0]["features"][0].update(feature)
    text: str = yaml.safe_dump(described)
    return text


async def test_a_feature_that_has_become_generally_available_is_satisfied(tmp_path: Path, fleet: Fleet) -> None:
    async with running_cloud(tmp_path, cloud=cloud_with(gone=True)) as cloud:
        planned = await cloud.plan(fleet)
    assert not planned.holds
    assert f"feature:{FEATURE}" not in {change.key for change in planned.changes}


async def test_a_feature_stuck_in_registering_says_so_and_what_to_do(tmp_path: Path, fleet: Fleet) -> None:
    seconds = 0.0

    async def sleep(pause: float) -> None:
        nonlocal seconds
        seconds += max(pause, 1.0)

    change = Change(action=Action.UPDATE, resource=PreviewFeature(name=FEATURE), reason="test")
    async with running_cloud(tmp_path, cloud=cloud_with(stuck=True)) as cloud, cloud.clients() as clients:
        clients.tenancy = await find_tenancy(clients, fleet.subscription)
        clients.patience = Patience(sleep=sleep, now=lambda: seconds)
        with pytest.raises(DeadlineError, match=rf"{FEATURE} to be registered.*stuck in Registering"):
            await features.ensure(clients, fleet, change)


async def test_no_feature_is_asked_for_that_the_spec_does_not_name(tmp_path: Path, fleet: Fleet) -> None:
    clusters = tuple(cluster.model_copy(update={"preview_features": ()}) for cluster in fleet.clusters)
    async with running_cloud(tmp_path) as cloud:
        await cloud.apply(fleet.model_copy(update={"clusters": clusters}))
        assert not [entry for entry in cloud.journal.entries if "Microsoft.Features" in entry.path]
