"""The files of a fleet on disk: one file and what it includes, or the files of a folder."""

from __future__ import annotations

import os
from pathlib import Path

from fleet.files import FleetFileError, Mistake, load_files
from fleet.spec import Fleet

_ENDINGS = (".yaml", ".yml")


def load_path(path: Path) -> Fleet:
    """The fleet that the file describes, or the folder's YAML files together (those of its folders only by include).

    Raises :class:`~fleet.files.FleetFileError` with every mistake in every file, also where one cannot be read.
    """
    if not path.is_dir():
        return load_files([path.name], _Disk(path.parent))
    roots = sorted(entry.name for entry in path.iterdir() if entry.suffix in _ENDINGS and _is_meant(entry, ""))
    if not roots:
        raise FleetFileError((Mistake("", f"no file in this folder is named *{' or *'.join(_ENDINGS)}"),))
    return load_files(roots, _Disk(path))


class _Disk:
    """Files by their path from the fleet's folder, links by their own name: a mounted ConfigMap is made of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def text(self, name: str, most: int) -> tuple[str, int]:
        path = self._folder / name
        with path.open("rb") as file:  # a pipe has no size: never read more than can be wanted
            content = file.read(most + 1)
        if len(content) > most:
            return "", max(len(content), path.stat().st_size)
        return content.decode("utf-8"), len(content)

    def matching(self, pattern: str, beside: str) -> list[str]:
        folder = (self._folder / beside).parent
        try:
            found = sorted(path for path in folder.glob(pattern) if _is_meant(path, pattern))
        except NotImplementedError:
            message = "give a path or a pattern from the folder of this file on"
            raise ValueError(message) from None
        return [Path(os.path.relpath(path, self._folder)).as_posix() for path in found]


def _is_meant(path: Path, pattern: str) -> bool:
    """A file, and none that an editor hides, unless the pattern asks for those."""
    return path.is_file() and (not path.name.startswith(".") or Path(pattern).name.startswith("."))
