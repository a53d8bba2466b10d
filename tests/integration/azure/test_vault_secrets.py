"""The data plane of a vault: the challenge, who may, and the life of a secret."""

from __future__ import annotations

import uuid
from typing import Any

import httpx
import pytest
from simulated_cloud import GROUP, OPERATOR, OPERATOR_OBJECT, SUBSCRIPTION, TENANT, Cloud, code

SECRETS_USER = "4633458b-17de-408a-b874-0445c86b69e6"
VAULT = f"{GROUP}/providers/Microsoft.KeyVault/vaults/vault-one"


def inner(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["innererror"]["code"]


async def make(cloud: Cloud, **properties: Any) -> None:
    """A vault that lets the operator in, with one secret."""
    all_of_it = {"tenantId": TENANT, "objectId": OPERATOR_OBJECT, "permissions": {"secrets": ["all", "purge"]}}
    assert (await cloud.make_vault(**{"accessPolicies": [all_of_it]} | properties)).status_code == 200
    cloud.simulation.clock.step(120)
    assert (await put(cloud, "hunter2")).status_code == 200


async def put(cloud: Cloud, value: str, name: str = "password", **more: Any) -> httpx.Response:
    return await cloud.vault("PUT", "vault-one", f"/secrets/{name}", {"value": value} | more)


@pytest.mark.parametrize(("method", "path"), [("GET", "/secrets/nope"), ("PUT", "/secrets/x"), ("GET", "/secrets")])
async def test_the_challenge_comes_before_everything_else(calm: Cloud, method: str, path: str) -> None:
    await make(calm)
    answer = await calm.vault(method, "vault-one", path, Authorization="")
    assert answer.headers["www-authenticate"] == (
        f'Bearer authorization="https://login.microsoftonline.com/{TENANT}", resource="https://vault.azure.net"'
    )
    assert code(answer) == (401, "Unauthorized")
    assert answer.json()["error"]["message"] == "AKV10000: Request is missing a Bearer, PoP, or MTLS_POP token."


async def test_a_token_for_another_audience_is_refused(calm: Cloud) -> None:
    await make(calm)
    other = await calm.bearer("https://management.azure.com")
    answer = await calm.vault("GET", "vault-one", "/secrets/password", **other)
    assert "AKV10022" in answer.json()["error"]["message"]


async def test_a_set_secret_answers_as_recorded(calm: Cloud) -> None:
    await make(calm, softDeleteRetentionInDays=7)
    answer = await put(calm, "new", contentType="text/plain", tags={"file-encoding": "utf-8"})
    body = answer.json()
    version = body["id"].rpartition("/")[2]
    now = int(calm.simulation.clock.seconds())
    assert len(version) == 32
    assert answer.headers["x-ms-keyvault-region"] == "westeurope"
    assert body == {
        "value": "new",
        "contentType": "text/plain",
        "id": f"https://vault-one.vault.azure.net/secrets/password/{version}",
        "attributes": {
            "enabled": True,
            "created": now,
            "updated": now,
            "recoveryLevel": "CustomizedRecoverable+Purgeable",
            "recoverableDays": 7,
        },
        "tags": {"file-encoding": "utf-8"},
    }


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({}, "Recoverable+Purgeable"),
        ({"softDeleteRetentionInDays": 7}, "CustomizedRecoverable+Purgeable"),
        ({"enablePurgeProtection": True}, "Recoverable"),
        ({"softDeleteRetentionInDays": 7, "enablePurgeProtection": True}, "CustomizedRecoverable"),
    ],
)
async def test_the_recovery_level_tells_retention_and_protection(
    calm: Cloud, properties: dict[str, Any], expected: str
) -> None:
    await make(calm, **properties)
    assert (await put(calm, "new")).json()["attributes"]["recoveryLevel"] == expected


async def test_every_answer_has_the_standing_headers(calm: Cloud) -> None:
    await make(calm)
    headers = (await put(calm, "new")).headers
    assert uuid.UUID(headers["x-ms-request-id"])
    assert headers["x-ms-keyvault-service-version"] == "1.9.3070.1"
    assert headers["x-ms-keyvault-network-info"].startswith("conn_type=Ipv4;addr=")
    assert headers["strict-transport-security"] == "max-age=31536000;includeSubDomains"
    assert (headers["cache-control"], headers["x-content-type-options"]) == ("no-cache", "nosniff")


