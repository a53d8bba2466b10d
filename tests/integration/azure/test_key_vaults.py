"""Key vaults on the control plane."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from simulated_cloud import GROUP, OPERATOR, OPERATOR_OBJECT, SUBSCRIPTION, TENANT, Cloud, code

from simulator.azure import key_vault

VAULT = f"{GROUP}/providers/Microsoft.KeyVault/vaults/vault-one"
DELETED = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.KeyVault"
STRANGER = "99999999-9999-4999-8999-999999999999"


def policy(principal: str, *permissions: str) -> dict[str, Any]:
    return {"tenantId": TENANT, "objectId": principal, "permissions": {"secrets": list(permissions)}}


async def test_a_new_vault_answers_as_recorded(slow: Cloud) -> None:
    acls = {"bypass": "AzureServices", "defaultAction": "Allow"}
    made = await slow.make_vault(accessPolicies=[policy(STRANGER, "all", "purge")], networkAcls=acls)
    body = made.json()
    assert made.status_code == 200
    assert not {"location", "azure-asyncoperation"} & set(made.headers)
    assert made.headers["retry-after"] == "30"
    assert (made.headers["server"], made.headers["x-aspnet-version"]) == ("Microsoft-IIS/10.0", "4.0.30319")
    assert body["id"] == VAULT
    assert body["systemData"]["createdBy"] == OPERATOR
    assert body["properties"] == {
        "sku": {"family": "A", "name": "standard"},
        "tenantId": TENANT,
        "accessPolicies": [policy(STRANGER, "all", "purge")],
        "enabledForDeployment": False,
        "enableSoftDelete": True,
        "softDeleteRetentionInDays": 90,
        "vaultUri": "https://vault-one.vault.azure.net",
        "provisioningState": "RegisteringDns",
        "publicNetworkAccess": "Enabled",
    }


async def test_its_name_resolves_once_it_is_registered(slow: Cloud) -> None:
    await slow.make_vault()
    assert not key_vault.resolves(slow.simulation, "vault-one.vault.azure.net")
    with pytest.raises(httpx.ConnectError):
        await slow.vault("GET", "vault-one", "/secrets")
    slow.simulation.clock.step(30)
    properties = (await slow.arm("GET", VAULT)).json()["properties"]
    assert (properties["provisioningState"], properties["vaultUri"]) == (
        "Succeeded",
        "https://vault-one.vault.azure.net/",
    )
    assert key_vault.resolves(slow.simulation, "vault-one.vault.azure.net")
    assert not key_vault.resolves(slow.simulation, "vault-two.vault.azure.net")
    await slow.arm("DELETE", VAULT)
    assert not key_vault.resolves(slow.simulation, "vault-one.vault.azure.net")


@pytest.mark.parametrize(
    ("version", "given", "expected"),
    [
        ("2023-07-01", {}, None),
        ("2023-07-01", {"enableRbacAuthorization": True}, True),
        ("2026-02-01", {}, True),
        ("2026-05-15", {"enableRbacAuthorization": False}, False),
    ],
)
async def test_new_vaults_go_by_rbac_since_2026(
    calm: Cloud, version: str, given: dict[str, Any], expected: bool | None
) -> None:
    sku = {"family": "A", "name": "standard"}
    body = {"location": "westeurope", "properties": {"tenantId": TENANT, "sku": sku} | given}
    made = (await calm.arm("PUT", VAULT, body, version=version)).json()
    assert made["properties"].get("enableRbacAuthorization") is expected


@pytest.mark.parametrize("name", ["ab", "a" * 25, "1vault", "vault--one", "vault-", "vault_one"])
async def test_a_name_that_is_none_is_refused(calm: Cloud, name: str) -> None:
    assert code(await calm.make_vault(name)) == (400, "VaultNameNotValid")
    available = await calm.arm("POST", f"{DELETED}/checkNameAvailability", {"name": name})
    assert available.json()["reason"] == "AccountNameInvalid"


async def test_a_name_exists_once_in_the_whole_cloud(calm: Cloud) -> None:
    await calm.arm("PUT", f"/subscriptions/{SUBSCRIPTION}/resourceGroups/other", {"location": "westeurope"})
    await calm.make_vault()
    sku = {"family": "A", "name": "standard"}
    body = {"location": "westeurope", "properties": {"tenantId": TENANT, "sku": sku}}
    elsewhere = VAULT.replace("/rg/", "/other/")
    assert code(await calm.arm("PUT", elsewhere, body)) == (409, "VaultAlreadyExists")
    taken = (await calm.arm("POST", f"{DELETED}/checkNameAvailability", {"name": "Vault-One"})).json()
    assert (taken["nameAvailable"], taken["reason"]) == (False, "AlreadyExists")


async def test_a_deleted_vault_keeps_its_name_and_can_be_recovered(calm: Cloud) -> None:
    await calm.make_vault(accessPolicies=[policy(OPERATOR_OBJECT, "all")], softDeleteRetentionInDays=7)
    await calm.vault("PUT", "vault-one", "/secrets/password", {"value": "hunter2"})
    assert (await calm.arm("DELETE", VAULT)).content == b""
    assert (await calm.arm("GET", VAULT)).status_code == 404
    deleted = (await calm.arm("GET", f"{DELETED}/deletedVaults")).json()["value"][0]
    assert deleted["properties"] == {
        "vaultId": VAULT,
        "location": "westeurope",
        "tags": {},
        "deletionDate": "2026-03-01T12:00:00Z",
        "scheduledPurgeDate": "2026-03-08T12:00:00Z",
    }
    assert (await calm.arm("GET", deleted["id"])).json() == deleted
    assert code(await calm.make_vault()) == (409, "ConflictError")
    recovered = await calm.make_vault(createMode="recover")
    properties = recovered.json()["properties"]
    assert (properties["provisioningState"], "createMode" in properties) == ("Succeeded", False)
    assert properties["accessPolicies"] == [policy(OPERATOR_OBJECT, "all")]
    assert (await calm.vault("GET", "vault-one", "/secrets/password")).json()["value"] == "hunter2"


async def test_recovering_does_not_bring_role_assignments_back(calm: Cloud) -> None:
    await calm.make_vault()
    role = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions"
    place = f"{VAULT}/providers/Microsoft.Authorization/roleAssignments/{SUBSCRIPTION}"
    given = {"roleDefinitionId": f"{role}/acdd72a7-3385-48ef-bd42-f606fba81ae7", "principalId": OPERATOR_OBJECT}
    assert (await calm.arm("PUT", place, {"properties": given})).status_code == 201
    await calm.arm("DELETE", VAULT)
    await calm.make_vault(createMode="recover")
    assert code(await calm.arm("GET", place)) == (404, "RoleAssignmentNotFound")


async def test_there_is_nothing_to_recover_where_nothing_was_deleted(calm: Cloud) -> None:
    assert code(await calm.make_vault(createMode="recover")) == (404, "SoftDeletedVaultDoesNotExist")


async def test_purging_frees_the_name_unless_the_vault_is_protected(calm: Cloud) -> None:
    await calm.make_vault()
    await calm.make_vault("vault-two", enablePurgeProtection=True)
    for name in ("vault-one", "vault-two"):
        await calm.arm("DELETE", VAULT.replace("vault-one", name))
    base = f"{DELETED}/locations/westeurope/deletedVaults"
    begun = await calm.arm("POST", f"{base}/vault-one/purge")
    assert begun.status_code == 202
    where = begun.headers["location"].removeprefix("https://management.azure.com").partition("?")[0]
    assert (await calm.arm("GET", where)).status_code == 200
    assert (await calm.make_vault()).status_code == 200
    assert (await calm.arm("POST", f"{base}/vault-two/purge")).status_code == 403
    protected = (await calm.arm("GET", f"{base}/vault-two")).json()["properties"]
    assert protected["purgeProtectionEnabled"] is True


@pytest.mark.parametrize(
    ("kind", "sent", "expected"),
    [
        ("add", [policy(STRANGER, "list"), policy(TENANT, "get")], [["get", "list"], ["get"]]),
        ("replace", [policy(STRANGER, "list")], [["list"]]),
        ("remove", [policy(STRANGER)], []),
    ],
)
async def test_policies_are_added_replaced_and_removed(
    calm: Cloud, kind: str, sent: list[dict[str, Any]], expected: list[list[str]]
) -> None:
    await calm.make_vault(accessPolicies=[policy(STRANGER, "get")])
    answer = await calm.arm("PUT", f"{VAULT}/accessPolicies/{kind}", {"properties": {"accessPolicies": sent}})
    assert answer.status_code == 200
    stored = (await calm.arm("GET", VAULT)).json()["properties"]["accessPolicies"]
    assert [one["permissions"]["secrets"] for one in stored] == expected


async def test_two_writers_at_once_conflict(calm: Cloud) -> None:
    await calm.make_vault()
    path = f"{VAULT}/accessPolicies/add"
    bodies = [{"properties": {"accessPolicies": [policy(principal, "get")]}} for principal in (STRANGER, TENANT)]
    answers = await asyncio.gather(*(calm.arm("PUT", path, body) for body in bodies))
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    assert code(next(answer for answer in answers if answer.status_code == 409))[1] == "ConflictError"
    stored = (await calm.arm("GET", VAULT)).json()["properties"]["accessPolicies"]
    assert len(stored) == 1


async def test_writing_the_whole_vault_back_tolerates_its_read_only_parts(calm: Cloud) -> None:
    await calm.make_vault()
    body = (await calm.arm("GET", VAULT)).json()
    body["properties"]["accessPolicies"] = [policy(STRANGER, "get")]
    calm.simulation.clock.step(60)
    written = (await calm.arm("PUT", VAULT, body)).json()
    assert written["properties"] == body["properties"]
    assert written["systemData"]["createdAt"] == body["systemData"]["createdAt"]
    assert written["systemData"]["lastModifiedAt"] > body["systemData"]["lastModifiedAt"]


@pytest.mark.parametrize(
    "properties",
    [
        {"softDeleteRetentionInDays": 6},
        {"enablePurgeProtection": False},
        {"networkAcls": {"defaultAction": "Deny", "ipRules": [{"value": "everywhere"}]}},
        {"accessPolicies": [policy(f"{number:032}", "get") for number in range(1025)]},
        {"accessPolicies": [policy(STRANGER, "get"), policy(STRANGER, "list")]},
    ],
)
async def test_what_a_vault_cannot_be_is_refused(calm: Cloud, properties: dict[str, Any]) -> None:
    assert code(await calm.make_vault(**properties)) == (400, "BadRequest")
    assert (await calm.arm("GET", VAULT)).status_code == 404


async def test_a_patch_changes_what_it_names(calm: Cloud) -> None:
    await calm.make_vault()
    await calm.arm("PATCH", VAULT, {"tags": {"team": "shop"}, "properties": {"enableRbacAuthorization": True}})
    body = (await calm.arm("GET", VAULT)).json()
    assert (body["tags"], body["properties"]["enableRbacAuthorization"]) == ({"team": "shop"}, True)


async def test_rules_that_are_not_the_default_are_echoed(calm: Cloud) -> None:
    rules = {"bypass": "AzureServices", "defaultAction": "Deny", "ipRules": [{"value": "203.0.113.7"}]}
    assert (await calm.make_vault(networkAcls=rules)).json()["properties"]["networkAcls"] == rules


async def test_soft_deletion_cannot_be_switched_off(calm: Cloud) -> None:
    assert (await calm.make_vault(enableSoftDelete=False)).json()["properties"]["enableSoftDelete"] is True
