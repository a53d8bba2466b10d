"""Results of runs that are long over, removed: a fleet that is looked at every quarter of an hour leaves many.

Only files of ours, and only on disk: an object store forgets by rules of its own (a lifecycle policy on its container).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

from prefect.filesystems import LocalFileSystem
from prefect.results import aget_default_result_storage

KEPT_DAYS = 14.0
_DAY = 86_400.0
_OURS = (rb"\"proofs\":", rb"\"waiting\":", rb"\"gaps\":")
"""What stands in every kept summary: flows cannot name the files of their results."""


async def remove() -> int:
    """Remove what is older than :data:`KEPT_DAYS`; returns how many files went."""
    storage = await aget_default_result_storage()
    if not isinstance(storage, LocalFileSystem) or not storage.basepath:
        return 0
    return await asyncio.to_thread(_remove, Path(storage.basepath).expanduser(), time.time() - KEPT_DAYS * _DAY)


def _remove(folder: Path, before: float) -> int:
    count = 0
    for path in _old(folder, before):
        path.unlink(missing_ok=True)
        count += 1
    return count


def _old(folder: Path, before: float) -> Iterator[Path]:
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        if path.is_file() and path.stat().st_mtime < before and _is_ours(path):
            yield path


def _is_ours(path: Path) -> bool:
    if path.name.startswith(("change-", "proof-", "shard-", "beat-")):
        return True
    try:
        content = path.read_bytes()
    except OSError:
        return False
    return content.startswith(b'"{') and all(word in content for word in _OURS)
