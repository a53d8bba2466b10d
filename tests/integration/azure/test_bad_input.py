"""Whatever nonsense is sent: each service answers with a 4xx in its own envelope, and has done nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from simulated_cloud import GROUP, OPERATOR, OPERATOR_OBJECT, SUBSCRIPTION, TENANT, Cloud, code

PROVIDERS = f"{GROUP}/providers"
VAULT = f"{PROVIDERS}/Microsoft.KeyVault/vaults/vault-two"
CLUSTER = f"{PROVIDERS}/Microsoft.ContainerService/managedClusters/one"
IDENTITY = f"{PROVIDERS}/Microsoft.ManagedIdentity/userAssignedIdentities/one"
CREDENTIAL = f"{IDENTITY}/federatedIdentityCredentials/fic-one"
ASSIGNMENT = f"{GROUP}/providers/Microsoft.Authorization/roleAssignments/{SUBSCRIPTION}"
POOL = [{"name": "nodepool1", "count": 1}]


@dataclass(frozen=True)
class Service:
    """Where a service is written to, and the code of its general 400."""

    method: str
    url: str
    resource: str
    bad: str


ARM = Service(
    "PUT", f"https://management.azure.com{IDENTITY}?api-version=2024-11-30", "https://management.azure.com", ""
)
SERVICES = {
    "arm": Service(ARM.method, ARM.url, ARM.resource, "InvalidRequestContent"),
    "graph": Service(
        "POST", "https://graph.microsoft.com/v1.0/applications", "https://graph.microsoft.com", "Request_BadRequest"
    ),
    "key vault": Service(
        "PUT", "https://vault-one.vault.azure.net/secrets/x?api-version=7.4", "https://vault.azure.net", "BadParameter"
    ),
}
BODIES: dict[str, tuple[bytes, str, int, str]] = {
    "cut off": (b'{"a": ', "application/json", 400, ""),
    "a list": (b"[]", "application/json", 400, ""),
    "a text": (b'"text"', "application/json", 400, ""),
    "null": (b"null", "application/json", 400, ""),
    "no utf-8": (b'{"a": "\xff\xfe"}', "application/json", 400, ""),
    "half a pair": (b'{"location": "\\ud800"}', "application/json", 400, ""),
    "no number": (b'{"a": NaN}', "application/json", 400, ""),
    "infinity": (b'{"a": 1e999}', "application/json", 400, ""),
    "deep": (b'{"a":' * 100 + b"1" + b"}" * 100, "application/json", 400, ""),
    "very deep": (b"[" * 200_000, "application/json", 400, ""),
    "large": (b'{"a": "' + b"x" * 5_000_000 + b'"}', "application/json", 413, "RequestEntityTooLarge"),
    "xml": (b"<a/>", "application/xml", 415, "UnsupportedMediaType"),
    "a form": (b"a=b", "application/x-www-form-urlencoded", 415, "UnsupportedMediaType"),
}


async def make_vault(cloud: Cloud) -> None:
    every = {"tenantId": TENANT, "objectId": OPERATOR_OBJECT, "permissions": {"secrets": ["all"]}}
    assert (await cloud.make_vault(accessPolicies=[every])).status_code == 200


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("name", SERVICES)
async def test_a_body_that_is_none_is_refused(calm: Cloud, name: str, body: str) -> None:
    await make_vault(calm)
    service, (content, kind, status, expected) = SERVICES[name], BODIES[body]
    headers = await calm.bearer(service.resource) | {"Content-Type": kind}
    answer = await calm.http.request(service.method, service.url, content=content, headers=headers)
    assert code(answer) == (status, expected or service.bad)
    assert answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (VAULT, {"properties": 7}),
        (VAULT, {"properties": []}),
        (VAULT, {"tags": []}),
        (VAULT, {"tags": {"a": 1}}),
        (VAULT, {"location": 7}),
        (VAULT, {"properties": {"accessPolicies": "x"}}),
        (VAULT, {"properties": {"accessPolicies": ["x"]}}),
        (VAULT, {"properties": {"accessPolicies": [None]}}),
        (VAULT, {"properties": {"accessPolicies": [{"objectId": 7}]}}),
        (VAULT, {"properties": {"accessPolicies": [{"objectId": "x", "permissions": "all"}]}}),
        (VAULT, {"properties": {"accessPolicies": [{"objectId": "x", "permissions": {"secrets": "all"}}]}}),
        (VAULT, {"properties": {"softDeleteRetentionInDays": "7"}}),
        (VAULT, {"properties": {"softDeleteRetentionInDays": True}}),
        (VAULT, {"properties": {"networkAcls": "x"}}),
        (VAULT, {"properties": {"networkAcls": {"ipRules": [7]}}}),
        (VAULT, {"properties": {"sku": "standard"}}),
        (IDENTITY, {"tags": "x"}),
        (CREDENTIAL, {"properties": {"audiences": {}}}),
        (CREDENTIAL, {"properties": {"audiences": "x"}}),
        (CREDENTIAL, {"properties": {"issuer": 7}}),
        (ASSIGNMENT, {"properties": {"principalId": 7}}),
        (ASSIGNMENT, {"properties": {"roleDefinitionId": []}}),
        (GROUP, {"location": {}}),
        (CLUSTER, {"properties": {"oidcIssuerProfile": "on"}}),
        (CLUSTER, {"properties": {"oidcIssuerProfile": {"enabled": "yes"}}}),
        (CLUSTER, {"properties": {"securityProfile": {"workloadIdentity": True}}}),
        (CLUSTER, {"properties": {"agentPoolProfiles": {}}}),
        (CLUSTER, {"properties": {"agentPoolProfiles": [7]}}),
        (CLUSTER, {"properties": {"kubernetesVersion": 1.34}}),
    ],
)
async def test_resource_manager_refuses_values_of_another_type(calm: Cloud, path: str, body: Any) -> None:
    await calm.arm("PUT", IDENTITY, {"location": "westeurope"})
    assert code(await calm.arm("PUT", path, body)) == (400, "InvalidRequestContent")
    if path in (VAULT, CLUSTER, CREDENTIAL, ASSIGNMENT):
        assert (await calm.arm("GET", path)).status_code == 404


@pytest.mark.parametrize(
    ("properties", "location", "expected"),
    [
        ({"kubernetesVersion": "latest"}, "westeurope", "K8sVersionNotSupported"),
        ({"kubernetesVersion": "1"}, "westeurope", "K8sVersionNotSupported"),
        ({"dnsPrefix": "a b"}, "westeurope", "InvalidParameter"),
        ({"dnsPrefix": "a.example"}, "westeurope", "InvalidParameter"),
        ({"agentPoolProfiles": []}, "westeurope", "InvalidParameter"),
        ({}, "../elsewhere", "LocationNotAvailableForResourceType"),
    ],
)
async def test_a_cluster_that_cannot_be_is_refused(
    calm: Cloud, properties: dict[str, Any], location: str, expected: str
) -> None:
    answer = await calm.arm(
        "PUT", CLUSTER, {"location": location, "properties": {"agentPoolProfiles": POOL} | properties}
    )
    told = answer.json()
    assert (answer.status_code, told.get("error", told)["code"]) == (400, expected)
    assert (await calm.arm("GET", CLUSTER)).status_code == 404


async def test_what_a_cluster_only_keeps_may_be_nonsense(calm: Cloud) -> None:
    nonsense = {"networkProfile": {"loadBalancerProfile": 7}, "addonProfiles": {"x": [1]}, "aadProfile": None}
    body = {"location": "westeurope", "properties": {"agentPoolProfiles": POOL} | nonsense}
    assert (await calm.arm("PUT", CLUSTER, body)).status_code == 201
    assert (await calm.arm("GET", CLUSTER)).json()["properties"]["networkProfile"]["loadBalancerProfile"] == 7


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/applications", {"displayName": 7}),
        ("/applications", {"displayName": "a", "tags": "x"}),
        ("/applications", {"displayName": "a", "tags": [7]}),
        ("/applications", {"displayName": "a", "tags": [None]}),
        ("/applications", {"displayName": "a", "web": []}),
        ("/applications", {"displayName": "a", "web": {"redirectUris": "x"}}),
        ("/applications", {"displayName": "a", "keyCredentials": [7]}),
        ("/applications", {"displayName": "a", "keyCredentials": [{"key": "no certificate"}]}),
        ("/applications", {"displayName": "a", "passwordCredentials": [{}]}),
        ("/applications", {"displayName": "a", "identifierUris": {}}),
        ("/servicePrincipals", {"appId": 7}),
        ("/servicePrincipals", {"appId": TENANT, "accountEnabled": "no"}),
        ("/applications/{id}/addPassword", {"passwordCredential": "x"}),
        ("/applications/{id}/removePassword", {"keyId": 7}),
        ("/applications/{id}/federatedIdentityCredentials", {"name": "one", "audiences": {}}),
        ("/applications/{id}/federatedIdentityCredentials", {"name": 7}),
        ("/directoryObjects/getByIds", {"ids": "x"}),
        ("/$batch", {"requests": [{"id": "1", "method": "POST", "url": "/$batch"}]}),
        ("/$batch", {"requests": [{"id": None, "method": "GET", "url": "/me"}]}),
    ],
)
async def test_graph_refuses_values_of_another_type(calm: Cloud, path: str, body: Any) -> None:
    app, _ = await calm.make_application()
    assert code(await calm.graph("POST", path.format(id=app["id"]), body)) == (400, "Request_BadRequest")


@pytest.mark.parametrize("requests", ["x", {}, [7], [{"id": "1", "method": 7, "url": "/me"}]])
async def test_a_batch_of_another_type_is_refused(calm: Cloud, requests: Any) -> None:
    assert code(await calm.graph("POST", "/$batch", {"requests": requests})) == (400, "BadRequest")


@pytest.mark.parametrize(
    "step",
    [
        {"method": "GET", "url": "/organization", "headers": {"x": "\N{SNOWMAN}"}},
        {"method": "POST", "url": "/applications", "body": "text"},
        {"method": "POST", "url": "/applications", "body": {"displayName": 7}},
        {"method": "GET", "url": "/applications?$top=-1"},
    ],
)
async def test_nonsense_in_a_step_of_a_batch_is_that_steps_own(calm: Cloud, step: dict[str, Any]) -> None:
    steps = [{"id": "1"} | step, {"id": "2", "method": "GET", "url": "/organization"}]
    answer = await calm.graph("POST", "/$batch", {"requests": steps})
    statuses = [one["status"] for one in answer.json()["responses"]]
    assert statuses == [200 if "headers" in step else 400, 200]


@pytest.mark.parametrize("member", ["tags", "identifierUris", "web", "description", "signInAudience", "keyCredentials"])
async def test_null_takes_a_member_of_an_application_back(calm: Cloud, member: str) -> None:
    app = (await calm.graph("POST", "/applications", {"displayName": "app", "tags": ["x"]})).json()
    assert (await calm.graph("PATCH", f"/applications/{app['id']}", {member: None})).status_code == 204
    assert (await calm.graph("GET", "/applications?$filter=tags/any(t:t eq 'x')")).status_code == 200
    assert (await calm.graph("POST", "/servicePrincipals", {"appId": app["appId"]})).status_code == 201


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("$top=-1", "Request_BadRequest"),
        ("$top=0", "Request_BadRequest"),
        ("$top=many", "Request_BadRequest"),
        ("$top=\N{SUPERSCRIPT TWO}", "Request_BadRequest"),
        ("$top=1000000000000000000000", "Request_BadRequest"),
        ("$skiptoken=garbage", "Directory_ExpiredPageToken"),
        ("$skiptoken=YXQgLTU=", "Directory_ExpiredPageToken"),
        ("$skiptoken=\N{SNOWMAN}", "Directory_ExpiredPageToken"),
        ("$filter=nonsense", "Request_BadRequest"),
        ("$filter='", "Request_BadRequest"),
        (f"$filter={'(' * 5000}", "Request_BadRequest"),
        (f"$filter={'not ' * 5000}appId eq 'x'", "Request_BadRequest"),
    ],
)
async def test_graph_refuses_absurd_options(calm: Cloud, query: str, expected: str) -> None:
    await calm.make_application()
    assert code(await calm.graph("GET", f"/applications?{query}")) == (400, expected)


@pytest.mark.parametrize(
    "text",
    [
        "startswith(tags,'x')",
        "startswith(displayName,7)",
        "displayName/any(x:x eq 'a')",
        "isFallbackPublicClient/any()",
        "displayName gt 7",
        "displayName/deeper/still eq 'x'",
    ],
)
async def test_a_filter_over_what_cannot_be_compared_matches_nothing(calm: Cloud, text: str) -> None:
    await calm.make_application()
    assert (await calm.graph("GET", f"/applications?$filter={text}")).json()["value"] == []


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("maxresults=0", 400),
        ("maxresults=-1", 400),
        ("maxresults=26", 400),
        ("maxresults=x", 400),
        ("maxresults=\N{SUPERSCRIPT TWO}", 400),
        ("$skiptoken=garbage", 400),
        ("$skiptoken=YXQgLTU=", 400),
        ("maxresults=25", 200),
    ],
)
async def test_a_vault_refuses_absurd_options(calm: Cloud, query: str, status: int) -> None:
    await make_vault(calm)
    answer = await calm.vault("GET", "vault-one", f"/secrets?{query}")
    assert answer.status_code == status
    if status == 400:
        assert answer.json()["error"]["code"] == "BadParameter"


@pytest.mark.parametrize(
    ("name", "body", "status"),
    [
        ("x", {"value": 7}, 400),
        ("x", {"value": None}, 400),
        ("x", {"value": "x" * 25 * 1024}, 200),
        ("x", {"value": "x" * (25 * 1024 + 1)}, 400),
        ("x", {"value": "\N{SNOWMAN}" * 10_000}, 400),
        ("x", {"value": "x", "tags": []}, 400),
        ("x", {"value": "x", "attributes": "x"}, 400),
        ("x", {"value": "x", "attributes": {"enabled": "no"}}, 400),
        ("x", {"value": "x", "attributes": {"exp": "soon"}}, 400),
        ("x", {"value": "x", "attributes": {"enabled": None, "exp": None}}, 200),
        ("under_score", {"value": "x"}, 400),
        ("a" * 127, {"value": "x"}, 200),
        ("a" * 128, {"value": "x"}, 400),
        ("a" * 60_000, {"value": "x"}, 400),
    ],
)
async def test_a_vault_refuses_what_is_no_secret(calm: Cloud, name: str, body: Any, status: int) -> None:
    await make_vault(calm)
    answer = await calm.vault("PUT", "vault-one", f"/secrets/{name}", body)
    assert answer.status_code == status
    if status == 400:
        assert answer.json()["error"]["code"] == "BadParameter"


@pytest.mark.parametrize(
    ("content", "kind", "expected"),
    [
        (b"", "application/x-www-form-urlencoded", 900144),
        (b"\xff\xfe=\xff", "application/x-www-form-urlencoded", 900144),
        (b"grant_type=", "application/x-www-form-urlencoded", 900144),
        (json.dumps({"grant_type": "client_credentials"}).encode(), "application/json", 900144),
        (b"grant_type=client_credentials", "text/plain", 900144),
        (b"grant_type=client_credentials&client_id=x", "application/x-www-form-urlencoded", 900144),
        (b"grant_type=client_credentials&scope=%00&client_id=x", "application/x-www-form-urlencoded", 1002012),
        (b"grant_type=client_credentials&scope=a/.default&client_id={0}", "application/x-www-form-urlencoded", 700016),
    ],
)
async def test_the_token_endpoint_refuses_what_is_no_request(
    calm: Cloud, content: bytes, kind: str, expected: int
) -> None:
    url = f"https://login.microsoftonline.com/{TENANT}/oauth2/v2.0/token"
    answer = await calm.http.post(url, content=content, headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()["error_codes"]) == (400, [expected])


@pytest.mark.parametrize("assertion", ["x", "a.b.c", "\N{SNOWMAN}", "eyJhbGciOiJSUzI1NiJ9.W10.x", "x" * 100_000])
async def test_an_assertion_that_is_none_is_malformed(calm: Cloud, assertion: str) -> None:
    answer = await calm.exchange(OPERATOR, assertion)
    assert (answer.status_code, answer.json()["error_codes"]) == (400, [50027])


@pytest.mark.parametrize(
    "url",
    [
        f"https://management.azure.com{IDENTITY}{'x' * 60_000}?api-version=2024-11-30",
        "https://management.azure.com/subscriptions/%FF%FE?api-version=2022-12-01",
        "https://management.azure.com/subscriptions/%00?api-version=2022-12-01",
        f"https://graph.microsoft.com/v1.0/applications/{'x' * 60_000}",
        "https://graph.microsoft.com/v1.0/applications/%FF",
    ],
)
async def test_an_absurd_path_finds_nothing(calm: Cloud, url: str) -> None:
    headers = await calm.bearer(f"https://{httpx.URL(url).host}")
    answer = await calm.http.get(url, headers=headers)
    assert answer.status_code == 404
    assert answer.json()["error"]["code"]
