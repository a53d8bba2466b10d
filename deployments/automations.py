"""The automations of this folder, made so on a Prefect server: one YAML file each.

``python -m deployments.automations`` makes them, too. A file is Prefect's own automation, but that it names a
deployment (``deployment: FLOW/NAME``) and a block (``block: TYPE/NAME``) where Prefect wants the id that a server gave.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient

FOLDER = Path(__file__).parent / "automations"


class MissingError(Exception):
    """An automation names a deployment or a block that the server does not have. The text is for the user."""


def files() -> list[Path]:
    """The files, by name."""
    return sorted(FOLDER.glob("*.yaml"))


async def apply_all() -> list[str]:
    """All of them; returns what to say of those that cannot be made yet."""
    from prefect.client.orchestration import get_client

    left_out = []
    async with get_client() as client:
        for path in files():
            try:
                await apply(client, path)
            except MissingError as error:
                left_out.append(str(error))
    return left_out


async def apply(client: PrefectClient, path: Path) -> None:
    """Create the automation of this file, or make the one of its name so. Raises :class:`MissingError`."""
    from prefect.events import AutomationCore

    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    content["actions"] = [await _resolved(client, content["name"], action) for action in content["actions"]]
    wanted = AutomationCore.model_validate(content)
    there = await client.read_automations_by_name(wanted.name)
    if there:
        await client.update_automation(there[0].id, wanted)
    else:
        await client.create_automation(wanted)


async def _resolved(client: PrefectClient, automation: str, action: dict[str, Any]) -> dict[str, Any]:
    from prefect.exceptions import ObjectNotFound

    resolved = dict(action)
    try:
        if named := resolved.pop("deployment", None):
            resolved["deployment_id"] = (await client.read_deployment_by_name(named)).id
        if named := resolved.pop("block", None):
            kind, _, name = named.partition("/")
            resolved["block_document_id"] = (await client.read_block_document_by_name(name, kind)).id
    except ObjectNotFound as error:
        message = f"{automation}: there is no {named} yet; create it, and this automation is there the next time"
        raise MissingError(message) from error
    return resolved


if __name__ == "__main__":
    for left_out in asyncio.run(apply_all()):
        print(left_out)
