"""The body of a managed cluster: filled in as the service does, merged with what a PUT sends, checked."""

from __future__ import annotations

import re
import secrets
import uuid
from typing import Any

from simulator.copying import copied
from simulator.provenance import Provenance, doubt, rule

from .arm_wire import Unwrapped, region
from .state import Json, ManagedCluster

KIND = "Microsoft.ContainerService/managedClusters"
LATEST = "1.34.4"
_SOURCE = "wire/aks.yaml"
_VERSION = re.compile(r"\d{1,3}\.\d{1,3}(\.\d{1,3})?", re.ASCII)
_PREFIX = re.compile(r"(?=.{1,54}$)[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?")
_OIDC_DEFAULT_SINCE = (1, 34)
_READ_ONLY = (
    "azurePortalFQDN",
    "currentKubernetesVersion",
    "fqdn",
    "maxAgentPools",
    "powerState",
    "provisioningState",
    "resourceUID",
    "identityProfile",
)
_ONLY_AFTER_SUCCESS = ("identityProfile",)


def minor(version: str) -> tuple[int, ...]:
    """``1.34.4`` and the alias ``1.34`` alike as (1, 34)."""
    return tuple(int(part) for part in version.split(".")[:2])


@doubt("arm", "the words for a version of Kubernetes that is none", "400 K8sVersionNotSupported", "az aks get-versions")
def full_version(version: str) -> str:
    """The patch version that a minor alias or nothing at all comes to."""
    if not version:
        return LATEST
    if not _VERSION.fullmatch(version):
        raise Unwrapped(400, "K8sVersionNotSupported", f"The Kubernetes version {version} is not supported.")
    return version if version.count(".") == 2 else f"{version}.4"


@rule("arm", "a DNS prefix: 1-54 letters, digits and hyphens inside", Provenance.DOCUMENTED, "az aks create, naming")
def _nameable(prefix: str) -> None:
    if not _PREFIX.fullmatch(prefix):
        raise Unwrapped(400, "InvalidParameter", f"The value of parameter dnsPrefix is invalid: '{prefix}'.")


@rule("arm", "the OIDC issuer is on by default from Kubernetes 1.34", Provenance.RECORDED, f"{_SOURCE} default_2026")
def new(tenant_id: str, place: Json, name: str, sent: Json) -> Json:
    """The body of a cluster that a first PUT with ``sent`` makes in the resource group ``place``."""
    location = region(sent, place["location"])
    given: Json = sent.get("properties") or {}
    version = str(given.get("kubernetesVersion") or "")
    dns = f"{given.get('dnsPrefix') or name}-{secrets.token_hex(4)}"
    base = place["id"].replace("/resourceGroups/", "/resourcegroups/")
    nodes = f"MC_{place['name']}_{name}_{location}"
    group = f"/subscriptions/{place['id'].split('/')[2]}/resourcegroups/{nodes}/providers"
    current = full_version(version)
    _nameable(given.get("dnsPrefix") or name)
    body: Json = {
        "id": f"{base}/providers/{KIND}/{name}",
        "location": location,
        "name": name,
        "tags": sent.get("tags"),
        "type": "Microsoft.ContainerService/ManagedClusters",
        "kind": "Base",
        "properties": {
            "provisioningState": "Succeeded",
            "powerState": {"code": "Running"},
            "kubernetesVersion": version or current,
            "currentKubernetesVersion": current,
            "dnsPrefix": given.get("dnsPrefix") or name,
            "fqdn": f"{dns}.hcp.{location}.azmk8s.io",
            "azurePortalFQDN": f"{dns}.portal.hcp.{location}.azmk8s.io",
            "agentPoolProfiles": [],
            "servicePrincipalProfile": {"clientId": "msi"},
            "nodeResourceGroup": nodes,
            "enableRBAC": True,
            "supportPlan": "KubernetesOfficial",
            "networkProfile": {
                "networkPlugin": "azure",
                "networkPluginMode": "overlay",
                "networkPolicy": "none",
                "networkDataplane": "azure",
                "loadBalancerSku": "standard",
                "loadBalancerProfile": {
                    "managedOutboundIPs": {"count": 1},
                    "effectiveOutboundIPs": [{"id": f"{group}/Microsoft.Network/publicIPAddresses/{uuid.uuid4()}"}],
                    "backendPoolType": "nodeIPConfiguration",
                },
                "podCidr": "10.244.0.0/16",
                "serviceCidr": "10.0.0.0/16",
                "dnsServiceIP": "10.0.0.10",
                "outboundType": "loadBalancer",
                "podCidrs": ["10.244.0.0/16"],
                "serviceCidrs": ["10.0.0.0/16"],
                "ipFamilies": ["IPv4"],
            },
            "maxAgentPools": 100,
            "autoUpgradeProfile": {"nodeOSUpgradeChannel": "NodeImage"},
            "disableLocalAccounts": False,
            "securityProfile": {},
            "storageProfile": {
                "diskCSIDriver": {"enabled": True},
                "fileCSIDriver": {"enabled": True},
                "snapshotController": {"enabled": True},
            },
            "oidcIssuerProfile": {"enabled": minor(current) >= _OIDC_DEFAULT_SINCE},
            "workloadAutoScalerProfile": {},
            "resourceUID": secrets.token_hex(12),
            "identityProfile": {
                "kubeletidentity": {
                    "resourceId": f"{group}/Microsoft.ManagedIdentity/userAssignedIdentities/{name}-agentpool",
                    "clientId": str(uuid.uuid4()),
                    "objectId": str(uuid.uuid4()),
                }
            },
            "metricsProfile": {"costAnalysis": {"enabled": False}},
            "nodeProvisioningProfile": {"mode": "Manual", "defaultNodePools": "Auto"},
            "bootstrapProfile": {"artifactSource": "Direct"},
        },
        "identity": {"type": "SystemAssigned", "principalId": str(uuid.uuid4()), "tenantId": tenant_id},
        "sku": {"name": "Base", "tier": "Free"},
        "eTag": str(uuid.uuid4()),
    }
    if not given.get("agentPoolProfiles"):
        message = "Required parameter agentPoolProfiles is missing (null)."
        raise Unwrapped(400, "InvalidParameter", message)
    return merged(tenant_id, body, sent)


