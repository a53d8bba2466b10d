"""Documents about a fleet that outlive a run, where Prefect keeps results: on disk, or where all machines reach."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from prefect.filesystems import LocalFileSystem, WritableFileSystem
from prefect.results import aget_default_result_storage

from fleet.naming import slug
from fleet.spec import Model

from . import blob_results  # noqa: F401 - Prefect finds the class of a block once it is imported


class StorageError(Exception):
    """Nothing can be kept where Prefect keeps results. The text is for the user."""

    def __init__(self, where: str, error: Exception) -> None:
        told = str(error).partition("\n")[0]  # SDKs tell headers and request ids on more lines
        reason = getattr(error, "strerror", None) or told or type(error).__name__
        super().__init__(
            f"results cannot be kept in {where}: {reason}. Make room or access there, or name another place: "
            "PREFECT_RESULTS_LOCAL_STORAGE_PATH, or PREFECT_DEFAULT_RESULT_STORAGE_BLOCK for many machines"
        )


Document = TypeVar("Document", bound=Model)


async def find(kind: type[Document], name: str, fleet: str) -> Document | None:
    """The fleet's document of this name; None where there is none, or none that can be read."""
    storage = await aget_default_result_storage()
    try:
        return kind.model_validate_json(await storage.read_path(_path(name, fleet)))
    except Exception:  # noqa: BLE001 - each kind of storage has errors of its own; whoever must keep something is told
        return None


async def read(kind: type[Document], name: str, fleet: str) -> Document:
    """As :func:`find`, but an empty document in place of none."""
    found = await find(kind, name, fleet)
    return found if found is not None else kind()


async def write(document: Model, name: str, fleet: str) -> None:
    """Keep the document, whole or not at all as far as the storage can. Raises :class:`StorageError`."""
    storage = await aget_default_result_storage()
    try:
        await storage.write_path(_path(name, fleet), document.model_dump_json().encode())
    except Exception as error:  # each kind of storage has errors of its own
        raise StorageError(_place(storage), error) from error


async def remove(name: str, fleet: str) -> None:
    """Forget the document; a storage that cannot delete keeps an empty one."""
    storage = await aget_default_result_storage()
    if isinstance(storage, LocalFileSystem) and storage.basepath:
        (Path(storage.basepath).expanduser() / _path(name, fleet)).unlink(missing_ok=True)
    elif (delete := getattr(storage, "delete_path", None)) is not None:  # Azure's, whose class may be loaded twice
        await delete(_path(name, fleet))
    else:
        await storage.write_path(_path(name, fleet), b"")


def _place(storage: WritableFileSystem) -> str:
    named = getattr(storage, "basepath", None) or getattr(storage, "container_url", None)
    return str(named or type(storage).__name__)


def _path(name: str, fleet: str) -> str:
    return f"{name}-{slug(fleet)}.json"
