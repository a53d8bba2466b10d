"""From the text of fleet files to a :class:`~fleet.spec.Fleet`, or to all that is wrong with them."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import ValidationError

from . import includes
from .expansion import Reading
from .includes import Assembly, Files
from .mistakes import FleetFileError, Mistake
from .problems import Location
from .spec import Fleet

__all__ = ["Files", "FleetFileError", "Mistake", "load", "load_files"]


def load(text: str) -> Fleet:
    """The fleet that the YAML describes. Raises :class:`FleetFileError` with every mistake."""
    return load_files([""], _Text(text))


def load_files(roots: Iterable[str], files: Files) -> Fleet:
    """The fleet that these files describe, and those that they include.

    Raises :class:`FleetFileError` with every mistake in every file.
    """
    assembly = includes.assemble(roots, files)
    found = list(assembly.mistakes)
    if assembly.documents:
        try:
            fleet = Fleet.model_validate(assembly.data, context=Reading(assembly.place, complete=not found))
        except ValidationError as error:
            found += _mistakes(error, assembly)
        else:
            if not found:
                return fleet
    files_in_order = list(assembly.documents)
    found.sort(key=lambda each: files_in_order.index(each.file) if each.file in files_in_order else -1)
    raise FleetFileError(tuple(dict.fromkeys(found)))


class _Text:
    """A text that stands alone."""

    def __init__(self, text: str) -> None:
        self._text = text

    def text(self, name: str, most: int) -> tuple[str, int]:  # noqa: ARG002
        size = len(self._text.encode("utf-8", errors="replace"))
        return ("" if size > most else self._text), size

    def matching(self, pattern: str, beside: str) -> list[str]:  # noqa: ARG002
        message = "there are no files beside this text: give the path of a file"
        raise ValueError(message)


def _mistakes(error: ValidationError, assembly: Assembly) -> list[Mistake]:
    """pydantic's errors with places as a reader of the files would write them. Values are not repeated."""
    details = sorted(error.errors(include_url=False), key=lambda each: _position(each["loc"]))
    return [assembly.mistake(each["loc"], each["msg"]) for each in details]


def _position(location: Location) -> tuple[int, int]:
    part, item = (*location, "", "")[:2]
    parts = list(Fleet.model_fields)
    return parts.index(str(part)) if part in parts else len(parts), item if isinstance(item, int) else -1