@doubt(
    "arm",
    "whether provider errors stand below an outer error member, and have details and subcode",
    "unwrapped, code and message alone (target where one is reported); the gateway's own are wrapped",
    "wire/aks.yaml errors.envelope",
)
@rule("arm", "what a PUT leaves out keeps its value, read-only members are tolerated", Provenance.RECORDED, _SOURCE)
def merged(tenant_id: str, body: Json, sent: Json) -> Json:
    """``body`` after a PUT of ``sent``; refuses what the service refuses."""
    result = copied(body)
    given = {k: v for k, v in (sent.get("properties") or {}).items() if k not in _READ_ONLY and v is not None}
    _changeable(body, sent, given)
    if "oidcIssuerProfile" in given:
        given["oidcIssuerProfile"] = {"enabled": bool(given["oidcIssuerProfile"].get("enabled"))}
    if version := given.pop("kubernetesVersion", ""):
        result["properties"]["kubernetesVersion"] = version
        result["properties"]["currentKubernetesVersion"] = full_version(version)
    properties = _overlaid(result["properties"], given) | {"provisioningState": "Succeeded"}
    for pool in properties["agentPoolProfiles"]:
        _fill_pool(pool, properties["currentKubernetesVersion"])
    result["properties"] = properties
    if sent.get("tags") is not None:
        result["tags"] = sent["tags"]
    _settle_issuer(tenant_id, result)
    _require_issuer(result)
    result["eTag"] = str(uuid.uuid4())
    return result


def _overlaid(under: Json, over: Json) -> Json:
    """``over`` on top of ``under``, member by member; lists and plain values replace."""
    result = dict(under)
    for name, value in over.items():
        if isinstance(value, dict) and isinstance(result.get(name), dict):
            result[name] = _overlaid(result[name], value)
        elif value is not None:
            result[name] = copied(value)
    return result


@doubt("arm", "the status of PropertyChangeNotAllowed", "400", "wire/aks.yaml errors.immutable_property")
@rule("arm", "the OIDC issuer cannot be disabled", Provenance.REPORTED, f"{_SOURCE} errors.oidc_disable")
def _changeable(body: Json, sent: Json, given: Json) -> None:
    issuer, wanted = body["properties"]["oidcIssuerProfile"], given.get("oidcIssuerProfile") or {}
    if "issuerURL" in issuer and wanted.get("enabled") is False:
        raise Unwrapped(400, "OIDCIssuerFeatureCannotBeDisabled", "OIDC issuer feature cannot be disabled.")
    prefix = given.get("dnsPrefix")
    if prefix and prefix != body["properties"]["dnsPrefix"]:
        _immutable("properties.dnsPrefix")
    location = region(sent, body["location"])
    if location != body["location"]:
        _immutable("location")


