"""What the simulator does not know is told loudly and noted, whatever part of the request it is."""

from __future__ import annotations

from typing import Any

import pytest
from simulated_cloud import GROUP, OPERATOR_OBJECT, OPERATOR_SECRET, SUBSCRIPTION, TENANT, Cloud, code

PROVIDERS = f"{GROUP}/providers"
VAULT = f"{PROVIDERS}/Microsoft.KeyVault/vaults/vault-one"
CLUSTER = f"{PROVIDERS}/Microsoft.ContainerService/managedClusters/one"
IDENTITY = f"{PROVIDERS}/Microsoft.ManagedIdentity/userAssignedIdentities/one"
ASSIGNMENT = f"{GROUP}/providers/Microsoft.Authorization/roleAssignments/{SUBSCRIPTION}"
VAULTS = f"{PROVIDERS}/Microsoft.KeyVault/vaults"


def told(cloud: Cloud, answer: Any, what: str) -> None:
    """The answer is a 501 that names it, and so does the log, once."""
    assert code(answer) == (501, "NotSimulated")
    assert what in answer.json()["error"]["message"]
    (noted,) = cloud.unheard_of()
    assert noted.endswith(f" with {what}")


@pytest.mark.parametrize(
    ("path", "version"),
    [
        ("/subscriptions", "2099-01-01"),
        (GROUP, "2016-01-01"),
        (VAULT, "2025-01-01"),
        (CLUSTER, "2099-01-01-preview"),
        (IDENTITY, "2018-11-30"),
        (ASSIGNMENT, "2015-07-01"),
        (f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Features/features", "2099-01-01"),
        (f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.KeyVault", "2023-02-01"),
    ],
)
async def test_an_api_version_that_may_exist_is_told(calm: Cloud, path: str, version: str) -> None:
    answer = await calm.arm("GET", path, version=version)
    assert f"api-version {version} of microsoft." in answer.json()["error"]["message"]
    assert [asked.partition(" with api-version ")[2][: len(version)] for asked in calm.unheard_of()] == [version]


@pytest.mark.parametrize("version", ["latest", "2024", "7.4", "2024-11-30'"])
async def test_an_api_version_that_is_none_is_refused_as_the_cloud_does(calm: Cloud, version: str) -> None:
    answer = await calm.arm("GET", IDENTITY, version=version)
    assert code(answer) == (400, "InvalidApiVersionParameter")
    assert "The supported versions are '2025-05-31-preview,2025-01-31-preview,2024-11-30," in answer.text


@pytest.mark.parametrize(
    ("path", "body", "what"),
    [
        (VAULT, {"properties": {"colour": "red"}}, "the member properties.colour"),
        (VAULT, {"properties": {"networkAcls": {"serviceTags": []}}}, "the member properties.networkAcls.serviceTags"),
        (
            VAULT,
            {"properties": {"accessPolicies": [{"objectId": TENANT, "applicationId": TENANT}]}},
            "the member properties.accessPolicies[0].applicationId",
        ),
        (CLUSTER, {"properties": {"httpProxyConfig": {}}}, "the member properties.httpProxyConfig"),
        (
            CLUSTER,
            {"properties": {"securityProfile": {"defender": {}}}},
            "the member properties.securityProfile.defender",
        ),
        (CLUSTER, {"extendedLocation": {}}, "the member extendedLocation"),
        (IDENTITY, {"properties": {"isolationScope": "Regional"}}, "the member properties.isolationScope"),
        (ASSIGNMENT, {"properties": {"colour": 1}}, "the member properties.colour"),
        (GROUP, {"location": "westeurope", "managedBy": "x"}, "the member managedBy"),
    ],
)
async def test_an_unknown_member_is_told_by_resource_manager(
    calm: Cloud, path: str, body: dict[str, Any], what: str
) -> None:
    told(calm, await calm.arm("PUT", path, body), what)


@pytest.mark.parametrize(
    ("path", "body", "what"),
    [
        ("/applications", {"displayName": "a", "colour": "red"}, "the member colour"),
        ("/applications", {"displayName": "a", "web": {"colour": 1}}, "the member web.colour"),
        ("/servicePrincipals", {"appId": TENANT, "loginUrl": "x"}, "the member loginUrl"),
        ("/$batch", {"requests": [{"id": "1", "method": "GET", "url": "/me", "if": "x"}]}, "the member requests[0].if"),
        ("/directoryObjects/getByIds", {"ids": [], "all": True}, "the member all"),
    ],
)
async def test_an_unknown_member_is_told_by_graph(calm: Cloud, path: str, body: dict[str, Any], what: str) -> None:
    told(calm, await calm.graph("POST", path, body), what)


async def test_a_flexible_credential_is_told(calm: Cloud) -> None:
    app, _ = await calm.make_application()
    told(calm, await calm.federate(app, claimsMatchingExpression={}), "the member claimsMatchingExpression")


@pytest.mark.parametrize(
    ("query", "what"),
    [
        ("$orderby=displayName", "the query option $orderby"),
        ("$search=x", "the query option $search"),
        ("$expand=owners", "the query option $expand=owners"),
        ("$select=id,colour", "$select=colour"),
        ("$filter=colour eq 'red' and tags/any(t:t eq 'x')", "a $filter over colour"),
    ],
)
async def test_an_unknown_option_is_told_by_graph(calm: Cloud, query: str, what: str) -> None:
    told(calm, await calm.graph("GET", f"/applications?{query}"), what)


@pytest.mark.parametrize("option", ["$filter", "$top", "$expand"])
async def test_an_unknown_option_is_told_by_resource_manager(calm: Cloud, option: str) -> None:
    told(calm, await calm.arm("GET", f"{VAULTS}?{option}=x"), f"the query option {option}")


async def test_resources_are_filtered_by_type_and_group_and_nothing_else(calm: Cloud) -> None:
    await calm.make_vault()
    for text, count in (("resourceGroup eq 'RG'", 1), ("resourceGroup eq 'other'", 0), ("name eq 'vault-one'", 1)):
        found = await calm.arm("GET", f"/subscriptions/{SUBSCRIPTION}/resources?$filter={text}")
        assert len(found.json()["value"]) == count, text
    answer = await calm.arm("GET", f"/subscriptions/{SUBSCRIPTION}/resources?$filter=tagName eq 'x'")
    told(calm, answer, "a $filter over tagname")


async def test_a_batch_tells_of_each_of_its_steps(calm: Cloud) -> None:
    steps = [{"id": "1", "method": "GET", "url": "/users"}, {"id": "2", "method": "GET", "url": "/organization"}]
    answered = (await calm.graph("POST", "/$batch", {"requests": steps})).json()["responses"]
    assert [one["status"] for one in answered] == [501, 200]
    assert calm.unheard_of() == ["GET graph.microsoft.com/v1.0/users"]


@pytest.mark.parametrize(
    ("method", "path", "body", "what"),
    [
        ("PUT", "/secrets/x", {"value": "x", "colour": 1}, "the member colour"),
        ("PUT", "/secrets/x", {"value": "x", "attributes": {"exportable": True}}, "the member attributes.exportable"),
        ("PATCH", "/secrets/password", {"attributes": {"colour": 1}}, "the member attributes.colour"),
        ("GET", "/secrets?colour=red", None, "the query option colour"),
    ],
)
async def test_what_is_unknown_is_told_by_a_vault(calm: Cloud, method: str, path: str, body: Any, what: str) -> None:
    await _vault(calm)
    told(calm, await calm.vault(method, "vault-one", path, body), what)


@pytest.mark.parametrize(
    ("version", "status"), [("7.9", 501), ("2099-01-01", 501), ("", 400), ("latest", 400), ("7.0", 200)]
)
async def test_a_vaults_version_is_checked(calm: Cloud, version: str, status: int) -> None:
    await _vault(calm)
    bearer = await calm.bearer("https://vault.azure.net")
    url = f"https://vault-one.vault.azure.net/secrets?api-version={version}"
    answer = await calm.http.get(url, headers=bearer)
    assert answer.status_code == status
    assert len(calm.unheard_of()) == (status == 501)


async def _vault(cloud: Cloud) -> None:
    every = {"tenantId": TENANT, "objectId": OPERATOR_OBJECT, "permissions": {"secrets": ["all"]}}
    assert (await cloud.make_vault(accessPolicies=[every])).status_code == 200
    assert (await cloud.vault("PUT", "vault-one", "/secrets/password", {"value": "x"})).status_code == 200


@pytest.mark.parametrize(
    ("form", "what"),
    [
        ({"username": "x"}, "the parameter username"),
        ({"grant_type": "password"}, "grant_type=password"),
        ({"grant_type": "refresh_token"}, "grant_type=refresh_token"),
    ],
)
async def test_what_is_unknown_is_told_by_the_token_endpoint(calm: Cloud, form: dict[str, str], what: str) -> None:
    told(calm, await calm.token("https://vault.azure.net", client_secret=OPERATOR_SECRET, **form), what)
