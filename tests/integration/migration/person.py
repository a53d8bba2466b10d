"""Somebody who takes the steps of a migration one after the other, and reads what is said."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from flows import migrate, migrate_steps
from flows.fleet_files import load_path
from tests.conftest import Cloud
from tests.veteran import get

Json = dict[str, Any]


@dataclass
class Person:
    """Their cloud, and where their fleet file is."""

    cloud: Cloud
    file: Path
    said: str = field(default="", init=False)
    """What the last step said."""

    async def read(self, namespace: str | None = None, *, overwrite: bool = False) -> int:
        """The first step: a fleet file and its plan."""
        return await self._take("read", namespace, overwrite=overwrite)

    async def reconcile(self) -> None:
        """The second step, without Prefect."""
        await self.cloud.apply(load_path(self.file))

    async def switch(self, *names: str, proxy: int | None = None) -> int:
        """The third step."""
        return await self._take("switch", names, None, proxy=proxy)

    async def cleanup(self, namespace: str | None = None, *, remove: bool = False) -> int:
        """The last step."""
        return await self._take("cleanup", namespace, remove=remove)

    async def undo(self, *names: str, everything: bool = False) -> int:
        """The way back."""
        return await self._take("undo", names, None, everything=everything)

    async def _take(self, step: str, *arguments: Any, **options: Any) -> int:
        console = Console(record=True, file=io.StringIO(), width=10_000)
        try:
            async with migrate.at("veteran", None) as there:
                code: int = await getattr(migrate_steps, step)(there, console, self.file, *arguments, **options)
        finally:
            self.said = console.export_text()
        return code

    async def template(self, kind: str, namespace: str, name: str) -> Json:
        """The pod template of an object."""
        spec = (await get(self.cloud, kind, namespace, name))["spec"]
        found: Json = spec["jobTemplate"]["spec"]["template"] if "jobTemplate" in spec else spec["template"]
        return found

    def choose(self, identity: str) -> None:
        """Decide for the checkout of the shop: take the comments from its lines and from those of the identity."""
        lines = self.file.read_text(encoding="utf-8").splitlines()
        at = lines.index(f"  # - name: {identity}")
        to = lines.index(f"  #   identity: {identity}")
        for number in (*range(at, at + 5), *range(to - 4, to + 1)):
            lines[number] = lines[number].replace("# ", "", 1)
        self.file.write_text("\n".join(lines) + "\n", encoding="utf-8")
