"""What a request's body may hold: members that the simulator does not know are told, values of a wrong type refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from simulator.routing import NotSimulated, Refusal

Shape = Any
"""A type, ``{member: shape}`` for an object, ``[shape]`` for an array, :data:`OPEN`, :data:`TEXTS`, :data:`ANY`."""

ANY = object
"""Whatever it is: read-only in the real service, which ignores it too."""
OPEN = dict
"""An object that is kept and answered as it was sent, and has no effect."""


class _Texts:
    """An object of strings under any names."""


TEXTS = _Texts
_WORDS = {str: "string", bool: "boolean", int: "integer"}


def check(value: Any, shape: Shape, refusal: Callable[[str, str], Refusal], path: str = "") -> None:
    """Hold ``value`` against ``shape``. null is nothing, wherever it stands.

    Raises :class:`NotSimulated` for a member that the shape does not have, and what ``refusal`` makes of the path and
    the expected type for a value of another one.
    """
    if value is None or shape is ANY:
        return
    if isinstance(shape, list):
        if not isinstance(value, list):
            raise refusal(path, "array")
        for number, each in enumerate(value):
            if each is None:
                raise refusal(f"{path}[{number}]", _expected(shape[0]))
            check(each, shape[0], refusal, f"{path}[{number}]")
    elif isinstance(shape, Mapping):
        _members(value, shape, refusal, path)
    elif not _is(value, shape):
        raise refusal(path, _expected(shape))


def _members(value: Any, shape: Mapping[str, Shape], refusal: Callable[[str, str], Refusal], path: str) -> None:
    if not isinstance(value, dict):
        raise refusal(path, "object")
    for name, each in value.items():
        place = f"{path}.{name}".lstrip(".")
        if name not in shape:
            message = f"the member {place}"
            raise NotSimulated(message)
        check(each, shape[name], refusal, place)


def _is(value: Any, shape: Shape) -> bool:
    if shape is TEXTS:
        return isinstance(value, dict) and all(isinstance(each, str) for each in value.values())
    return isinstance(value, shape) and (shape is bool or not isinstance(value, bool))


def _expected(shape: Shape) -> str:
    if isinstance(shape, list):
        return "array"
    return "object" if isinstance(shape, Mapping) else _WORDS.get(shape, "object")
