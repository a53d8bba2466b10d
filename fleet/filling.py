"""``${name}`` in the texts of a template's entry, replaced by the parameters of one set."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from .problems import Location

_GAP = re.compile(r"\$(\$?)\{([^}]*)(\}?)")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Filled:
    """An entry with its gaps filled, or what is wrong with them: pairs of a location in the entry and a message."""

    def __init__(self, entry: Mapping[str, Any], parameters: Mapping[str, Any]) -> None:
        self._parameters = parameters
        self.problems: list[tuple[Location, str]] = []
        self.entry = self._value(entry, ())

    def _value(self, value: Any, location: Location) -> Any:
        if isinstance(value, str):
            return self._text(value, location) if "${" in value else value
        if isinstance(value, list | tuple):
            return [self._value(item, (*location, position)) for position, item in enumerate(value)]
        if isinstance(value, dict):
            self.problems += self._gaps_in_keys(value, location)
            return {key: self._value(item, (*location, key)) for key, item in value.items()}
        return value

    def _text(self, text: str, location: Location) -> Any:
        whole = _GAP.fullmatch(text)
        if whole and not whole.group(1) and whole.group(2) in self._parameters and whole.group(3):
            return self._parameters[whole.group(2)]

        def fill(gap: re.Match[str]) -> str:
            escaped, name, end = gap.groups()
            if escaped:
                return gap.group()[1:]
            if message := self._wrong_gap(name, end):
                self.problems.append((location, message))
                return ""
            return _written(self._parameters[name])

        return _GAP.sub(fill, text)

    def _wrong_gap(self, name: str, end: str) -> str | None:
        if not end or not _NAME.fullmatch(name):
            return "${ begins the name of a parameter that ends in }: for the text itself write $${"
        if name not in self._parameters:
            return f"there is no parameter {name}, there is: {', '.join(sorted(self._parameters)) or 'none'}"
        if isinstance(self._parameters[name], list | tuple | None):
            return f"{name} is {'nothing' if self._parameters[name] is None else 'a list'}: it cannot be part of a text"
        return None

    def _gaps_in_keys(self, value: Mapping[Any, Any], location: Location) -> Iterator[tuple[Location, str]]:
        for key in value:
            if isinstance(key, str) and "${" in key:
                yield (*location, key), "the name of a field is not filled: write parameters in values"


def _written(value: bool | int | float | str) -> str:
    """As YAML writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
