"""Several files as one fleet: who includes whom, what stands twice, and where everything was written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from . import problems, reading
from .expansion import PARTS
from .mistakes import FleetFileError, Mistake
from .problems import Location
from .reading import Document

LISTS = (*PARTS, "templates")
"""What the files of a fleet add up; anything else stands in one of them."""


class Files(Protocol):
    """Where the files of a fleet are. A file's name is its path from the fleet's folder, the same in every run."""

    def text(self, name: str, most: int) -> tuple[str, int]:
        """A file's text and its size in bytes; the text is empty where these are more than ``most``.

        OSError where it cannot be read; UnicodeDecodeError where it is not UTF-8.
        """
        ...

    def matching(self, pattern: str, beside: str) -> list[str]:
        """The files that match a pattern from the folder of the file ``beside``, sorted. ValueError for a bad one."""
        ...


@dataclass
class Assembly:
    """The files of a fleet, read and put together. ``data`` is one fleet as written, ``mistakes`` what stopped that."""

    data: dict[Any, Any] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)
    documents: dict[str, Document] = field(default_factory=dict)
    _entries: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    _fields: dict[Any, str] = field(default_factory=dict)

    def written(self, location: Location) -> tuple[str, Location]:
        """The file in which a location of ``data`` was written, and the location there."""
        part, position = (*location, "", "")[:2]
        if part in self._entries and isinstance(position, int):
            file, there = self._entries[str(part)][position]
            return file, (part, there, *location[2:])
        if self._entries.get(str(part)):
            return self._entries[str(part)][0][0], location
        return self._fields.get(part, next(iter(self.documents), "")), location

    def place(self, location: Location) -> str:
        """A location of ``data`` as its writer finds it."""
        file, there = self.written(location)
        return f"{file}: {problems.path(there)}" if file else problems.path(there)

    def mistake(self, location: Location, message: str) -> Mistake:
        """What is wrong at a location of ``data``, in its file."""
        file, there = self.written(location)
        document = self.documents.get(file)
        return Mistake(problems.path(there), message, file, document.line(there) if document else None)

    def add(self, file: str, document: Document) -> None:
        """Take in what a file holds, after what is there already."""
        self.documents[file] = document
        for key, value in document.data.items():
            if key == "include":
                continue
            if key in LISTS and not isinstance(self.data.get(key, []), list):
                continue  # the first file that says something else than a list is told of it
            if key in LISTS and isinstance(value, list):
                self.data.setdefault(key, []).extend(value)
                self._entries.setdefault(key, []).extend((file, position) for position in range(len(value)))
                self._fields.setdefault(key, file)
            elif key in self.data:
                first = self._fields[key]
                line = document.line((key,))
                if key in LISTS:
                    self.mistakes.append(Mistake(str(key), "give a list", file, line))
                else:
                    message = f"{key} stands in {first} already: a fleet has one"
                    self.mistakes.append(Mistake(str(key), message, file, line))
            else:
                self.data[key] = value
                self._fields[key] = file


def assemble(roots: Iterable[str], files: Files) -> Assembly:
    """Read these files, and those that they include, each once. What cannot be read is told in ``mistakes``."""
    return _Assembler(files).all_of(roots)


class _Assembler:
    def __init__(self, files: Files) -> None:
        self._files = files
        self._assembly = Assembly()
        self._size = 0
        self._seen: set[str] = set()

    def all_of(self, roots: Iterable[str]) -> Assembly:
        for root in roots:
            self._read(root, ())
        return self._assembly

    def _read(self, file: str, included_by: tuple[str, ...]) -> None:
        if file in self._seen:
            return
        self._seen.add(file)
        try:
            document = self._document(file)
        except FleetFileError as error:
            self._assembly.mistakes += error.mistakes
            return
        self._assembly.add(file, document)
        for location, included in self._included(document, file):
            if included in (*included_by, file):
                circle = (*included_by, file)[(*included_by, file).index(included) :]
                message = f"the files include each other in a circle: {' → '.join((*circle, included))}"
                self._wrong(document, file, location, message)
            else:
                self._read(included, (*included_by, file))

    def _document(self, file: str) -> Document:
        try:
            text, size = self._files.text(file, reading.MAX_BYTES - self._size)
        except UnicodeDecodeError:
            raise FleetFileError((Mistake("", "this is not a text file in UTF-8", file),)) from None
        except OSError as error:
            raise FleetFileError((Mistake("", str(error.strerror), file),)) from None
        self._size += size
        if self._size > reading.MAX_BYTES:
            raise reading.too_large(self._size, file)
        return Document(text, file)

    def _included(self, document: Document, file: str) -> Iterator[tuple[Location, str]]:
        patterns = document.data.get("include", [])
        if not isinstance(patterns, list):
            self._wrong(document, file, ("include",), "give a list of files or patterns")
            return
        for position, pattern in enumerate(patterns):
            location: Location = ("include", position)
            if not isinstance(pattern, str) or not pattern:
                self._wrong(document, file, location, "give a file or a pattern, such as teams/*.yaml")
                continue
            try:
                matches = self._files.matching(pattern, file)
            except ValueError as error:
                self._wrong(document, file, location, str(error))
                continue
            if not matches:
                self._wrong(document, file, location, f"no file matches {pattern}")
            # A pattern that matches its own file means the others.
            others = [name for name in matches if name != file or not any(sign in pattern for sign in "*?[")]
            yield from ((location, name) for name in others)

    def _wrong(self, document: Document, file: str, location: Location, message: str) -> None:
        mistake = Mistake(problems.path(location), message, file, document.line(location))
        self._assembly.mistakes.append(mistake)
