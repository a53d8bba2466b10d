"""Routes that no flow of ours asks for: az, a portal, or a curious person does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from simulated_cloud import GROUP, SUBSCRIPTION, TENANT, Cloud, code

FEATURES = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Features"
HSM = "providers/Microsoft.KeyVault"
READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"


@dataclass(frozen=True)
class Row:
    """A GET of Resource Manager; what ``at`` leads to in its answer is ``expected``."""

    path: str
    version: str
    at: tuple[str | int, ...]
    expected: Any


ROWS = {
    "role definition": Row(
        f"/providers/Microsoft.Authorization/roleDefinitions/{READER}",
        "2022-04-01",
        ("properties", "roleName"),
        "Reader",
    ),
    "providers": Row(
        f"/subscriptions/{SUBSCRIPTION}/providers", "2022-09-01", ("value", -1, "namespace"), "Microsoft.Batch"
    ),
    "all features": Row(
        f"{FEATURES}/features",
        "2021-07-01",
        ("value", 0, "name"),
        "Microsoft.ContainerService/EnableOIDCIssuerPreview",
    ),
    "feature registrations": Row(f"{FEATURES}/subscriptionFeatureRegistrations", "2021-07-01", ("value",), []),
    "managed HSMs": Row(f"/subscriptions/{SUBSCRIPTION}/{HSM}/managedHSMs", "2023-07-01", ("value",), []),
    "managed HSMs of a group": Row(f"{GROUP}/{HSM}/managedHSMs", "2023-07-01", ("value",), []),
    "deleted managed HSMs": Row(
        f"/subscriptions/{SUBSCRIPTION}/{HSM}/deletedManagedHSMs", "2023-07-01", ("value",), []
    ),
    "resources of a group": Row(f"{GROUP}/resources", "2021-04-01", ("value",), []),
    "tenants": Row("/tenants", "2022-12-01", ("value", 0, "tenantId"), TENANT),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
async def test_resource_manager_tells_what_there_is(calm: Cloud, row: Row) -> None:
    answer = await calm.arm("GET", row.path, version=row.version)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    for step in row.at:
        found = found[step]
    assert found == row.expected


async def test_the_tags_of_a_managed_identity_are_replaced_as_a_whole(calm: Cloud) -> None:
    path = f"{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/one"
    await calm.arm("PUT", path, {"location": "westeurope", "tags": {"a": "1"}}, version="2024-11-30")
    changed = await calm.arm("PATCH", path, {"tags": {"b": "2"}}, version="2024-11-30")
    assert (changed.status_code, changed.json()["tags"]) == (200, {"b": "2"})
    assert (await calm.arm("GET", path, version="2024-11-30")).json()["tags"] == {"b": "2"}


async def test_the_elder_key_endpoint_publishes_the_same_keys(calm: Cloud) -> None:
    elder, newer = [
        await calm.http.get(f"https://login.microsoftonline.com/{TENANT}/{path}")
        for path in ("discovery/keys", "discovery/v2.0/keys")
    ]
    assert elder.json() == newer.json()
    assert elder.json()["keys"][0]["kty"] == "RSA"


async def test_an_application_is_deleted_by_its_client_id_and_lies_in_the_bin_under_its_object_id(calm: Cloud) -> None:
    app, _ = await calm.make_application()
    gone = await calm.graph("DELETE", f"/applications(appId='{app['appId']}')")
    assert gone.status_code == 204
    assert (await calm.graph("GET", f"/applications/{app['id']}")).status_code == 404
    found = await calm.graph("GET", f"/directory/deletedItems/{app['id']}")
    assert found.json()["appId"] == app["appId"]
    assert found.json()["deletedDateTime"]


async def test_a_removed_password_signs_nobody_in(calm: Cloud) -> None:
    app, _ = await calm.make_application()
    added = (await calm.graph("POST", f"/applications/{app['id']}/addPassword", {"passwordCredential": {}})).json()
    removed = await calm.graph("POST", f"/applications/{app['id']}/removePassword", {"keyId": added["keyId"]})
    assert removed.status_code == 204
    refused = await calm.token("https://graph.microsoft.com", client=app["appId"], client_secret=added["secretText"])
    assert refused.json()["error_codes"] == [7000215]
    again = await calm.graph("POST", f"/applications/{app['id']}/removePassword", {"keyId": added["keyId"]})
    assert code(again) == (400, "Request_BadRequest")


async def test_deleted_secrets_are_listed_and_no_others(calm: Cloud) -> None:
    await calm.make_vault(enableRbacAuthorization=True)
    for name in ("kept", "gone"):
        await calm.vault("PUT", "vault-one", f"/secrets/{name}", {"value": "x"})
    await calm.vault("DELETE", "vault-one", "/secrets/gone")
    listed = (await calm.vault("GET", "vault-one", "/deletedsecrets")).json()
    assert [one["recoveryId"].rpartition("/")[2] for one in listed["value"]] == ["gone"]


async def test_a_version_of_a_secret_is_disabled_alone(calm: Cloud) -> None:
    await calm.make_vault(enableRbacAuthorization=True)
    versions = []
    for value in ("first", "second"):
        made = await calm.vault("PUT", "vault-one", "/secrets/one", {"value": value})
        versions.append(made.json()["id"].rpartition("/")[2])
    changed = await calm.vault("PATCH", "vault-one", f"/secrets/one/{versions[0]}", {"attributes": {"enabled": False}})
    assert changed.json()["attributes"]["enabled"] is False
    assert (await calm.vault("GET", "vault-one", f"/secrets/one/{versions[0]}")).status_code == 403
    assert (await calm.vault("GET", "vault-one", f"/secrets/one/{versions[1]}")).json()["value"] == "second"
