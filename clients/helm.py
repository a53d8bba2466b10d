"""Helm releases, through the user's own helm binary."""

from __future__ import annotations

import shutil
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from itertools import takewhile
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyhelm3

from .errors import Invalid, translated
from .kubernetes import Kubernetes

_TIMEOUT = "5m"
_UNFINISHED = frozenset({"pending-install", "pending-upgrade", "pending-rollback", "uninstalling"})
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
    async with kubernetes.kubeconfig_file() as kubeconfig:
        yield pyhelm3.Command(executable=executable(), kubeconfig=kubeconfig, default_timeout=_TIMEOUT)


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
    """``helm upgrade --install`` of a chart, the namespace created, without waiting: readiness is ours to judge.

    What a helm that was killed left unfinished is taken up: the objects that it made stay and are taken over.
    """
    for record in await _unfinished(kubernetes, release, namespace):
        await kubernetes.delete(f"{_records(namespace)}/{record['metadata']['name']}")
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


async def is_unfinished(kubernetes: Kubernetes, release: str, *, namespace: str) -> bool:
    """Whether helm's last operation on the release did not come to its end; it may go on just now, or was killed."""
    return bool(await _unfinished(kubernetes, release, namespace))


async def uninstall(kubernetes: Kubernetes, release: str, *, namespace: str) -> None:
    """``helm uninstall``. ``Missing`` where there is no such release."""
    async with helm(kubernetes) as command:
        with translated(f"cluster {kubernetes.name}, Helm release {release}"):
            await command.uninstall(release, namespace=namespace)


def _records(namespace: str) -> str:
    return f"/api/v1/namespaces/{quote(namespace)}/secrets"


async def _unfinished(kubernetes: Kubernetes, release: str, namespace: str) -> list[dict[str, Any]]:
    """Helm's records of the newest revisions, as long as they are unfinished; the newest first.

    Helm keeps one Secret for each revision of a release, its status in a label. While the newest says pending, every
    further upgrade, install or rollback is refused as "another operation is in progress", however long ago helm died.
    Without that record the release is again what it was before, so the operation can be repeated; neither
    ``helm uninstall`` nor ``helm rollback`` is needed, which would take a webhook away that may be serving already.
    """
    records = await kubernetes.list(_records(namespace), labelSelector=f"owner=helm,name={release}")
    newest_first = sorted(records, key=lambda record: int(record["metadata"]["labels"]["version"]), reverse=True)
    return list(takewhile(lambda record: record["metadata"]["labels"]["status"] in _UNFINISHED, newest_first))
