"""A webhook that somebody else installed."""

from __future__ import annotations

from clients import helm
from clients.session import find_tenancy
from fleet.spec import Fleet
from tasks import webhook
from tests.conftest import Cloud


async def install_as_somebody_else(cloud: Cloud, fleet: Fleet) -> None:
    async with cloud.clients() as clients:
        clients.tenancy = await find_tenancy(clients, fleet.subscription)
        values = {"azureTenantID": clients.tenancy.tenant_id}
        kubernetes = await clients.cluster(fleet.clusters[0])
        await helm.install_or_upgrade(
            kubernetes, "theirs", webhook.CHART, webhook.REPOSITORY, "1.6.0", values, namespace="their-namespace"
        )

        async def serving() -> bool | None:
            seen = await webhook.observe(clients, fleet, fleet.clusters[0])
            return any(getattr(found.resource, "serving", False) for found in seen.found) or None

        await clients.patience.until("their webhook to serve", serving, seconds=30)


async def test_it_serves_our_workloads_and_stays_as_it_is(cloud: Cloud, fleet: Fleet) -> None:
    await install_as_somebody_else(cloud, fleet)
    planned = await cloud.apply(fleet)
    assert not planned.holds
    assert "webhook:sysadminas" not in {change.key for change in planned.changes}
    assert (await cloud.plan(fleet)).is_empty
