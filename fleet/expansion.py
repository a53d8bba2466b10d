"""From what is written to what is meant: entries with their defaults, templates once for every set of parameters.

It works on data that nothing has judged yet, and remembers where every entry was written, so that whatever is found
to be wrong with it later is told where its writer can mend it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import InitErrorDetails

from . import problems
from .filling import Filled
from .problems import Location, message_of, problem
from .sound import Part, sound
from .sources import Defaults, Template

PARTS = ("clusters", "vaults", "identities", "workloads")
TEMPLATED = ("vaults", "identities", "workloads")
MAX_ENTRIES = 50_000
"""In each part as written, and of all templates together. Arbitrary: five times what the fleet was measured with."""


@dataclass(frozen=True)
class Reading:
    """What those who read a fleet's files know of them: the context in which a fleet is validated."""

    place: Callable[[Location], str] = problems.path
    """A place as its reader should see it, with its file where there are several."""
    complete: bool = True
    """Whether everything could be read. Where not, what seems missing may stand in what could not."""


@dataclass(frozen=True)
class Place:
    """Where an entry was written."""

    location: Location
    defaulted: frozenset[str] = frozenset()
    """Its fields that come from the defaults."""
    for_each: int | None = None
    """The set of parameters that a generated entry was filled with."""

    def within(self, rest: Location) -> Location:
        """Where what stands in the entry at ``rest`` was written."""
        if rest and rest[0] in self.defaulted:
            part = self.location[2] if self.location[0] == "templates" else self.location[0]
            return ("defaults", part, *rest)
        return (*self.location, *rest)


@dataclass
class Expansion:
    """The parts of a fleet with everything that is meant in them, and whence it came."""

    parts: dict[str, Any] = field(default_factory=dict)
    """``clusters``, ``vaults``, ``identities``, ``workloads``: lists of entries, or whatever stands in their place."""
    places: dict[str, list[Place]] = field(default_factory=lambda: {part: [] for part in (*PARTS, "templates")})
    """Where each of the entries was written, and each template."""
    templates: Part = field(default_factory=lambda: Part((), complete=True))
    problems: list[tuple[InitErrorDetails, int | None]] = field(default_factory=list)
    complete: bool = True
    """Whether every template is sound and could be filled."""

    def told(self, found: Iterable[InitErrorDetails]) -> list[InitErrorDetails]:
        """All problems, those of the expansion and those found since, where they can be mended.

        What is wrong in the same place and the same way for many sets of parameters, or through a default, is told
        once.
        """
        sets: dict[tuple[Location, str], list[int]] = {}
        values: dict[tuple[Location, str], Any] = {}
        for details, number in [*self.problems, *map(self._placed, found)]:
            key = (details.get("loc", ()), message_of(details))
            sets.setdefault(key, []).extend([] if number is None else [number])
            values.setdefault(key, details.get("input"))
        return [problem(key[0], _with_sets(key[1], numbers), values[key]) for key, numbers in sets.items()]

    def _placed(self, details: InitErrorDetails) -> tuple[InitErrorDetails, int | None]:
        location = details.get("loc", ())
        if len(location) < 2 or location[0] not in PARTS or not isinstance(location[1], int):
            return details, None
        place = self.places[str(location[0])][location[1]]
        within = place.within(location[2:])
        moved = problem(within, message_of(details), details.get("input"))
        return moved, None if within[0] == "defaults" else place.for_each


def expand(data: Mapping[str, Any]) -> Expansion:
    """The entries that ``data``, a fleet as written, means. What is no list of entries stays for others to judge."""
    expansion = Expansion()
    defaults = {part: _sound_defaults(data.get("defaults"), part) for part in PARTS}

    def add(part: str, entry: Any, location: Location, for_each: int | None = None) -> None:
        missing = {key: value for key, value in defaults[part].items() if key not in entry} if _is(entry) else {}
        expansion.parts[part].append({**entry, **missing} if missing else entry)
        expansion.places[part].append(Place(location, frozenset(missing), for_each))

    for part in PARTS:
        written = data.get(part, [])
        if not isinstance(written, list | tuple):
            expansion.parts[part] = written
            continue
        expansion.parts[part] = []
        if len(written) > MAX_ENTRIES:
            message = f"{len(written)} {part} are more than the {MAX_ENTRIES} that a fleet may have"
            expansion.problems.append((problem((part,), message), None))
            expansion.complete = False
            continue
        for position, entry in enumerate(written):
            add(part, entry, (part, position))
    for generated in _generated(data.get("templates"), expansion):
        if isinstance(expansion.parts[generated[0]], list):
            add(*generated)
    return expansion


def _is(entry: Any) -> bool:
    return isinstance(entry, dict)


def _generated(raw: Any, expansion: Expansion) -> Iterator[tuple[str, Any, Location, int]]:
    """Part, entry, place and set of parameters of everything that the templates stand for."""
    expansion.templates = sound(raw, Template)
    expansion.complete &= expansion.templates.complete
    expansion.places["templates"] = [
        Place(("templates", n)) for n in range(len(raw) if isinstance(raw, list | tuple) else 0)
    ]
    room = MAX_ENTRIES
    for number, template in expansion.templates.items:
        written = [
            (part, position, entry) for part in TEMPLATED for position, entry in enumerate(getattr(template, part))
        ]
        if len(written) * len(template.for_each) > room:
            message = (
                f"{len(written)} entries for each of {len(template.for_each)} sets of parameters are "
                f"{len(written) * len(template.for_each)}: all templates together generate at most {MAX_ENTRIES}"
            )
            expansion.problems.append((problem(("templates", number), message), None))
            expansion.complete = False
            continue
        room -= len(written) * len(template.for_each)
        for count, parameters in enumerate(template.for_each):
            for part, position, entry in written:
                location: Location = ("templates", number, part, position)
                filled = Filled(entry, parameters)
                for inner, message in filled.problems:
                    expansion.problems.append((problem((*location, *inner), message), count))
                    expansion.complete = False
                if not filled.problems:
                    yield part, filled.entry, location, count


def _sound_defaults(raw: Any, part: str) -> dict[str, Any]:
    """The defaults of a part but for those that are wrong: these are told where they stand, once."""
    written = raw.get(part) if isinstance(raw, dict) else None
    if not isinstance(written, dict):
        return {}
    return {
        key: value
        for key, value in written.items()
        if value is not None and sound([{part: {key: value}}], Defaults).items
    }


def _with_sets(message: str, numbers: list[int]) -> str:
    numbers = sorted(set(numbers))
    if not numbers:
        return message
    more = f" and {len(numbers) - 1} more" if len(numbers) > 1 else ""
    return f"{message} (for_each[{numbers[0]}]{more})"
