"""The proxy for applications that still ask the instance metadata endpoint for tokens.

Injected on request only: an init container that redirects that endpoint's traffic, and a sidecar that answers it.
"""

from __future__ import annotations

import re
from typing import Any

from simulator.provenance import Provenance, rule

from .settings import Settings

SIDECAR = "azwi-proxy"
INIT_CONTAINER = "azwi-proxy-init"
DEFAULT_PORT = "8000"


@rule("webhook", "placing of the proxy sidecar", Provenance.RECORDED, "admission.yaml proxy_placing")
def inject_proxy(spec: dict[str, Any], port: int, settings: Settings, server_version: str) -> None:
    """Add the two containers to a pod's ``spec`` in place, unless containers of their names are there already.

    From Kubernetes 1.32 on the sidecar is a restartable init container, before it an ordinary container.
    """
    _append_init_container(spec.setdefault("initContainers", []), port, settings)
    native = _version(server_version) >= (1, 32, 0)
    containers = spec["initContainers"] if native else spec["containers"]
    if any(container["name"] == SIDECAR for container in containers):
        return
    containers.insert(0, _sidecar(port, settings) | ({"restartPolicy": "Always"} if native else {}))


def _append_init_container(containers: list[dict[str, Any]], port: int, settings: Settings) -> None:
    if any(container["name"] == INIT_CONTAINER for container in containers):
        return
    containers.append(
        {
            "name": INIT_CONTAINER,
            "image": settings.proxy_init_image,
            "imagePullPolicy": "IfNotPresent",
            "env": [{"name": "PROXY_PORT", "value": str(port)}],
            "resources": {},
            "securityContext": {
                "capabilities": {"add": ["NET_ADMIN"], "drop": ["ALL"]},
                "privileged": True,
                "runAsNonRoot": False,
                "runAsUser": 0,
            },
        }
    )


def _sidecar(port: int, settings: Settings) -> dict[str, Any]:
    proxy_port, log_level = f"--proxy-port={port}", f"--log-level={settings.log_level}"
    return {
        "name": SIDECAR,
        "image": settings.proxy_image,
        "imagePullPolicy": "IfNotPresent",
        "args": [proxy_port, log_level],
        "ports": [{"containerPort": port}],
        "lifecycle": {"postStart": {"exec": {"command": ["/proxy", proxy_port, "--probe", log_level]}}},
        "resources": {},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "privileged": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
        },
    }


def _version(text: str) -> tuple[int, ...]:
    """``v1.36.2`` as (1, 36, 2); what follows the three numbers does not count."""
    return tuple(int(number) for number in re.findall(r"\d+", text)[:3])
