"""From YAML to data, guarded: no key stands twice, nothing is nested too deep or multiplied without end by aliases.

It goes by libyaml's events, since its own way to trees of nodes crashes the process where a text is nested some
hundred thousand times, and needs several times the time and memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import yaml

MAX_DEPTH = 50
"""Of nesting. A fleet needs nine."""
MAX_VALUES = 1_000_000
"""In one file, aliases written out. Ten thousand workloads with their Deployments are 300,000."""

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's, where PyYAML was built with it: some ten times as fast."""
_TAG = "tag:yaml.org,2002:"


class Built(NamedTuple):
    """A value, how many there are in it and how deep they are nested, aliases written out."""

    value: Any
    size: int = 1
    depth: int = 0


class Building:
    """Builds the data of one text."""

    def __init__(self, text: str) -> None:
        self._events: Iterator[Any] = yaml.parse(text, Loader=LOADER)
        self._resolver: Any = yaml.resolver.Resolver()
        self._constructor = yaml.constructor.SafeConstructor()
        self._anchors: dict[str, Built | None] = {}
        self._lines: dict[int, dict[Any, int]] = {}
        self._values = 0
        self.line = 0
        """On which the data begins, from 0."""

    def lines(self, value: Any) -> Mapping[Any, int]:
        """The lines, from 0, on which the items of a list or the fields of a mapping of the data begin."""
        return self._lines.get(id(value), {})

    def document(self) -> Any:
        """The only document's data, None where there is none. Raises ``yaml.YAMLError`` or ValueError."""
        next(self._events)
        if isinstance(next(self._events), yaml.StreamEndEvent):
            return None
        first = next(self._events)
        self.line = first.start_mark.line
        built = self._build(first, 0)
        next(self._events)
        if not isinstance(following := next(self._events), yaml.StreamEndEvent):
            raise _at(following, "but found another document")
        return built.value

    def _build(self, event: Any, level: int) -> Built:
        if isinstance(event, yaml.ScalarEvent):
            built = Built(self._scalar(event))
            self._count(event, 1)
        elif isinstance(event, yaml.AliasEvent):
            built = self._alias(event)
            self._count(event, built.size)
            return built
        else:
            self._count(event, 1)
            if level >= MAX_DEPTH:
                raise _at(event, f"it is nested more than {MAX_DEPTH} times")
            if event.anchor is not None:
                self._anchors[event.anchor] = None
            of_mapping = isinstance(event, yaml.MappingStartEvent)
            if event.tag not in (None, "!", f"{_TAG}map" if of_mapping else f"{_TAG}seq"):
                raise _at(event, f"there is no use for the tag {event.tag!r}")
            built = self._mapping(level) if of_mapping else self._sequence(level)
            if built.depth > MAX_DEPTH:
                raise _at(event, f"aliases nest this more than {MAX_DEPTH} times")
        if event.anchor is not None:
            self._anchors[event.anchor] = built
        return built

    def _alias(self, event: Any) -> Built:
        if event.anchor not in self._anchors:
            raise _at(event, "found an alias without an anchor before it")
        built = self._anchors[event.anchor]
        if built is None:
            raise _at(event, "an alias stands within what it stands for")
        return built

    def _count(self, event: Any, size: int) -> None:
        self._values += size
        if self._values > MAX_VALUES:
            raise _at(event, f"up to here it holds more than {MAX_VALUES:,} values, aliases written out")

    def _sequence(self, level: int) -> Built:
        values: list[Any] = []
        lines = self._lines[id(values)] = {}
        size, depth = 1, 0
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            built = self._build(event, level + 1)
            lines[len(values)] = event.start_mark.line
            values.append(built.value)
            size, depth = size + built.size, max(depth, built.depth)
        return Built(values, size, depth + 1)

    def _mapping(self, level: int) -> Built:
        values: dict[Any, Any] = {}
        lines: dict[Any, int] = {}
        merged: list[dict[Any, Any]] = []
        size, depth = 1, 0
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            merges = _is_merge(event)
            key = self._build(event, level + 1).value
            if isinstance(key, list | dict):
                raise _at(event, "a key must be a word")
            if key in values and not merges:
                raise _at(event, f"{key} stands twice here")
            line = event.start_mark.line
            event = next(self._events)
            built = self._build(event, level + 1)
            size, depth = size + 1 + built.size, max(depth, built.depth)
            if merges:
                merged += _mergeable(built.value, event)
            else:
                values[key] = built.value
                lines[key] = line
        for other in merged:
            values = {**other, **values}
            lines = {**self.lines(other), **lines}
        self._lines[id(values)] = lines
        return Built(values, size, depth + 1)

    def _scalar(self, event: Any) -> Any:
        tag = event.tag
        if tag is None or tag == "!":
            tag = self._resolver.resolve(yaml.ScalarNode, event.value, event.implicit)
        if tag in (f"{_TAG}str", f"{_TAG}merge"):
            return event.value
        node = yaml.ScalarNode(tag, event.value, event.start_mark, event.end_mark)
        return self._constructor.construct_object(node)


def _is_merge(event: Any) -> bool:
    """Whether a key is YAML's ``<<``, unquoted."""
    return isinstance(event, yaml.ScalarEvent) and event.value == "<<" and event.implicit[0]


def _mergeable(value: Any, event: Any) -> list[dict[Any, Any]]:
    """What ``<<`` takes in; of several mappings the first has the last word."""
    mappings = value if isinstance(value, list) else [value]
    if not all(isinstance(mapping, dict) for mapping in mappings):
        raise _at(event, "<< takes a mapping, or a list of mappings")
    return mappings


def _at(event: Any, message: str) -> yaml.MarkedYAMLError:
    """An error on the line on which an event begins."""
    return yaml.MarkedYAMLError(problem=message, problem_mark=event.start_mark)
