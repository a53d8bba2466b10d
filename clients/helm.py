"""Helm releases, through the user's own helm binary."""

from __future__ import annotations

import shutil
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pyhelm3

from .errors import Invalid, translated
from .kubernetes import Kubernetes

_TIMEOUT = "5m"
_FIRST_TO_APPLY = 4


def executable() -> str:
    """The helm on PATH, else one beside this Python. ``Invalid`` where there is none."""
    beside = Path(sys.executable).parent / "helm"
    found = shutil.which("helm") or (str(beside) if beside.exists() else None)
    if found is None:
        raise Invalid("helm", "no helm binary on PATH", code="HelmMissing", advice="Install helm 3.14 or later, or 4")
    return found


@asynccontextmanager
async def helm(kubernetes: Kubernetes) -> AsyncIterator[pyhelm3.Command]:
    """Helm against a cluster, by a private kubeconfig: a token on the command line would show in the process list."""
    kubeconfig = await kubernetes.kubeconfig_file()
    try:
        yield pyhelm3.Command(executable=executable(), kubeconfig=kubeconfig, default_timeout=_TIMEOUT)
    finally:
        kubeconfig.unlink(missing_ok=True)


async def releases(kubernetes: Kubernetes) -> list[dict[str, Any]]:
    """All releases of the cluster, of whatever status, as ``helm list --all`` tells them."""
    async with helm(kubernetes) as command:
        with translated(f"cluster {kubernetes.name}, its Helm releases"):
            return list(await command.list(all=True, all_namespaces=True))


async def install_or_upgrade(
    kubernetes: Kubernetes,
    release: str,
    chart: str,
    repository: str,
    version: str,
    values: Mapping[str, Any],
    *,
    namespace: str,
) -> None:
    """``helm upgrade --install`` of a chart, the namespace created, without waiting: readiness is ours to judge."""
    async with helm(kubernetes) as command:
        with translated(f"cluster {kubernetes.name}, Helm release {release}"):
            # Since version 4, Helm applies on the server's side, and may be told to take back what others changed.
            applies = int((await command.version()).removeprefix("v").partition(".")[0]) >= _FIRST_TO_APPLY
            await command.install_or_upgrade(
                release,
                chart,
                dict(values),
                repo=repository,
                version=version,
                namespace=namespace,
                reset_values=True,
                create_namespace=True,
                force_conflicts=applies,
            )


async def uninstall(kubernetes: Kubernetes, release: str, *, namespace: str) -> None:
    """``helm uninstall``. ``Missing`` where there is no such release."""
    async with helm(kubernetes) as command:
        with translated(f"cluster {kubernetes.name}, Helm release {release}"):
            await command.uninstall(release, namespace=namespace)