def _immutable(path: str) -> None:
    message = f"Changing property '{path}' is not allowed."
    raise Unwrapped(400, "PropertyChangeNotAllowed", message, extra={"target": path})


@doubt(
    "arm",
    "elder clusters have issuers of the form oidc.prod-aks.azure.com/<guid>/ without a tenant",
    "every issuer has the regional host and the tenant",
    "wire/aks.yaml oidcIssuerProfile.quirks",
)
@rule("arm", "issuer URL: region, tenant, a guid, and a trailing slash", Provenance.RECORDED, f"{_SOURCE} oidcIssuer")
def _settle_issuer(tenant_id: str, body: Json) -> None:
    """Give an enabled issuer its URL, once and for ever."""
    properties = body["properties"]
    issuer = properties["oidcIssuerProfile"]
    if issuer.get("enabled") and "issuerURL" not in issuer:
        issuer["issuerURL"] = f"https://{body['location']}.oic.prod-aks.azure.com/{tenant_id}/{uuid.uuid4()}/"
    elif not issuer.get("enabled"):
        issuer.pop("issuerURL", None)


@doubt(
    "arm",
    "what the service says to workload identity without the OIDC issuer: every client refuses before it asks",
    "400 BadRequest in words of our own",
    "wire/aks.yaml errors.workload_identity_without_oidc",
)
@rule(
    "arm", "the webhook add-on needs the OIDC issuer", Provenance.ASSUMED, f"{_SOURCE} errors.workload_identity_without"
)
def _require_issuer(body: Json) -> None:
    if workload_identity(body) and not body["properties"]["oidcIssuerProfile"].get("enabled"):
        message = "Workload identity requires the OIDC issuer to be enabled."
        raise Unwrapped(400, "BadRequest", message)


def workload_identity(body: Json) -> bool:
    """Whether the managed webhook add-on is switched on."""
    switch: dict[str, Any] = body["properties"]["securityProfile"].get("workloadIdentity") or {}
    return bool(switch.get("enabled"))


def _fill_pool(pool: Json, version: str) -> None:
    defaults: Json = {
        "name": "nodepool1",
        "count": 1,
        "vmSize": "Standard_DS2_v2",
        "osDiskSizeGB": 128,
        "osDiskType": "Managed",
        "maxPods": 250,
        "type": "VirtualMachineScaleSets",
        "scaleDownMode": "Delete",
        "provisioningState": "Succeeded",
        "powerState": {"code": "Running"},
        "orchestratorVersion": version,
        "currentOrchestratorVersion": version,
        "mode": "System",
        "osType": "Linux",
        "osSKU": "Ubuntu",
        "nodeLabels": {},
        "upgradeSettings": {"maxSurge": "10%", "maxUnavailable": "0"},
        "securityProfile": {"enableVTPM": False, "enableSecureBoot": False},
    }
    for name, value in defaults.items():
        if pool.get(name) in (None, 0, ""):
            pool[name] = value


@doubt(
    "arm",
    "whether loadBalancerSku still turns from standard to Standard when an operation succeeds, as in 2023",
    "it stays as it was sent",
    "wire/aks.yaml only_after_success",
)
@rule("arm", "provisioningState says what is going on", Provenance.RECORDED, f"{_SOURCE} create, update_oidc")
def shown(record: ManagedCluster, *, busy: bool) -> Json:
    """The body as it is answered now; ``busy`` while the operation has not ended."""
    if not busy or record.operation is None:
        return record.body
    kind = record.operation.kind
    body = copied(record.body)
    properties = body["properties"]
    properties["provisioningState"] = kind
    for pool in properties["agentPoolProfiles"]:
        pool["provisioningState"] = kind
    if kind == "Creating":
        for name in _ONLY_AFTER_SUCCESS:
            properties.pop(name, None)
        if isinstance(balancer := properties["networkProfile"].get("loadBalancerProfile"), dict):
            balancer.pop("effectiveOutboundIPs", None)
    return body
