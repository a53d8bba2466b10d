"""Key Vault's secrets through the SDK: versions, backups and the bin, which our flows have no use for."""

from __future__ import annotations

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.keyvault.secrets import SecretClient
from sdk_operator import GROUP, REGION, Operator, told

from simulator.throttling import Limit
from tests.clients.served import ServedCloud


@pytest.fixture(scope="module")
def secrets(operator: Operator) -> SecretClient:
    """Those of a vault of its own."""
    return operator.secrets("kv-of-sdk")


def test_every_version_stays_readable_and_is_disabled_alone(secrets: SecretClient) -> None:
    first, second = (secrets.set_secret("versioned", value).properties.version or "" for value in ("one", "two"))
    assert secrets.get_secret("versioned", first).value == "one"
    assert {one.version for one in secrets.list_properties_of_secret_versions("versioned")} == {first, second}
    assert secrets.update_secret_properties("versioned", first, enabled=False).enabled is False
    with pytest.raises(HttpResponseError, match="disabled secret"):
        secrets.get_secret("versioned", first)
    assert secrets.get_secret("versioned", second).value == "two"


def test_a_backup_brings_a_purged_secret_back_and_never_over_another(secrets: SecretClient) -> None:
    secrets.set_secret("kept", "value")
    blob = secrets.backup_secret("kept")
    with pytest.raises(ResourceExistsError, match="already exists"):
        secrets.restore_secret_backup(blob)
    secrets.begin_delete_secret("kept").wait()
    secrets.purge_deleted_secret("kept")
    with pytest.raises(ResourceNotFoundError):
        secrets.get_deleted_secret("kept")
    secrets.restore_secret_backup(blob)
    assert secrets.get_secret("kept").value == "value"


def test_a_deleted_secrets_name_stays_taken_until_it_is_recovered(secrets: SecretClient) -> None:
    secrets.set_secret("binned", "value")
    secrets.begin_delete_secret("binned").wait()
    with pytest.raises(ResourceExistsError, match="deleted but recoverable"):
        secrets.set_secret("binned", "another")
    secrets.begin_recover_deleted_secret("binned").wait()
    assert secrets.get_secret("binned").value == "value"


@pytest.mark.parametrize(("name", "value"), [("large", "x" * 30_000), ("under_score", "value")])
def test_what_a_vault_does_not_keep_is_refused(secrets: SecretClient, name: str, value: str) -> None:
    with pytest.raises(HttpResponseError) as refusal:
        secrets.set_secret(name, value)
    assert told(refusal.value) == (400, "BadParameter")


def test_without_an_access_policy_not_even_the_vaults_owner_reads(operator: Operator) -> None:
    properties = {"tenantId": operator.tenant, "sku": {"family": "A", "name": "standard"}, "accessPolicies": []}
    properties["enableRbacAuthorization"] = False
    body = {"location": REGION, "properties": properties}
    vault = operator.vaults.vaults.begin_create_or_update(GROUP, "kv-of-policies", body).result()
    with (
        SecretClient(vault.properties.vault_uri, operator.credential, retry_total=0) as secrets,
        pytest.raises(HttpResponseError) as refusal,
    ):
        secrets.get_secret("none")
    assert refusal.value.status_code == 403


def test_a_vault_that_is_closed_to_the_public_refuses(operator: Operator) -> None:
    secrets = operator.secrets("kv-closed")
    secrets.set_secret("one", "value")
    closed = {"properties": {"publicNetworkAccess": "Disabled"}}
    operator.vaults.vaults.update(GROUP, "kv-closed", closed)
    with pytest.raises(HttpResponseError, match=r"[Pp]ublic network access is disabled"):
        secrets.get_secret("one")


def test_an_elder_sdk_hears_nothing_of_days_to_recover_in(operator: Operator, secrets: SecretClient) -> None:
    """``recoverableDays`` came with 7.1; what asks by 7.0 must not stumble over it."""
    made = secrets.set_secret("days", "value")
    assert made.properties.recoverable_days == 90
    with SecretClient(secrets.vault_url, operator.credential, api_version="7.0", retry_total=0) as elder:
        assert elder.get_secret("days").properties.recoverable_days is None
        assert elder.get_secret("days").properties.recovery_level == made.properties.recovery_level


def test_a_vault_that_others_keep_busy_refuses_and_says_why(
    operator: Operator, secrets: SecretClient, served: ServedCloud
) -> None:
    secrets.set_secret("wanted", "value")
    simulation = served.simulator.simulation
    host = secrets.vault_url.removeprefix("https://").strip("/")
    speed, simulation.weather.speed = simulation.weather.speed, 0.001
    simulation.weather.change(throttling=True)
    try:
        assert simulation.throttle.take([Limit("transactions", host, 4000, 400, cost=4000)]) is None
        with pytest.raises(HttpResponseError) as refusal:
            secrets.get_secret("wanted")
    finally:
        simulation.weather.change(throttling=False)
        simulation.weather.speed = speed
    assert told(refusal.value) == (429, "Throttled")
