"""Kubeconfigs as AKS hands them out: with local accounts, or for people and programs of the tenant."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any

import yaml

from . import tokens

if TYPE_CHECKING:
    from simulator.kubernetes.cluster import ClusterState
    from simulator.simulation import Simulation

_CLIENT_ID = "80faf920-1908-4b52-b5ef-a8e7bedfc67a"
"""The AKS client application."""
_INSTALL_HINT = """
kubelogin is not installed which is required to connect to AAD enabled cluster.

To learn more, please go to https://aka.ms/aks/kubelogin
"""


def local(simulation: Simulation, state: ClusterState, user: str) -> str:
    """With a client certificate of ``system:masters`` and the cluster's static token."""
    certificate, key = simulation.authority.issue("masterclient", groups=("system:masters",))
    return _document(
        simulation,
        state,
        user,
        {
            "client-certificate-data": _base64(certificate),
            "client-key-data": _base64(key),
            "token": state.static_token,
        },
    )


def entra(simulation: Simulation, state: ClusterState, user: str) -> str:
    """With kubelogin, which gets a token of the tenant for the AKS server application."""
    arguments = ["get-token", "--environment", "AzurePublicCloud", "--server-id", tokens.KUBERNETES]
    arguments += ["--client-id", _CLIENT_ID, "--tenant-id", simulation.azure.tenant_id, "--login", "devicecode"]
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "args": arguments,
        "command": "kubelogin",
        "env": None,
        "installHint": _INSTALL_HINT,
        "provideClusterInfo": False,
    }
    return _document(simulation, state, user, {"exec": plugin})


def _base64(value: bytes) -> str:
    return b64encode(value).decode()


def _document(simulation: Simulation, state: ClusterState, user: str, credential: dict[str, Any]) -> str:
    """The file, base64 as ARM transports it; its own ``*-data`` members are base64 inside."""
    server = {
        "certificate-authority-data": _base64(simulation.authority.pem),
        "server": f"https://{state.fqdn}:443",
    }
    document = {
        "apiVersion": "v1",
        "clusters": [{"cluster": server, "name": state.name}],
        "contexts": [{"context": {"cluster": state.name, "user": user}, "name": state.name}],
        "current-context": state.name,
        "kind": "Config",
        "preferences": {},
        "users": [{"name": user, "user": credential}],
    }
    return _base64(yaml.safe_dump(document, sort_keys=False).encode())
