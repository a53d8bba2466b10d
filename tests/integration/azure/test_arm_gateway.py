"""What Azure Resource Manager does whatever is asked for: who asks, which version, whether it is there."""

from __future__ import annotations

import pytest
from simulated_cloud import GROUP, OPERATOR_OBJECT, SUBSCRIPTION, TENANT, Cloud, code

IDENTITIES = "Microsoft.ManagedIdentity/userAssignedIdentities"
RESOURCES = ("Microsoft.KeyVault/vaults", "Microsoft.ContainerService/managedClusters", IDENTITIES)
READER = "55555555-5555-4555-8555-555555555555"


async def test_the_401_names_the_tenant(calm: Cloud) -> None:
    answer = await calm.arm("GET", f"/subscriptions/{SUBSCRIPTION}", Authorization="")
    challenge = answer.headers["www-authenticate"]
    assert code(answer) == (401, "AuthenticationFailed")
    assert f'authorization_uri="https://login.windows.net/{TENANT}"' in challenge
    wrong = await calm.bearer("https://graph.microsoft.com")
    refused = await calm.arm("GET", f"/subscriptions/{SUBSCRIPTION}", **wrong)
    assert code(refused) == (401, "InvalidAuthenticationToken")


@pytest.mark.parametrize(
    ("method", "left"),
    [
        ("GET", {"global-reads": "16499"}),
        ("PUT", {"writes": "799", "global-writes": "11999"}),
        ("DELETE", {"deletes": "799", "global-deletes": "11999"}),
    ],
)
async def test_every_answer_has_the_standing_headers(calm: Cloud, method: str, left: dict[str, str]) -> None:
    path = f"{GROUP}/providers/{IDENTITIES}/one"
    answer = await calm.arm(method, path, {"location": "westeurope"} if method == "PUT" else None)
    standing = {
        "cache-control": "no-cache",
        "pragma": "no-cache",
        "expires": "-1",
        "strict-transport-security": "max-age=31536000; includeSubDomains",
        "x-content-type-options": "nosniff",
    }
    assert {name: answer.headers[name] for name in standing} == standing
    prefix = "x-ms-ratelimit-remaining-subscription-"
    found = {name.removeprefix(prefix): value for name, value in answer.headers.items() if name.startswith(prefix)}
    assert found == left


async def test_a_gateways_error_says_its_charset(calm: Cloud) -> None:
    answer = await calm.arm("GET", f"{GROUP}/providers/{IDENTITIES}/nope")
    assert answer.headers["content-type"] == "application/json; charset=utf-8"


async def test_a_request_without_an_api_version_is_refused(calm: Cloud) -> None:
    answer = await calm.http.get("https://management.azure.com/subscriptions")
    assert code(answer) == (400, "MissingApiVersionParameter")


@pytest.mark.parametrize("kind", RESOURCES)
async def test_what_is_missing_is_missing_alike_for_every_provider(calm: Cloud, kind: str) -> None:
    answer = await calm.arm("GET", f"{GROUP}/providers/{kind}/nope")
    assert code(answer) == (404, "ResourceNotFound")
    assert answer.headers["x-ms-failure-cause"] == "gateway"
    assert f"'{kind}/nope' under resource group 'rg'" in answer.json()["error"]["message"]
    elsewhere = await calm.arm("GET", f"/subscriptions/{SUBSCRIPTION}/resourceGroups/nowhere/providers/{kind}/nope")
    assert code(elsewhere) == (404, "ResourceGroupNotFound")


@pytest.mark.parametrize("kind", RESOURCES)
async def test_deleting_what_is_gone_succeeds(calm: Cloud, kind: str) -> None:
    assert (await calm.arm("DELETE", f"{GROUP}/providers/{kind}/nope")).status_code == 204


@pytest.mark.parametrize("kind", RESOURCES)
async def test_an_empty_list_has_no_next_link(calm: Cloud, kind: str) -> None:
    for scope in (GROUP, f"/subscriptions/{SUBSCRIPTION}"):
        assert (await calm.arm("GET", f"{scope}/providers/{kind}")).json() == {"value": []}


async def test_paths_match_without_regard_to_case(calm: Cloud) -> None:
    await calm.make_vault()
    shouted = f"{GROUP}/providers/Microsoft.KeyVault/vaults/vault-one".upper()
    assert (await calm.arm("GET", shouted)).json()["name"] == "vault-one"


