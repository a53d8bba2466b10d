"""Puts the old set-up of this folder into the cluster ``veteran`` of cloud.yaml, as a person would with kubectl."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import yaml

from clients.errors import Conflict, Missing
from clients.kubernetes import Kubernetes, path_of
from flows import migrate

FOLDER = Path(__file__).parent
_DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_SERVED_WITHIN_SECONDS = 30


def documents(name: str) -> list[dict[str, Any]]:
    """The objects of a file of this folder."""
    return list(yaml.safe_load_all((FOLDER / name).read_text(encoding="utf-8")))


async def put(kubernetes: Kubernetes, path: str, item: dict[str, Any]) -> None:
    """Create an object. One that is there stays as it is."""
    try:
        await kubernetes.create(path, item, fieldManager="kubectl-create")
    except Conflict:
        return


async def main() -> None:
    """Create the definitions, wait until they are served, create the objects."""
    async with migrate.at("veteran", None) as there:
        for definition in documents("definitions.yaml"):
            await put(there.kubernetes, _DEFINITIONS, definition)

        async def served() -> bool | None:
            try:
                await there.kubernetes.list(path_of("AzurePodIdentityException"))
            except Missing:
                return None
            return True

        what = "AAD Pod Identity's kinds to be served"
        await there.clients.patience.until(what, served, seconds=_SERVED_WITHIN_SECONDS)
        for item in documents("pod-identity.yaml"):
            await put(there.kubernetes, path_of(item["kind"], item["metadata"].get("namespace", "")), item)


if __name__ == "__main__":
    asyncio.run(main())