@pytest.mark.parametrize(("version", "told"), [("7.0", False), ("7.4", True), ("2026-04-01", True)])
async def test_elder_versions_tell_no_days(calm: Cloud, version: str, told: bool) -> None:
    await make(calm)
    bearer = await calm.bearer("https://vault.azure.net")
    for path in ("/secrets/password", "/secrets"):
        answer = await calm.http.get(f"https://vault-one.vault.azure.net{path}?api-version={version}", headers=bearer)
        body = answer.json() if path != "/secrets" else answer.json()["value"][0]
        assert ("recoverableDays" in body["attributes"]) is told


async def test_a_backup_brings_all_versions_back(calm: Cloud) -> None:
    await make(calm)
    second = (await put(calm, "second")).json()["id"]
    await calm.vault("PATCH", "vault-one", "/secrets/password", {"attributes": {"enabled": False}})
    blob = (await calm.vault("POST", "vault-one", "/secrets/password/backup")).json()["value"]
    assert "hunter2" not in blob
    assert code(await calm.vault("POST", "vault-one", "/secrets/restore", {"value": blob})) == (409, "Conflict")
    await calm.make_vault(
        "vault-two", accessPolicies=(await calm.arm("GET", VAULT)).json()["properties"]["accessPolicies"]
    )
    restored = await calm.vault("POST", "vault-two", "/secrets/restore", {"value": blob})
    body = restored.json()
    assert (restored.status_code, "value" in body, body["attributes"]["enabled"]) == (200, False, False)
    assert body["id"] == second.replace("vault-one", "vault-two")
    versions = (await calm.vault("GET", "vault-two", "/secrets/password/versions")).json()["value"]
    assert len(versions) == 2
    broken = await calm.vault("POST", "vault-two", "/secrets/restore", {"value": "nonsense"})
    assert code(broken) == (400, "BadParameter")


async def test_every_version_stays_readable(calm: Cloud) -> None:
    await make(calm)
    second = (await put(calm, "second")).json()["id"]
    listed = (await calm.vault("GET", "vault-one", "/secrets/password/versions")).json()
    assert listed["nextLink"] is None
    values = set()
    for one in listed["value"]:
        path = one["id"].removeprefix("https://vault-one.vault.azure.net")
        values.add((await calm.vault("GET", "vault-one", path)).json()["value"])
    assert values == {"hunter2", "second"}
    assert [one["id"] for one in listed["value"]] == sorted(one["id"] for one in listed["value"])
    latest = (await calm.vault("GET", "vault-one", "/secrets/password/")).json()
    assert (latest["id"], latest["value"]) == (second, "second")


async def test_a_list_pages_through_a_link_with_port_443(calm: Cloud) -> None:
    await make(calm)
    await put(calm, "x", "another")
    page = (await calm.vault("GET", "vault-one", "/secrets?maxresults=1")).json()
    assert page["nextLink"].startswith("https://vault-one.vault.azure.net:443/secrets?")
    assert page["nextLink"].endswith("&maxresults=1")
    bearer = await calm.bearer("https://vault.azure.net")
    rest = (await calm.http.get(page["nextLink"], headers=bearer)).json()
    assert [one["id"] for one in page["value"] + rest["value"]] == [
        "https://vault-one.vault.azure.net/secrets/password",
        "https://vault-one.vault.azure.net/secrets/another",
    ]
    assert rest["nextLink"] is None


async def test_a_missing_secret_and_a_disabled_one_are_told_apart(calm: Cloud) -> None:
    await make(calm)
    assert code(await calm.vault("GET", "vault-one", "/secrets/nope")) == (404, "SecretNotFound")
    patched = await calm.vault("PATCH", "vault-one", "/secrets/password", {"attributes": {"enabled": False}})
    assert (patched.status_code, "value" in patched.json()) == (200, False)
    assert inner(await calm.vault("GET", "vault-one", "/secrets/password")) == (403, "SecretDisabled")


