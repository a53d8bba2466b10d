"""One file of a fleet: its data, and the line of every place in it."""

from __future__ import annotations

import re
from typing import Any

import yaml

from .building import Building
from .mistakes import FleetFileError, Mistake
from .problems import Location

MAX_BYTES = 16_000_000
"""Of all files of a fleet together: some ten thousand workloads with their Deployments need a third of it."""
_QUOTED = re.compile(r"""(['"])(?!<|\\.\1)[^'"].+\1""")
"""What YAML's errors quote of the text, more than a character of it; their names of tokens stand in <>."""

_NAMES_SIGNS = ("did not find expected", "expected ',' or")
"""Errors whose quotes hold signs of YAML alone."""


class Document:
    """The data of a file, and the lines on which it stands."""

    def __init__(self, text: str, file: str = "") -> None:
        """Read the text. Raises :class:`FleetFileError` where it is no mapping, or not safe to read."""
        self._building = Building(text)
        try:
            data = self._building.document()
        except yaml.MarkedYAMLError as error:
            raise FleetFileError((_not_yaml(error, text, file),)) from None
        except (yaml.YAMLError, ValueError) as error:
            raise _refused(f"this is not YAML: {error}", file) from None
        if data is None:
            raise _refused("the file is empty: a fleet has name, subscription, clusters, ...", file)
        if not isinstance(data, dict):
            raise _refused("a fleet is a mapping with name, subscription, clusters, ...", file)
        self.data: dict[Any, Any] = data

    def line(self, location: Location) -> int:
        """The line, from 1, on which what is at this location begins, or the nearest thing around it that there is."""
        value: Any = self.data
        line = self._building.line
        for part in location:
            lines = self._building.lines(value)
            if part not in lines:
                break
            line, value = lines[part], value[part]
        return line + 1


def too_large(size: int, file: str = "") -> FleetFileError:
    """The refusal of files that hold ``size`` bytes together, or are about to."""
    message = (
        f"with {size / 1e6:,.1f} MB the fleet is too large to be read: its files together may have "
        f"{MAX_BYTES / 1e6:,.1f} MB; templates say the same in less, or divide the fleet"
    )
    return _refused(message, file)


def _refused(message: str, file: str) -> FleetFileError:
    return FleetFileError((Mistake("", message, file),))


def _not_yaml(error: yaml.MarkedYAMLError, text: str, file: str) -> Mistake:
    problem = str(error.problem)
    if not problem.startswith(_NAMES_SIGNS):
        problem = _QUOTED.sub("it", problem)
    mark = error.problem_mark
    last = text.rstrip("\n").count("\n")  # libyaml finds the end of a text on the line after it
    return Mistake(f"line {min(mark.line, last) + 1}" if mark else "", f"this is not YAML: {problem}", file)
