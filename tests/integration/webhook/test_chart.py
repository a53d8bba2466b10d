"""The chart renders what the published one renders, with the real helm."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import jsonpointer
import pytest
import yaml
from starlette.requests import Request

from simulator.webhook import repository

FACTS: dict[str, Any] = yaml.safe_load((Path(__file__).parents[2] / "facts" / "chart.yaml").read_text())
TENANT = "azureTenantID=aaaaaaaa-0000-4000-8000-000000000001"
NAMESPACE = "azure-workload-identity-system"
HELM = shutil.which("helm") or shutil.which("helm", path=Path(sys.executable).parent)
needs_helm = pytest.mark.skipif(HELM is None, reason="helm is neither on PATH nor in the virtual environment")


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(HELM), *arguments], capture_output=True, text=True, check=False)


@cache
def rendered(*values: str) -> list[dict[str, Any]]:
    settings = [argument for value in (TENANT, *values) for argument in ("--set", value)]
    done = helm("template", "azwi", str(repository.CHART), "-n", NAMESPACE, *settings)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def field(kind: str, path: str, *values: str) -> Any:
    obj = next(obj for obj in rendered(*values) if obj["kind"] == kind)
    return jsonpointer.resolve_pointer(obj, path, None)


@needs_helm
def test_it_renders_the_recorded_objects_in_order() -> None:
    objects = [
        {
            "kind": obj["kind"],
            "api": obj["apiVersion"],
            "name": obj["metadata"]["name"],
            "namespaced": obj["metadata"].get("namespace") == NAMESPACE,
        }
        for obj in rendered()
    ]
    assert objects == FACTS["objects"]


@needs_helm
def test_every_object_and_selector_carries_the_four_labels() -> None:
    labels = FACTS["labels"] | {"release": "azwi"}
    assert all(obj["metadata"]["labels"] == labels for obj in rendered())
    assert field("Deployment", "/spec/selector/matchLabels") == labels
    assert field("PodDisruptionBudget", "/spec/selector/matchLabels") == labels
    assert field("Service", "/spec/selector") == labels


@needs_helm
@pytest.mark.parametrize(("kind", "path", "value"), FACTS["defaults"], ids=lambda part: str(part)[:40])
def test_it_renders_the_recorded_field(kind: str, path: str, value: Any) -> None:
    assert field(kind, path) == value


@needs_helm
@pytest.mark.parametrize("effect", FACTS["effects"], ids=lambda effect: ",".join(effect["set"])[:60])
def test_a_value_has_the_recorded_effect(effect: dict[str, Any]) -> None:
    for kind, path, value in effect["fields"]:
        assert field(kind, path, *effect["set"]) == value


@needs_helm
def test_without_a_tenant_it_refuses() -> None:
    done = helm("template", "azwi", str(repository.CHART))
    assert done.returncode == 1
    assert FACTS["tenant_missing"] in done.stderr


async def get(path: str) -> Any:
    found = repository.ROUTES.find("GET", path)
    assert found
    route, parameters = found
    scope = {"type": "http", "method": "GET", "path": path, "headers": [], "path_params": parameters}
    return (await route.handler(None, Request(scope))).body  # type: ignore[arg-type]


async def test_the_index_names_the_archive_and_its_digest() -> None:
    index = yaml.safe_load(await get("/azure-workload-identity/charts/index.yaml"))
    (entry,) = index["entries"]["workload-identity-webhook"]
    assert (entry["version"], entry["appVersion"]) == ("1.6.0", "v1.6.0")
    path = entry["urls"][0].removeprefix("https://azure.github.io")
    assert hashlib.sha256(await get(path)).hexdigest() == entry["digest"]


@needs_helm
async def test_helm_renders_the_archive_as_it_does_the_directory(tmp_path: Path) -> None:
    archive = tmp_path / "chart.tgz"
    archive.write_bytes(await get("/azure-workload-identity/charts/workload-identity-webhook-1.6.0.tgz"))
    done = helm("template", "azwi", str(archive), "-n", NAMESPACE, "--set", TENANT)
    assert list(yaml.safe_load_all(done.stdout)) == rendered()