async def test_a_deleted_secret_reserves_its_name_until_recovered(slow: Cloud) -> None:
    await make(slow)
    deleted = (await slow.vault("DELETE", "vault-one", "/secrets/password")).json()
    assert deleted["recoveryId"] == "https://vault-one.vault.azure.net/deletedsecrets/password"
    assert deleted["scheduledPurgeDate"] - deleted["deletedDate"] == 90 * 86400
    assert inner(await put(slow, "x")) == (409, "ObjectIsBeingDeleted")
    assert (await slow.vault("GET", "vault-one", "/deletedsecrets/password")).status_code == 404
    slow.simulation.clock.step(5)
    assert (await slow.vault("GET", "vault-one", "/deletedsecrets/password")).status_code == 200
    assert inner(await put(slow, "x")) == (409, "ObjectIsDeletedButRecoverable")
    assert (await slow.vault("POST", "vault-one", "/deletedsecrets/password/recover")).status_code == 200
    assert inner(await put(slow, "x")) == (409, "ObjectIsBeingRecovered")
    slow.simulation.clock.step(5)
    assert (await slow.vault("GET", "vault-one", "/secrets/password")).json()["value"] == "hunter2"
    assert (await put(slow, "x")).status_code == 200


async def test_a_purged_name_is_in_limbo_for_seconds(slow: Cloud) -> None:
    await make(slow)
    await slow.vault("DELETE", "vault-one", "/secrets/password")
    slow.simulation.clock.step(5)
    purged = await slow.vault("DELETE", "vault-one", "/deletedsecrets/password")
    assert (purged.status_code, purged.content) == (204, b"")
    for path in ("/secrets/password", "/deletedsecrets/password"):
        assert (await slow.vault("GET", "vault-one", path)).status_code == 404
    assert inner(await put(slow, "x")) == (409, "ObjectIsBeingDeleted")
    slow.simulation.clock.step(5)
    assert (await put(slow, "x")).status_code == 200


async def stranger(cloud: Cloud) -> tuple[str, dict[str, str]]:
    """Another principal, and the header that signs it in."""
    app, principal = await cloud.make_application("stranger")
    text = (await cloud.graph("POST", f"/applications/{app['id']}/addPassword")).json()["secretText"]
    return principal["id"], await cloud.bearer("https://vault.azure.net", app["appId"], text)


async def test_an_access_policy_is_honoured_a_little_later(slow: Cloud) -> None:
    await make(slow)
    principal, bearer = await stranger(slow)
    policy = {"tenantId": TENANT, "objectId": principal, "permissions": {"secrets": ["Get"]}}
    body = {"properties": {"accessPolicies": [policy]}}
    await slow.arm("PUT", f"{VAULT}/accessPolicies/add", body)
    refused = await slow.vault("GET", "vault-one", "/secrets/password", **bearer)
    assert inner(refused) == (403, "AccessDenied")
    assert "does not have secrets get permission on key vault" in refused.json()["error"]["message"]
    slow.simulation.clock.step(20)
    assert (await slow.vault("GET", "vault-one", "/secrets/password", **bearer)).status_code == 200
    refused = await slow.vault("GET", "vault-one", "/secrets", **bearer)
    assert "secrets list permission" in refused.json()["error"]["message"]
    await slow.arm("PUT", f"{VAULT}/accessPolicies/remove", body)
    assert (await slow.vault("GET", "vault-one", "/secrets/password", **bearer)).status_code == 200
    slow.simulation.clock.step(20)
    assert inner(await slow.vault("GET", "vault-one", "/secrets/password", **bearer)) == (403, "AccessDenied")


async def test_a_role_is_honoured_minutes_later(slow: Cloud) -> None:
    await make(slow, enableRbacAuthorization=True)
    principal, bearer = await stranger(slow)
    base = "providers/Microsoft.Authorization"
    role = f"/subscriptions/{SUBSCRIPTION}/{base}/roleDefinitions/{SECRETS_USER}"
    body = {"properties": {"roleDefinitionId": role, "principalId": principal}}
    await slow.arm("PUT", f"{VAULT}/{base}/roleAssignments/{SUBSCRIPTION}", body)
    refused = await slow.vault("GET", "vault-one", "/secrets/Password", **bearer)
    lines = refused.json()["error"]["message"].split("\r\n")
    assert inner(refused) == (403, "ForbiddenByRbac")
    assert lines[3] == "Action: 'Microsoft.KeyVault/vaults/secrets/getSecret/action'"
    assert lines[4] == f"Resource: '{VAULT.lower()}/secrets/password'"
    assert lines[7] == "DecisionReason: 'DeniedWithNoValidRBAC' "
    slow.simulation.clock.step(120)
    assert (await slow.vault("GET", "vault-one", "/secrets/password", **bearer)).status_code == 200
    written = await slow.vault("PUT", "vault-one", "/secrets/password", {"value": "x"}, **bearer)
    assert inner(written) == (403, "ForbiddenByRbac")


