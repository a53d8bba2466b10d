"""The manifests of server and worker: a cluster takes them, and the worker is what our own reconcile and verify say."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml

from tests.conftest import ROOT, running_cloud
from tests.end_to_end.command import PrefectApi, Terminal, eventually

pytestmark = [pytest.mark.long, pytest.mark.asyncio(loop_scope="module")]
FOLDER = ROOT / "deployments" / "kubernetes"
FLEET = FOLDER / "fleet.yaml"
CLUSTER = (
    "https://management.azure.com/subscriptions/22222222-2222-4222-8222-222222222222/resourceGroups/sysadminas-aks"
    "/providers/Microsoft.ContainerService/managedClusters/sysadminas"
)
WORKER = "workload-identity-worker"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def terminal(
    home: Path, prefect: PrefectApi, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Terminal]:
    """A platform engineer's, who has reconciled the worker's fleet; with a kubeconfig of the cluster."""
    folder = tmp_path_factory.mktemp("terminal")
    async with running_cloud(folder / "simulator") as cloud:
        own = {"KUBECONFIG": str(folder / "kubeconfig"), "WORKLOAD_IDENTITY_PROOF": "opens-nothing"}
        terminal = Terminal(cloud, home, own)
        done = await terminal.run("reconcile", FLEET)
        assert done.code == 0, done.text
        given = await cloud.by_hand("POST", f"{CLUSTER}/listClusterAdminCredential?api-version=2025-08-01")
        (folder / "kubeconfig").write_bytes(base64.b64decode(given["kubeconfigs"][0]["value"]))
        yield terminal


async def kubectl(terminal: Terminal, *arguments: str | Path) -> str:
    """What kubectl prints; it must succeed."""
    process = await asyncio.create_subprocess_exec(
        "kubectl",
        *arguments,
        env=terminal.variables({}),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


async def rendered(terminal: Terminal) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(await kubectl(terminal, "kustomize", FOLDER)))


def pods_of(objects: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The pod templates' specs, by the name of their Deployment."""
    return {one["metadata"]["name"]: one["spec"]["template"]["spec"] for one in objects if one["kind"] == "Deployment"}


async def test_the_cluster_takes_every_object_and_knows_each_field(terminal: Terminal) -> None:
    """Strictly: a misspelt field is refused, and so is a value of the wrong type."""
    objects = await rendered(terminal)
    asked = ("--server-side", "--dry-run=server", "--validate=strict", "--output", "name")
    taken = await kubectl(terminal, "apply", "--kustomize", FOLDER, *asked)
    assert len(taken.splitlines()) == len(objects) == 8
    for beside in ("pruning.yaml", "healing.yaml"):
        more = await kubectl(terminal, "apply", "--filename", FOLDER / beside, *asked)
        assert len(more.splitlines()) == 2


async def test_every_pod_keeps_the_restricted_standard_and_has_no_writable_root(terminal: Terminal) -> None:
    """As the namespace enforces it: pod-security.kubernetes.io/enforce: restricted."""
    for name, pod in pods_of(await rendered(terminal)).items():
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert {tuple(volume.keys() - {"name"}) for volume in pod["volumes"]} <= {("emptyDir",), ("configMap",)}, name
        for container in pod["containers"]:
            rules = container["securityContext"]
            assert rules["allowPrivilegeEscalation"] is False, name
            assert rules["capabilities"] == {"drop": ["ALL"]}, name
            assert rules["readOnlyRootFilesystem"] is True, name
            assert container["resources"]["limits"]["memory"], name


async def test_every_image_has_a_version(terminal: Terminal) -> None:
    version = ROOT.joinpath("pyproject.toml").read_text(encoding="utf-8").partition('version = "')[2].partition('"')[0]
    images = {box["image"] for pod in pods_of(await rendered(terminal)).values() for box in pod["containers"]}
    assert images == {f"workload-identity:{version}"}


async def test_only_the_server_has_a_secret_and_it_has_no_token_of_the_cluster(terminal: Terminal) -> None:
    for name, pod in pods_of(await rendered(terminal)).items():
        told = [entry for box in pod["containers"] for entry in box["env"] if "valueFrom" in entry]
        if name == WORKER:
            assert told == []
        else:
            assert pod["automountServiceAccountToken"] is False


async def test_the_worker_is_proven_by_our_own_verify(terminal: Terminal) -> None:
    done = await terminal.run("verify", FLEET, "--fresh")
    assert done.code == 0, done.text
    assert f"proven read proof as system:serviceaccount:workload-identity:{WORKER} on sysadminas" in done.words


async def test_the_workers_pod_is_the_operator_and_the_plan_stays_empty(terminal: Terminal) -> None:
    """What kubectl applies and what reconcile made live side by side: neither undoes the other."""
    await kubectl(terminal, "apply", "--kustomize", FOLDER)

    async def admitted() -> dict[str, Any] | None:
        text = await kubectl(
            terminal, "get", "pods", "--namespace", "workload-identity", "--selector", f"app={WORKER}", "--output=yaml"
        )
        pods = yaml.safe_load(text)["items"]
        return pods[0] if pods else None

    pod = await eventually(admitted, "a pod of the worker")
    for container in pod["spec"]["containers"]:
        given = {entry["name"]: entry.get("value") for entry in container["env"]}
        assert given["AZURE_FEDERATED_TOKEN_FILE"] == "/var/run/secrets/azure/wi/token/azure-identity-token"
        assert given["AZURE_CLIENT_ID"]
    again = await terminal.run("plan", FLEET)
    assert again.code == 0, again.text
