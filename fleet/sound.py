"""What of a list is right by itself, so that the rest of the file can be judged beside what is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError


@dataclass(frozen=True)
class Part:
    """The items of one list of the file that are sound by themselves, each with its position."""

    items: tuple[tuple[int, Any], ...]
    complete: bool
    """Whether every item was sound. Where not, a name that seems missing may stand in an item that is wrong."""


def sound(raw: Any, model: type[BaseModel]) -> Part:
    """The items of a raw list that validate, by position; whatever is no list has none."""
    if raw is None:
        return Part((), complete=True)
    items: list[tuple[int, BaseModel]] = []
    complete = isinstance(raw, list | tuple)
    for position, item in enumerate(raw if complete else ()):
        try:
            items.append((position, model.model_validate(item)))
        except ValidationError:
            complete = False
    return Part(tuple(items), complete)
