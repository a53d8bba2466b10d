"""From AAD Pod Identity to Workload Identity and back again, step by step, on one cluster."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from flows import migrate, migrate_steps
from flows.fleet_files import load_path
from tests.conftest import Cloud
from tests.veteran import BILLING, cluster_of, get, on, pods, until, veteran

Json = dict[str, Any]
SWITCHABLE = {
    "Deployment": ("billing", "invoices", "default"),
    "StatefulSet": ("billing", "ledger", "ledger"),
    "DaemonSet": ("nodes", "collector", "default"),
    "ReplicaSet": ("nodes", "cart", "default"),
    "ReplicationController": ("nodes", "old-cart", "default"),
    "CronJob": ("nodes", "nightly", "default"),
}
"""By kind: namespace, name, and the ServiceAccount that it ran as."""


@dataclass
class Person:
    """Somebody who takes the steps one after the other, and reads what is said."""

    cloud: Cloud
    file: Path
    said: str = field(default="", init=False)

    async def step(self, name: str, *names: str, namespace: str | None = None, **options: bool) -> int:
        console = Console(record=True, width=10_000, quiet=False, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
        async with migrate.at("veteran", None) as there:
            if name == "read":
                code = await migrate_steps.read(
                    there, console, self.file, namespace, overwrite=options.get("overwrite", False)
                )
            elif name == "switch":
                code = await migrate_steps.switch(
                    there, console, self.file, names, namespace, proxy=options.get("proxy", False)
                )
            elif name == "undo":
                code = await migrate_steps.undo(
                    there, console, self.file, names, namespace, everything=options.get("everything", False)
                )
            else:
                code = await migrate_steps.cleanup(
                    there, console, self.file, namespace, remove=options.get("remove", False)
                )
        self.said = console.export_text()
        return code

    async def reconcile(self) -> None:
        await self.cloud.apply(load_path(self.file))


@pytest.fixture
async def person(tmp_path: Path) -> AsyncIterator[Person]:
    async with veteran(tmp_path / "simulator") as cloud:
        yield Person(cloud, tmp_path / "veteran.yaml")


def template(item: Json) -> Json:
    spec = item["spec"]
    found: Json = spec["jobTemplate"]["spec"]["template"] if "jobTemplate" in spec else spec["template"]
    return found


async def templates(person: Person) -> dict[str, Json]:
    return {kind: template(await get(person.cloud, kind, *place[:2])) for kind, place in SWITCHABLE.items()}


async def test_a(person: Person) -> None:
    before = await templates(person)
    assert await person.step("read") == 2
    print(person.said)
    assert await person.step("switch") == 2
    print(person.said)
    await person.reconcile()
    assert await person.step("switch") == 2
    print(person.said)
    for pod in await pods(person.cloud, "invoices"):
        print(pod["metadata"]["name"], pod["spec"]["serviceAccountName"], pod["spec"]["containers"][0].get("env"))
    await person.step("cleanup")
    print(person.said)
    await person.step("undo")
    print(person.said)
    assert await templates(person) == before
    await person.step("undo", everything=True)
    print(person.said)
    assert 0
