"""Documents about a fleet that outlive a run, where Prefect keeps results: on disk, or where all machines reach."""

from __future__ import annotations

from typing import TypeVar

from prefect.results import aget_default_result_storage
from pydantic import ValidationError

from fleet.naming import slug
from fleet.spec import Model

Document = TypeVar("Document", bound=Model)


async def read(kind: type[Document], name: str, fleet: str) -> Document:
    """The fleet's document of this name; an empty one where there is none, or none that can be read."""
    storage = await aget_default_result_storage()
    try:
        return kind.model_validate_json(await storage.read_path(_path(name, fleet)))
    except (OSError, ValueError, ValidationError):
        return kind()


async def write(document: Model, name: str, fleet: str) -> None:
    """Keep the document, whole or not at all as far as the storage can."""
    storage = await aget_default_result_storage()
    await storage.write_path(_path(name, fleet), document.model_dump_json(exclude_defaults=True).encode())


def _path(name: str, fleet: str) -> str:
    return f"{name}-{slug(fleet)}.json"
