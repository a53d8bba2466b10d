"""Fleets of several files, without a disk."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from fnmatch import fnmatch
from typing import Any

import pytest
import yaml

from fleet.files import FleetFileError, load_files
from fleet.spec import Fleet

from .worlds import fleet_data


class Written:
    """Files by name, each a text or the data that it holds."""

    def __init__(self, files: Mapping[str, str | dict[str, Any]]) -> None:
        self._texts = {name: it if isinstance(it, str) else yaml.safe_dump(it) for name, it in files.items()}
        self.read: list[str] = []

    def text(self, name: str, most: int) -> tuple[str, int]:
        self.read.append(name)
        return self._texts[name], len(self._texts[name])

    def matching(self, pattern: str, beside: str) -> list[str]:
        wanted = posixpath.normpath(posixpath.join(posixpath.dirname(beside), pattern))
        return sorted(name for name in self._texts if fnmatch(name, wanted))


def load_written(files: Mapping[str, str | dict[str, Any]], *roots: str) -> Fleet:
    """The fleet of these files, by the first of them unless roots are given."""
    return load_files(roots or [next(iter(files))], Written(files))


def wrongs_in(files: Mapping[str, str | dict[str, Any]], *roots: str) -> list[str]:
    """What is wrong with these files."""
    with pytest.raises(FleetFileError) as raised:
        load_written(files, *roots)
    return [str(mistake) for mistake in raised.value.mistakes]


def only(*parts: str, **changed: Any) -> dict[str, Any]:
    """Some parts of a whole fleet file."""
    return {part: value for part, value in fleet_data(**changed).items() if part in parts}


def without(*parts: str, **changed: Any) -> dict[str, Any]:
    """A whole fleet file but for these parts."""
    return {part: value for part, value in fleet_data(**changed).items() if part not in parts}
