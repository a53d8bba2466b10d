"""The weather of the simulated cloud: limits at the documented rates, and failures in each service's own words."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from fleet.spec import Fleet
from simulator.clock import Clock
from simulator.forecast import forecast
from simulator.throttling import Limit, Throttle
from simulator.weather import CALM, NORMAL, STORM, Dials, Weather
from tests.conftest import Cloud, running_cloud

SUBSCRIPTION = "https://management.azure.com/subscriptions/22222222-2222-4222-8222-222222222222"
GROUPS = f"{SUBSCRIPTION}/resourcegroups?api-version=2022-09-01"
GRAPH = "https://graph.microsoft.com/v1.0"
APPLICATIONS = f"{GRAPH}/applications"
IDENTITIES = f"{SUBSCRIPTION}/resourceGroups/sysadminas-aks/providers/Microsoft.ManagedIdentity/userAssignedIdentities"


@pytest.fixture
async def steady(tmp_path: Path) -> AsyncIterator[Cloud]:
    """A cloud that only throttles, slowly enough that no token comes back during a test."""
    async with running_cloud(tmp_path / "simulator", dials=Dials(throttling=True), speed=1e-6) as running:
        yield running


async def authorization(cloud: Cloud, scope: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {await cloud.sign_in(scope)}"}


async def repeatedly(cloud: Cloud, times: int, method: str, url: str, scope: str, **more: Any) -> list[httpx.Response]:
    headers = await authorization(cloud, scope)
    return [await cloud.http.request(method, url, headers=headers, **more) for _ in range(times)]


def throttle(speed: float = 1.0) -> tuple[Throttle, Clock]:
    clock = Clock(start=datetime(2026, 1, 1, tzinfo=UTC))
    return Throttle(Weather(clock, speed=speed)), clock


@pytest.mark.parametrize("speed", [1.0, 20.0])
def test_a_bucket_lets_its_burst_through_and_then_its_rate(speed: float) -> None:
    buckets, clock = throttle(speed)
    limit = Limit("read", "someone", tokens=250, per_second=25)
    assert [buckets.take([limit]) for _ in range(250)] == [None] * 250
    assert buckets.take([limit]) == (limit, 1 / 25)
    clock.step(1.0 / speed)
    assert [buckets.take([limit]) is None for _ in range(26)] == [True] * 25 + [False]


def test_a_request_that_one_limit_refuses_counts_against_none() -> None:
    buckets, _ = throttle()
    wide, narrow = Limit("wide", "x", 2, 1), Limit("narrow", "x", 1, 1)
    assert buckets.take([wide, narrow]) is None
    assert buckets.take([wide, narrow]) is not None
    assert buckets.take([wide]) is None


async def test_resource_manager_takes_250_reads_of_a_principal_and_says_when_the_next(steady: Cloud) -> None:
    answers = await repeatedly(steady, 251, "GET", GROUPS, "https://management.azure.com")
    assert [answer.status_code for answer in answers] == [200] * 250 + [429]
    assert int(answers[-1].headers["Retry-After"]) > 0
    assert answers[-1].json()["error"]["code"] == "SubscriptionRequestsThrottled"


async def test_a_managed_identity_is_written_5_times_in_a_row(steady: Cloud) -> None:
    url = f"{IDENTITIES}/one?api-version=2024-11-30"
    body = {"location": "westeurope"}
    answers = await repeatedly(steady, 6, "PUT", url, "https://management.azure.com", json=body)
    assert [answer.status_code for answer in answers] == [201, 200, 200, 200, 200, 429]


async def test_graph_takes_3500_units_of_a_small_tenant(steady: Cloud) -> None:
    url = f"{APPLICATIONS}?$expand=federatedIdentityCredentials"
    answers = await repeatedly(steady, 1168, "GET", url, "https://graph.microsoft.com")
    counts = Counter(answer.status_code for answer in answers)
    assert counts == {200: 1166, 429: 2}
    assert answers[-1].json()["error"]["code"] == "TooManyRequests"


@pytest.mark.parametrize("left", [5, 0])
async def test_each_step_of_a_batch_counts_on_its_own_and_is_told_when_to_come_back(steady: Cloud, left: int) -> None:
    steady.simulator.simulation.throttle.take([Limit("units", "tenant", 3500, 350, 3500 - left)])
    steps = [{"id": str(number), "method": "GET", "url": "/organization"} for number in range(10)]
    headers = await authorization(steady, "https://graph.microsoft.com")
    answer = await steady.http.post(f"{GRAPH}/$batch", json={"requests": steps}, headers=headers)
    assert answer.status_code == 200
    told = answer.json()["responses"]
    assert [one["status"] for one in told] == [200] * left + [429] * (10 - left)
    assert all(int(one["headers"]["Retry-After"]) > 0 for one in told[left:])
    assert {one["body"]["error"]["code"] for one in told[left:]} == {"TooManyRequests"}


@pytest.mark.parametrize(("audience", "accepted"), [("AzureADMyOrg", 61), ("AzureADandPersonalMicrosoftAccount", 60)])
async def test_applications_for_personal_accounts_are_written_60_times_in_a_minute(
    steady: Cloud, audience: str, accepted: int
) -> None:
    body = {"displayName": "app", "signInAudience": audience}
    answers = await repeatedly(steady, 61, "POST", APPLICATIONS, "https://graph.microsoft.com", json=body)
    assert [answer.status_code for answer in answers] == [201] * accepted + [429] * (61 - accepted)
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in answers[accepted:])


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (Limit("writes", "tenant", 18_000, 60, 18_000), 429),
        (Limit("writes", "another tenant", 18_000, 60, 18_000), 201),
    ],
)
async def test_a_tenants_writes_are_limited_as_a_whole(steady: Cloud, limit: Limit, expected: int) -> None:
    steady.simulator.simulation.throttle.take([limit])
    body = {"displayName": "app", "signInAudience": "AzureADMyOrg"}
    (answer,) = await repeatedly(steady, 1, "POST", APPLICATIONS, "https://graph.microsoft.com", json=body)
    assert answer.status_code == expected


async def test_the_vaults_of_a_subscription_share_five_times_the_rate_of_one(steady: Cloud) -> None:
    url = f"{SUBSCRIPTION}/resourceGroups/sysadminas-aks/providers/Microsoft.KeyVault/vaults/kv-of-rates"
    properties = {
        "tenantId": steady.simulator.environment()["AZURE_TENANT_ID"],
        "sku": {"family": "A", "name": "standard"},
    }
    body = {"location": "westeurope", "properties": properties | {"enableRbacAuthorization": True}}
    await steady.by_hand("PUT", f"{url}?api-version=2023-02-01", body)
    secrets = "https://kv-of-rates.vault.azure.net/secrets?api-version=7.4"
    subscription = SUBSCRIPTION.rpartition("/")[2]
    spent = Limit("transactions of a subscription", subscription, 20_000, 2000, 19_999)
    assert steady.simulator.simulation.throttle.take([spent]) is None
    answers = await repeatedly(steady, 2, "GET", secrets, "https://vault.azure.net")
    assert [answer.status_code for answer in answers] == [200, 429]
    assert answers[1].json()["error"]["code"] == "Throttled"


async def test_who_has_no_token_is_refused_for_that_and_never_throttled(steady: Cloud) -> None:
    statuses = {(await steady.http.get(GROUPS)).status_code for _ in range(260)}
    assert statuses == {401}


@pytest.mark.parametrize(
    ("url", "scope", "says"),
    [
        (GROUPS, "https://management.azure.com", {429: "SubscriptionRequestsThrottled", 503: "ServerTimeout"}),
        (APPLICATIONS, "https://graph.microsoft.com", {429: "TooManyRequests", 503: "Service_ServiceUnavailable"}),
    ],
    ids=["arm", "graph"],
)
async def test_a_failure_is_told_in_the_services_own_envelope(
    cloud: Cloud, url: str, scope: str, says: dict[int, str]
) -> None:
    headers = await authorization(cloud, scope)
    cloud.simulator.simulation.weather.change(busy=0.5, server_errors=0.5)
    answers = [await cloud.http.get(url, headers=headers) for _ in range(60)]
    for status, code in says.items():
        assert {answer.json()["error"]["code"] for answer in answers if answer.status_code == status} == {code}
    assert {answer.status_code for answer in answers} == {429, 500, 502, 503}
    assert all(answer.text.startswith("<html>") for answer in answers if answer.status_code == 502)
    asked_to_wait = {"Retry-After" in answer.headers for answer in answers if answer.status_code == 429}
    assert asked_to_wait == ({True, False} if "graph" in url else {True})


async def test_the_token_endpoint_fails_with_an_aadsts_number(cloud: Cloud) -> None:
    cloud.simulator.simulation.weather.change(busy=1.0)
    url = f"https://login.microsoftonline.com/{cloud.simulator.environment()['AZURE_TENANT_ID']}/oauth2/v2.0/token"
    answer = await cloud.http.post(url, data={})
    assert answer.status_code == 429
    assert answer.json()["error_codes"] == [90055]


async def test_a_cluster_fails_with_a_status_and_whole_seconds_to_wait(cloud: Cloud) -> None:
    (cluster,) = cloud.simulator.simulation.clusters.values()
    cloud.simulator.simulation.weather.change(busy=1.0)
    answer = await cloud.http.get(f"https://{cluster.state.fqdn}/api/v1/namespaces")
    body = answer.json()
    assert (answer.status_code, body["kind"], body["reason"]) == (429, "Status", "TooManyRequests")
    assert answer.headers["Retry-After"] == "1"


@pytest.mark.parametrize(("carried_out", "there"), [(0.0, False), (1.0, True)], ids=["before", "after"])
@pytest.mark.parametrize("failure", ["server_errors", "resets", "unanswered"])
async def test_a_write_fails_before_or_after_it_was_carried_out(
    cloud: Cloud, failure: str, carried_out: float, there: bool
) -> None:
    headers = await authorization(cloud, "https://management.azure.com")
    weather = cloud.simulator.simulation.weather
    weather.change(**{failure: 1.0}, carried_out=carried_out, unanswered_for=(0.01, 0.02))
    url = f"{IDENTITIES}/{uuid.uuid4().hex}?api-version=2024-11-30"
    if failure == "server_errors":
        assert (await cloud.http.put(url, json={"location": "westeurope"}, headers=headers)).status_code >= 500
    else:
        with pytest.raises(httpx.RemoteProtocolError):
            await cloud.http.put(url, json={"location": "westeurope"}, headers=headers)
    weather.change(**{failure: 0.0})
    assert (await cloud.http.get(url, headers=headers)).is_success is there


async def test_a_storm_fails_two_to_five_percent_of_requests_and_the_same_ones_for_a_seed() -> None:
    def struck(seed: int) -> list[str | None]:
        weather = Weather(Clock(), STORM, seed=seed)
        return [weather.strikes("busy", "server_errors", "resets", "unanswered") for _ in range(10_000)]

    assert struck(1) == struck(1) != struck(2)
    assert 200 <= sum(one is not None for one in struck(1)) <= 500


async def test_neither_calm_nor_normal_weather_fails_a_request_below_the_limits(cloud: Cloud, fleet: Fleet) -> None:
    for dials in (CALM, NORMAL):
        assert (dials.busy, dials.server_errors, dials.resets, dials.unanswered) == (0, 0, 0, 0)
    await cloud.apply(fleet)
    assert not [entry for entry in cloud.journal.entries if entry.status in (0, 429) or entry.status >= 500]


def test_a_file_of_dials_turns_what_it_names(tmp_path: Path) -> None:
    file = tmp_path / "drizzle.yaml"
    file.write_text("like: normal\nresets: 0.5\nvault_dns: [1, 2]\n", encoding="utf-8")
    dials = forecast(str(file))
    assert (dials.resets, dials.vault_dns) == (0.5, (1.0, 2.0))
    assert dials.cluster_update == NORMAL.cluster_update


def test_everything_wrong_with_a_file_of_dials_is_told_at_once(tmp_path: Path) -> None:
    file = tmp_path / "hail.yaml"
    file.write_text(json.dumps({"like": "hail", "busy": 2, "vault_dns": [3, 1], "frogs": 1}), encoding="utf-8")
    with pytest.raises(ValueError) as told:
        forecast(str(file))
    for place in ("like:", "busy:", "vault_dns:", "frogs: there is no such dial"):
        assert place in str(told.value)
