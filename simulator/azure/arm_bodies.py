"""What the bodies of requests to Azure Resource Manager may hold, as far as the simulator knows what it means."""

from __future__ import annotations

from .shapes import ANY, OPEN, TEXTS, Shape

_RESOURCE: dict[str, Shape] = {
    "id": ANY,
    "name": ANY,
    "type": ANY,
    "systemData": ANY,
    "location": str,
    "tags": TEXTS,
}
"""Members of every tracked resource; those that clients send back are tolerated."""

TAGS: Shape = {**_RESOURCE, "properties": {}}

GROUP: Shape = {**_RESOURCE, "properties": {"provisioningState": ANY}}

_PERMISSIONS: Shape = {"keys": [str], "secrets": [str], "certificates": [str], "storage": [str]}
_POLICIES: Shape = [{"tenantId": str, "objectId": str, "permissions": _PERMISSIONS}]
POLICIES: Shape = {"id": ANY, "type": ANY, "location": ANY, "properties": {"accessPolicies": _POLICIES}}

VAULT: Shape = {
    **_RESOURCE,
    "properties": {
        "tenantId": str,
        "sku": {"family": str, "name": str},
        "accessPolicies": _POLICIES,
        "vaultUri": ANY,
        "provisioningState": ANY,
        "enabledForDeployment": bool,
        "enabledForDiskEncryption": bool,
        "enabledForTemplateDeployment": bool,
        "enableSoftDelete": bool,
        "softDeleteRetentionInDays": int,
        "enableRbacAuthorization": bool,
        "createMode": str,
        "enablePurgeProtection": bool,
        "networkAcls": {
            "bypass": str,
            "defaultAction": str,
            "ipRules": [{"value": str}],
            "virtualNetworkRules": [{"id": str, "ignoreMissingVnetServiceEndpoint": bool}],
        },
        "publicNetworkAccess": str,
    },
}

VAULT_NAME: Shape = {"name": str, "type": str}

IDENTITY: Shape = {**_RESOURCE, "properties": {"tenantId": ANY, "principalId": ANY, "clientId": ANY}}

CREDENTIAL: Shape = {
    "id": ANY,
    "name": ANY,
    "type": ANY,
    "systemData": ANY,
    "properties": {"issuer": str, "subject": str, "audiences": [str]},
}

ASSIGNMENT: Shape = {
    "id": ANY,
    "name": ANY,
    "type": ANY,
    "properties": {
        "roleDefinitionId": str,
        "principalId": str,
        "principalType": str,
        "scope": ANY,
        "condition": str,
        "conditionVersion": str,
        "description": str,
        "delegatedManagedIdentityResourceId": str,
        "createdOn": ANY,
        "updatedOn": ANY,
        "createdBy": ANY,
        "updatedBy": ANY,
    },
}

_POOL: Shape = {
    "name": str,
    "count": int,
    "vmSize": str,
    "osDiskSizeGB": int,
    "osDiskType": str,
    "kubeletDiskType": str,
    "maxPods": int,
    "type": str,
    "scaleDownMode": str,
    "provisioningState": ANY,
    "powerState": OPEN,
    "orchestratorVersion": str,
    "currentOrchestratorVersion": ANY,
    "nodeImageVersion": ANY,
    "mode": str,
    "osType": str,
    "osSKU": str,
    "upgradeSettings": OPEN,
    "securityProfile": OPEN,
    "nodeLabels": TEXTS,
    "nodeTaints": [str],
    "tags": TEXTS,
    "enableAutoScaling": bool,
    "minCount": int,
    "maxCount": int,
    "enableNodePublicIP": bool,
    "enableEncryptionAtHost": bool,
    "enableUltraSSD": bool,
    "enableFIPS": bool,
    "networkProfile": OPEN,
    "scaleSetPriority": str,
    "availabilityZones": [str],
    "workloadRuntime": str,
}

CLUSTER: Shape = {
    **_RESOURCE,
    "eTag": ANY,
    "kind": str,
    "sku": {"name": str, "tier": str},
    "identity": OPEN,
    "properties": {
        "provisioningState": ANY,
        "powerState": ANY,
        "maxAgentPools": ANY,
        "kubernetesVersion": str,
        "currentKubernetesVersion": ANY,
        "dnsPrefix": str,
        "fqdn": ANY,
        "azurePortalFQDN": ANY,
        "resourceUID": ANY,
        "identityProfile": ANY,
        "agentPoolProfiles": [_POOL],
        "linuxProfile": OPEN,
        "windowsProfile": OPEN,
        "servicePrincipalProfile": OPEN,
        "addonProfiles": OPEN,
        "nodeResourceGroup": str,
        "enableRBAC": bool,
        "supportPlan": str,
        "networkProfile": OPEN,
        "aadProfile": {"managed": bool, "enableAzureRBAC": bool, "tenantID": str},
        "autoUpgradeProfile": OPEN,
        "disableLocalAccounts": bool,
        "oidcIssuerProfile": {"enabled": bool, "issuerURL": str},
        "securityProfile": {"workloadIdentity": {"enabled": bool}},
        "storageProfile": OPEN,
        "workloadAutoScalerProfile": OPEN,
        "ingressProfile": OPEN,
        "metricsProfile": OPEN,
        "nodeProvisioningProfile": OPEN,
        "bootstrapProfile": OPEN,
    },
}

REGISTRATION: Shape = {"properties": {"shouldFeatureDisplayInPortal": bool}}
