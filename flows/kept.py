"""Documents about a fleet that outlive a run, where Prefect keeps results: on disk, or where all machines reach."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from prefect.filesystems import LocalFileSystem
from prefect.results import aget_default_result_storage
from pydantic import ValidationError

from fleet.naming import slug
from fleet.spec import Model

Document = TypeVar("Document", bound=Model)


async def find(kind: type[Document], name: str, fleet: str) -> Document | None:
    """The fleet's document of this name; None where there is none, or none that can be read."""
    storage = await aget_default_result_storage()
    try:
        return kind.model_validate_json(await storage.read_path(_path(name, fleet)))
    except (OSError, ValueError, ValidationError):
        return None


async def read(kind: type[Document], name: str, fleet: str) -> Document:
    """As :func:`find`, but an empty document in place of none."""
    found = await find(kind, name, fleet)
    return found if found is not None else kind()


async def write(document: Model, name: str, fleet: str) -> None:
    """Keep the document, whole or not at all as far as the storage can."""
    storage = await aget_default_result_storage()
    await storage.write_path(_path(name, fleet), document.model_dump_json(exclude_defaults=True).encode())


async def remove(name: str, fleet: str) -> None:
    """Forget the document; a storage that cannot delete keeps an empty one."""
    storage = await aget_default_result_storage()
    if isinstance(storage, LocalFileSystem) and storage.basepath:
        (Path(storage.basepath).expanduser() / _path(name, fleet)).unlink(missing_ok=True)
    else:
        await storage.write_path(_path(name, fleet), b"")


def _path(name: str, fleet: str) -> str:
    return f"{name}-{slug(fleet)}.json"
