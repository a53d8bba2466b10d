"""The labels and annotations that the admission webhook reads, and what its objects are called (its source, v1.6)."""

from __future__ import annotations

_PREFIX = "azure.workload.identity"

USE = f"{_PREFIX}/use"
"""Label of a pod: "true", to the letter, asks for the webhook. On a ServiceAccount nobody reads it since 1.0."""
SKIP_CONTAINERS = f"{_PREFIX}/skip-containers"
"""Annotation of a pod: containers to pass by, separated by semicolons."""
PROXY = f"{_PREFIX}/inject-proxy-sidecar"
"""Annotation of a pod: its presence alone counts, "false" injects too."""
PROXY_PORT = f"{_PREFIX}/proxy-sidecar-port"
USUAL_PROXY_PORT = 8000
"""Where the proxy sidecar listens if nothing else is said."""
CLIENT_ID = f"{_PREFIX}/client-id"
"""Annotation of a ServiceAccount."""
TENANT_ID = f"{_PREFIX}/tenant-id"
"""Annotation of a ServiceAccount. Present and empty, it takes the variable away from the pods."""
TOKEN_EXPIRATION = f"{_PREFIX}/service-account-token-expiration"
"""Annotation of a ServiceAccount or a pod: seconds."""
SHORTEST_TOKEN, LONGEST_TOKEN = 3600, 86400
"""Seconds between which a token's life must be, else the webhook denies the pod."""

CONFIGURATION = "azure-wi-webhook-mutating-webhook-configuration"
MANAGER = "azure-wi-webhook-controller-manager"
"""Its Deployment."""
SERVICE = "azure-wi-webhook-webhook-service"
"""By which the API server calls it."""
CONFIG_MAP = "azure-wi-webhook-config"
SYSTEM_LABEL = "azure-workload-identity.io/system=true"
"""On every object of it."""
ADDON_NAMESPACE = "kube-system"
CHART_NAMESPACE = "azure-workload-identity-system"
"""The chart's; AKS keeps its add-on in the other."""