async def test_an_unknown_subscription_is_not_found(calm: Cloud) -> None:
    answer = await calm.arm("GET", f"/subscriptions/{TENANT}/resourcegroups")
    assert code(answer) == (404, "SubscriptionNotFound")


async def test_a_reader_may_read_and_nothing_else(calm: Cloud) -> None:
    reader = await calm.bearer("https://management.azure.com", READER, "another secret")
    path = f"{GROUP}/providers/Microsoft.KeyVault/vaults/vault-one"
    await calm.make_vault()
    assert (await calm.arm("GET", path, **reader)).status_code == 200
    refused = await calm.arm("DELETE", path, **reader)
    assert code(refused) == (403, "AuthorizationFailed")
    assert "perform action 'Microsoft.KeyVault/vaults/delete' over scope" in refused.json()["error"]["message"]


async def test_a_role_on_a_vault_shows_that_vault_and_its_subscription(calm: Cloud) -> None:
    app, principal = await calm.make_application()
    text = (await calm.graph("POST", f"/applications/{app['id']}/addPassword")).json()["secretText"]
    bearer = await calm.bearer("https://management.azure.com", app["appId"], text)
    assert (await calm.arm("GET", "/subscriptions", **bearer)).json()["value"] == []
    assert code(await calm.arm("GET", f"/subscriptions/{SUBSCRIPTION}", **bearer)) == (403, "AuthorizationFailed")
    vaults = [(await calm.make_vault(name)).json()["id"] for name in ("vault-one", "vault-two")]
    reader = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/"
    body = {"properties": {"roleDefinitionId": f"{reader}acdd72a7-3385-48ef-bd42-f606fba81ae7"}}
    body["properties"] |= {"principalId": principal["id"]}
    place = f"{vaults[0]}/providers/Microsoft.Authorization/roleAssignments/{SUBSCRIPTION}"
    assert (await calm.arm("PUT", place, body)).status_code == 201
    listed = await calm.arm("GET", "/subscriptions", **bearer)
    assert [one["subscriptionId"] for one in listed.json()["value"]] == [SUBSCRIPTION]
    query = "/resources?$filter=resourceType eq 'Microsoft.KeyVault/vaults'"
    found = (await calm.arm("GET", f"/subscriptions/{SUBSCRIPTION}{query}", **bearer)).json()["value"]
    assert [sorted(one) for one in found] == [["id", "location", "name", "tags", "type"]]
    assert [one["name"] for one in found] == ["vault-one"]


async def test_a_resource_group_is_created_once_and_stays_where_it_is(calm: Cloud) -> None:
    path = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/new"
    assert (await calm.arm("HEAD", path)).status_code == 404
    made = await calm.arm("PUT", path, {"location": "West Europe"})
    assert (made.status_code, made.json()["location"]) == (201, "westeurope")
    assert (await calm.arm("PUT", path, {"location": "westeurope", "tags": {"a": "b"}})).status_code == 200
    assert code(await calm.arm("PUT", path, {"location": "northeurope"})) == (409, "InvalidResourceGroupLocation")
    assert (await calm.arm("HEAD", path)).status_code == 204
    assert (await calm.arm("GET", path)).json()["tags"] == {"a": "b"}


async def test_writing_needs_the_provider_registered(calm: Cloud) -> None:
    base = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.KeyVault"
    assert (await calm.arm("POST", f"{base}/unregister")).json()["registrationState"] == "Unregistered"
    assert code(await calm.make_vault()) == (409, "MissingSubscriptionRegistration")
    assert (await calm.arm("POST", f"{base}/register")).json()["registrationState"] == "Registered"
    assert (await calm.make_vault()).status_code == 200


async def test_a_callers_permissions_can_be_read(calm: Cloud) -> None:
    answer = await calm.arm("GET", f"{GROUP}/providers/Microsoft.Authorization/permissions")
    assert ["*"] in [one["actions"] for one in answer.json()["value"]]
    assert OPERATOR_OBJECT not in answer.text


@pytest.mark.parametrize("text", ["nonsense", "near('x')", "resourceType eq"])
async def test_a_filter_that_is_none_is_refused(calm: Cloud, text: str) -> None:
    answer = await calm.arm("GET", f"/subscriptions/{SUBSCRIPTION}/resources?$filter={text}")
    assert code(answer) == (400, "InvalidFilterInQueryString")
