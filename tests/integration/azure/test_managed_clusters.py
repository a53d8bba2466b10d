"""Managed clusters: long-running writes, the issuer, the add-on, credentials."""

from __future__ import annotations

import base64
import re
from typing import Any

import httpx
import pytest
import yaml
from cryptography import x509
from simulated_cloud import GROUP, OPERATOR_OBJECT, SUBSCRIPTION, TENANT, Cloud

CLUSTER = f"{GROUP}/providers/Microsoft.ContainerService/managedClusters/one"
POOL = [{"name": "nodepool1", "count": 1, "vmSize": "Standard_DS2_v2", "osType": "Linux", "mode": "System"}]
ISSUER = rf"https://westeurope\.oic\.prod-aks\.azure\.com/{TENANT}/[0-9a-f-]{{36}}/"


def told(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of a refusal of the provider, which has no ``error`` around it."""
    return answer.status_code, answer.json()["code"]


async def put(cloud: Cloud, **properties: Any) -> httpx.Response:
    headers = properties.pop("headers", {})
    body = {"location": "westeurope", "properties": {"dnsPrefix": "one", "agentPoolProfiles": POOL} | properties}
    return await cloud.arm("PUT", CLUSTER, body, **headers)


async def made(cloud: Cloud, **properties: Any) -> dict[str, Any]:
    """A cluster whose creation has ended."""
    assert (await put(cloud, kubernetesVersion="1.33.5", **properties)).status_code == 201
    cloud.simulation.clock.step(130)
    return (await cloud.arm("GET", CLUSTER)).json()["properties"]


async def polled(cloud: Cloud, answer: httpx.Response) -> dict[str, Any]:
    bearer = await cloud.bearer("https://management.azure.com")
    return (await cloud.http.get(answer.headers["azure-asyncoperation"], headers=bearer)).json()


async def test_a_creation_answers_as_recorded_and_is_polled(slow: Cloud) -> None:
    answer = await put(slow)
    body = answer.json()
    properties = body["properties"]
    assert (answer.status_code, "location" in answer.headers) == (201, False)
    assert body["id"] == CLUSTER.replace("/resourceGroups/", "/resourcegroups/")
    assert body["type"] == "Microsoft.ContainerService/ManagedClusters"
    assert properties["provisioningState"] == properties["agentPoolProfiles"][0]["provisioningState"] == "Creating"
    assert re.fullmatch(r"one-[0-9a-z]{8}\.hcp\.westeurope\.azmk8s\.io", properties["fqdn"])
    assert re.fullmatch(ISSUER, properties["oidcIssuerProfile"]["issuerURL"])
    assert (properties["securityProfile"], "identityProfile" in properties) == ({}, False)
    running = await polled(slow, answer)
    assert (running["status"], sorted(running)) == ("InProgress", ["name", "startTime", "status"])
    slow.simulation.clock.step(130)
    ended = await polled(slow, answer)
    assert (ended["status"], sorted(ended)) == ("Succeeded", ["endTime", "name", "startTime", "status"])
    settled = (await slow.arm("GET", CLUSTER)).json()["properties"]
    assert settled["provisioningState"] == "Succeeded"
    assert settled["identityProfile"]["kubeletidentity"]["clientId"]
    assert slow.simulation.cluster_by_host(properties["fqdn"]) is not None


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("type", "Microsoft.ContainerService/ManagedClusters"),
        ("kind", "Base"),
        ("sku", {"name": "Base", "tier": "Free"}),
        ("identity.type", "SystemAssigned"),
        ("identity.tenantId", TENANT),
        ("properties.powerState.code", "Running"),
        ("properties.maxAgentPools", 100),
        ("properties.supportPlan", "KubernetesOfficial"),
        ("properties.workloadAutoScalerProfile", {}),
        ("properties.nodeResourceGroup", "MC_rg_one_westeurope"),
        ("properties.servicePrincipalProfile.clientId", "msi"),
        ("properties.storageProfile.diskCSIDriver", {"enabled": True}),
        ("properties.autoUpgradeProfile.nodeOSUpgradeChannel", "NodeImage"),
        ("properties.metricsProfile.costAnalysis.enabled", False),
        ("properties.nodeProvisioningProfile", {"mode": "Manual", "defaultNodePools": "Auto"}),
        ("properties.bootstrapProfile.artifactSource", "Direct"),
        ("properties.networkProfile.networkPluginMode", "overlay"),
        ("properties.networkProfile.podCidrs", ["10.244.0.0/16"]),
        ("properties.networkProfile.loadBalancerProfile.backendPoolType", "nodeIPConfiguration"),
        ("properties.networkProfile.loadBalancerProfile.effectiveOutboundIPs", None),
        ("properties.agentPoolProfiles.0.powerState.code", "Running"),
        ("properties.agentPoolProfiles.0.osDiskSizeGB", 128),
        ("properties.agentPoolProfiles.0.maxPods", 250),
        ("properties.agentPoolProfiles.0.nodeLabels", {}),
        ("properties.agentPoolProfiles.0.scaleDownMode", "Delete"),
        ("properties.agentPoolProfiles.0.upgradeSettings", {"maxSurge": "10%", "maxUnavailable": "0"}),
        ("properties.agentPoolProfiles.0.securityProfile", {"enableVTPM": False, "enableSecureBoot": False}),
    ],
)
async def test_a_new_cluster_has_the_recorded_members(slow: Cloud, path: str, expected: Any) -> None:
    value: Any = (await put(slow, agentPoolProfiles=[POOL[0] | {"osDiskSizeGB": 0}])).json()
    for step in path.split("."):
        value = value[int(step)] if isinstance(value, list) else value.get(step)
    assert value == expected


async def test_outbound_addresses_are_known_when_the_creation_has_ended(slow: Cloud) -> None:
    balancer = (await made(slow))["networkProfile"]["loadBalancerProfile"]
    assert "/resourcegroups/MC_rg_one_westeurope/" in balancer["effectiveOutboundIPs"][0]["id"]


async def test_the_text_is_indented_and_its_type_names_no_charset(calm: Cloud) -> None:
    answer = await put(calm, headers={"AKSHTTPCustomFeatures": "Microsoft.ContainerService/EnableOIDCIssuerPreview"})
    assert answer.status_code == 201
    assert answer.headers["content-type"] == "application/json"
    assert answer.text.startswith('{\n "id": ')
    assert '\n  "provisioningState"' in answer.text


@pytest.mark.parametrize("kind", ["create", "update", "delete"])
async def test_an_operation_that_fails_has_done_nothing(slow: Cloud, kind: str) -> None:
    if kind != "create":
        await made(slow)
    slow.simulation.weather.change(cluster_failures=1.0)
    began = await (slow.arm("DELETE", CLUSTER) if kind == "delete" else put(slow, oidcIssuerProfile={"enabled": True}))
    slow.simulation.clock.step(130)
    ended = await polled(slow, began)
    assert (ended["status"], ended["error"]["code"]) == ("Failed", "InternalOperationError")
    properties = (await slow.arm("GET", CLUSTER)).json()["properties"]
    assert properties["provisioningState"] == "Failed"
    assert (CLUSTER.lower() in slow.simulation.clusters) is (kind != "create")
    slow.simulation.weather.change(cluster_failures=0.0)
    assert (await put(slow)).json()["properties"]["provisioningState"] == "Updating"
    slow.simulation.clock.step(130)
    assert (await slow.arm("GET", CLUSTER)).json()["properties"]["provisioningState"] == "Succeeded"


async def test_only_the_announced_url_finds_the_operation(slow: Cloud) -> None:
    url = (await put(slow)).headers["azure-asyncoperation"]
    rebuilt = url.partition("?")[0] + "?api-version=2025-03-01"
    bearer = await slow.bearer("https://management.azure.com")
    assert (await slow.http.get(rebuilt, headers=bearer)).status_code == 404
    assert (await slow.http.get(url, headers=bearer)).status_code == 200


async def test_enabling_the_issuer_changes_what_tokens_say_when_it_ends(slow: Cloud) -> None:
    before = await made(slow)
    cluster = slow.simulation.clusters[CLUSTER.lower()]
    assert before["oidcIssuerProfile"] == {"enabled": False}
    assert cluster.state.issuer == f"https://{before['fqdn']}"
    answer = await put(slow, oidcIssuerProfile={"enabled": True})
    issuer = answer.json()["properties"]["oidcIssuerProfile"]["issuerURL"]
    assert (answer.status_code, answer.json()["properties"]["provisioningState"]) == (200, "Updating")
    assert cluster.state.issuer != issuer
    slow.simulation.clock.step(130)
    after = (await slow.arm("GET", CLUSTER)).json()["properties"]
    assert after["oidcIssuerProfile"] == {"enabled": True, "issuerURL": issuer}
    assert cluster.state.issuer == issuer
    again = await put(slow, securityProfile={"workloadIdentity": {"enabled": True}})
    assert again.json()["properties"]["oidcIssuerProfile"]["issuerURL"] == issuer


async def test_the_addon_comes_and_goes_with_its_switch(calm: Cloud) -> None:
    await made(calm, oidcIssuerProfile={"enabled": True})
    cluster = calm.simulation.clusters[CLUSTER.lower()]
    hooks = "mutatingwebhookconfigurations.admissionregistration.k8s.io"
    assert cluster.list(hooks) == []
    await put(calm, securityProfile={"workloadIdentity": {"enabled": True}})
    assert len(cluster.list(hooks)) == 1
    answer = await put(calm, securityProfile={"workloadIdentity": {"enabled": False}})
    assert answer.json()["properties"]["securityProfile"] == {"workloadIdentity": {"enabled": False}}
    assert cluster.list(hooks) == []


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({"oidcIssuerProfile": {"enabled": False}}, "OIDCIssuerFeatureCannotBeDisabled"),
        ({"dnsPrefix": "two"}, "PropertyChangeNotAllowed"),
    ],
)
async def test_what_cannot_be_changed_is_refused(calm: Cloud, properties: dict[str, Any], expected: str) -> None:
    await made(calm, oidcIssuerProfile={"enabled": True})
    assert told(await put(calm, **properties)) == (400, expected)


async def test_the_addon_needs_the_issuer(calm: Cloud) -> None:
    await made(calm)
    assert told(await put(calm, securityProfile={"workloadIdentity": {"enabled": True}})) == (400, "BadRequest")


async def test_a_second_write_waits_for_the_first(slow: Cloud) -> None:
    await made(slow)
    assert (await put(slow, disableLocalAccounts=False)).status_code == 200
    assert told(await put(slow)) == (409, "OperationNotAllowed")
    assert told(await slow.arm("DELETE", CLUSTER)) == (409, "OperationNotAllowed")
    slow.simulation.clock.step(130)
    assert (await put(slow)).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"If-Match": "*"}, 200),
        ({"If-Match": "current"}, 200),
        ({"If-Match": "stale"}, 412),
        ({"If-None-Match": "*"}, 412),
    ],
)
async def test_the_etag_guards_an_update(calm: Cloud, headers: dict[str, str], status: int) -> None:
    await made(calm)
    etag = (await calm.arm("GET", CLUSTER)).json()["eTag"]
    sent = {name: value.replace("current", etag) for name, value in headers.items()}
    assert (await put(calm, headers=sent)).status_code == status


async def test_the_whole_object_can_be_written_back(calm: Cloud) -> None:
    await made(calm, oidcIssuerProfile={"enabled": True})
    body = (await calm.arm("GET", CLUSTER)).json()
    body["tags"] = {"team": "shop"}
    assert (await calm.arm("PUT", CLUSTER, body)).status_code == 200
    after = (await calm.arm("GET", CLUSTER)).json()
    assert after | {"eTag": ""} == body | {"eTag": ""}


async def test_a_deleted_cluster_is_gone_when_its_operation_ends(slow: Cloud) -> None:
    await made(slow)
    answer = await slow.arm("DELETE", CLUSTER)
    assert answer.status_code == 202
    assert (await slow.arm("GET", CLUSTER)).json()["properties"]["provisioningState"] == "Deleting"
    bearer = await slow.bearer("https://management.azure.com")
    assert (await slow.http.get(answer.headers["location"], headers=bearer)).status_code == 202
    slow.simulation.clock.step(130)
    assert (await polled(slow, answer))["status"] == "Succeeded"
    assert (await slow.http.get(answer.headers["location"], headers=bearer)).status_code == 204
    assert (await slow.arm("GET", CLUSTER)).status_code == 404
    assert slow.simulation.clusters == {}


async def test_a_rebuilt_cluster_has_another_issuer(calm: Cloud) -> None:
    first = await made(calm, oidcIssuerProfile={"enabled": True})
    await calm.arm("DELETE", CLUSTER)
    second = await made(calm, oidcIssuerProfile={"enabled": True})
    assert first["oidcIssuerProfile"]["issuerURL"] != second["oidcIssuerProfile"]["issuerURL"]
    assert first["fqdn"] != second["fqdn"]


async def test_a_preview_that_is_enforced_needs_its_flag(calm: Cloud) -> None:
    await made(calm)
    flags = calm.simulation.azure.subscriptions[SUBSCRIPTION].features
    name = "Microsoft.ContainerService/EnableOIDCIssuerPreview"
    flags[name.lower()].enforced = True
    assert told(await put(calm, oidcIssuerProfile={"enabled": True})) == (400, "OIDCIssuerFeatureFlagNotEnabled")
    namespace, _, feature = name.partition("/")
    base = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Features/providers/{namespace}/features/{feature}"
    await calm.arm("POST", f"{base}/register")
    assert (await put(calm, oidcIssuerProfile={"enabled": True})).status_code == 200


async def kubeconfig(cloud: Cloud, kind: str) -> dict[str, Any]:
    answer = await cloud.arm("POST", f"{CLUSTER}/listCluster{kind}Credential")
    config: dict[str, Any] = yaml.safe_load(base64.b64decode(answer.json()["kubeconfigs"][0]["value"]))
    return config


@pytest.mark.parametrize("kind", ["User", "Admin"])
async def test_a_kubeconfig_signs_in_with_a_certificate_and_a_token(calm: Cloud, kind: str) -> None:
    properties = await made(calm)
    config = await kubeconfig(calm, kind)
    user = config["users"][0]
    certificate = x509.load_pem_x509_certificate(base64.b64decode(user["user"]["client-certificate-data"]))
    cluster = config["clusters"][0]["cluster"]
    assert user["name"] == f"cluster{kind}_rg_one"
    assert cluster["server"] == f"https://{properties['fqdn']}:443"
    assert base64.b64decode(cluster["certificate-authority-data"]) == calm.simulation.authority.pem
    assert "O=system:masters" in certificate.subject.rfc4514_string()
    assert user["user"]["token"] == calm.simulation.clusters[CLUSTER.lower()].state.static_token


async def test_an_entra_cluster_sends_users_to_kubelogin(calm: Cloud) -> None:
    await made(calm, aadProfile={"managed": True}, disableLocalAccounts=True)
    plugin = (await kubeconfig(calm, "User"))["users"][0]["user"]["exec"]
    server = plugin["args"].index("--server-id")
    assert plugin["command"] == "kubelogin"
    assert plugin["args"][server + 1] == "6dae42f8-4368-4678-94ff-3960e28e3630"
    refused = await calm.arm("POST", f"{CLUSTER}/listClusterAdminCredential")
    assert told(refused) == (400, "BadRequest")
    assert "disable local accounts" in refused.json()["message"]
    assert calm.simulation.clusters[CLUSTER.lower()].state.admins == [OPERATOR_OBJECT]


async def test_the_versions_stand_under_values(calm: Cloud) -> None:
    path = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.ContainerService/locations/westeurope/kubernetesVersions"
    versions = (await calm.arm("GET", path)).json()["values"]
    assert [one["version"] for one in versions if one.get("isDefault")] == ["1.34"]