async def test_each_model_ignores_the_other(calm: Cloud) -> None:
    await make(calm, enableRbacAuthorization=True)
    principal, bearer = await stranger(calm)
    policy = {"tenantId": TENANT, "objectId": principal, "permissions": {"secrets": ["get"]}}
    await calm.arm("PUT", f"{VAULT}/accessPolicies/add", {"properties": {"accessPolicies": [policy]}})
    assert inner(await calm.vault("GET", "vault-one", "/secrets/password", **bearer)) == (403, "ForbiddenByRbac")
    await calm.arm("PATCH", VAULT, {"properties": {"enableRbacAuthorization": False}})
    assert (await calm.vault("GET", "vault-one", "/secrets/password", **bearer)).status_code == 200


async def test_all_does_not_cover_purging(calm: Cloud) -> None:
    every = {"tenantId": TENANT, "objectId": OPERATOR_OBJECT, "permissions": {"secrets": ["all"]}}
    await make(calm, accessPolicies=[every])
    await calm.vault("DELETE", "vault-one", "/secrets/password")
    assert inner(await calm.vault("DELETE", "vault-one", "/deletedsecrets/password")) == (403, "AccessDenied")


async def test_a_value_is_needed(calm: Cloud) -> None:
    await make(calm)
    assert code(await calm.vault("PUT", "vault-one", "/secrets/empty", {})) == (400, "BadParameter")


@pytest.mark.parametrize(
    ("settings", "expected", "first"),
    [
        (
            {"networkAcls": {"defaultAction": "Deny", "bypass": "AzureServices"}},
            "ForbiddenByFirewall",
            "Client address is not authorized and caller is not a trusted service.",
        ),
        (
            {"networkAcls": {"defaultAction": "Deny", "ipRules": [{"value": "203.0.113.0/24"}]}},
            "ForbiddenByFirewall",
            "Client address is not authorized and caller is not a trusted service.",
        ),
        (
            {"publicNetworkAccess": "Disabled"},
            "ForbiddenByConnection",
            "Public network access is disabled and request is not from a trusted service nor via an approved private "
            "link.",
        ),
        ({"networkAcls": {"defaultAction": "Deny", "ipRules": [{"value": "127.0.0.1/32"}]}}, "", ""),
        ({"networkAcls": {"defaultAction": "Allow"}, "publicNetworkAccess": "Enabled"}, "", ""),
    ],
)
async def test_the_network_settings_decide_before_policies_do(
    calm: Cloud, settings: dict[str, Any], expected: str, first: str
) -> None:
    await make(calm)
    _, nobody = await stranger(calm)
    assert (await calm.arm("PATCH", VAULT, {"properties": settings})).status_code == 200
    answer = await calm.vault("GET", "vault-one", "/secrets/password")
    if not expected:
        assert answer.status_code == 200
        assert inner(await calm.vault("GET", "vault-one", "/secrets/password", **nobody)) == (403, "AccessDenied")
        return
    lines = answer.json()["error"]["message"].split("\r\n")
    assert inner(answer) == (403, expected)
    assert (lines[0], lines[-1]) == (first, "Vault: vault-one;location=westeurope")
    assert lines[-2].startswith(f"Caller: appid={OPERATOR};oid={OPERATOR_OBJECT};iss=https://sts.windows.net/")
    assert inner(await calm.vault("GET", "vault-one", "/secrets/password", **nobody)) == (403, expected)
    assert (await calm.vault("GET", "vault-one", "/secrets/password", Authorization="")).status_code == 401
    opened = {"publicNetworkAccess": "Enabled", "networkAcls": {"defaultAction": "Allow"}}
    await calm.arm("PATCH", VAULT, {"properties": opened})
    assert (await calm.vault("GET", "vault-one", "/secrets/password")).status_code == 200


@pytest.mark.parametrize("attributes", [{"exp": 1}, {"nbf": 4_000_000_000}, {"nbf": 1, "exp": 2}])
async def test_a_secret_outside_its_time_is_read_all_the_same(calm: Cloud, attributes: dict[str, int]) -> None:
    await make(calm)
    patched = await calm.vault("PATCH", "vault-one", "/secrets/password", {"attributes": attributes})
    assert patched.json()["attributes"].items() >= attributes.items()
    assert (await calm.vault("GET", "vault-one", "/secrets/password")).json()["value"] == "hunter2"
