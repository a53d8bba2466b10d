"""What the Azure services share on the wire: instants, bodies, and the refusal of a second writer."""

from __future__ import annotations

import asyncio
import json
import math
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from simulator.provenance import Provenance, doubt, rule
from simulator.routing import Refusal

from .shapes import Shape, check

if TYPE_CHECKING:
    from starlette.requests import Request

    from simulator.simulation import Simulation

_LARGEST = 4 * 1024 * 1024
_DEEPEST = 64
_WRITE_SECONDS = 0.02
"""How long a write that tolerates no second one is in flight, in real seconds: overlap is about real requests."""


def seconds_z(instant: datetime) -> str:
    """``2023-06-29T07:37:12Z``."""
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")


def ticks_z(instant: datetime) -> str:
    """``2023-06-29T07:37:12.1234560Z``: seven digits, as .NET prints instants."""
    return instant.strftime("%Y-%m-%dT%H:%M:%S.%f0Z")


def trimmed_z(instant: datetime) -> str:
    """As :func:`ticks_z` without trailing zeros of the fraction."""
    return ticks_z(instant)[:-1].rstrip("0").rstrip(".") + "Z"


async def json_object(request: Request, shape: Shape, code: str = "InvalidRequestContent") -> dict[str, Any]:
    """The request's JSON object, ``{}`` for an empty body.

    :class:`Refusal` 400 with ``code`` for anything else, and for a value of another type than in ``shape``;
    :class:`~simulator.routing.NotSimulated` for a member that is not in it.
    """

    def wrong(path: str, expected: str) -> Refusal:
        message = f"The request content was invalid and could not be deserialized: '{path}' must be of type {expected}."
        return Refusal(400, code, message)

    value = await parsed(request, code)
    check(value, shape, wrong)
    return value


@rule("arm", "a body has at most 4 MB", Provenance.DOCUMENTED, "request-limits-and-throttling; request size")
@doubt(
    "arm",
    "the code and words of a body that is too large, of another kind than JSON, or nested too deeply; Graph's and Key "
    "Vault's bounds",
    "413 RequestEntityTooLarge over 4 MB, 415 UnsupportedMediaType, 400 beyond 64 levels, at all three",
    "the references do not tell",
)
async def parsed(request: Request, code: str, largest: float = _LARGEST) -> dict[str, Any]:
    """The request's JSON object whatever is in it, ``{}`` for an empty body; 400 with ``code`` for anything else."""
    body = await request.body()
    if not body:
        return {}
    if len(body) > largest:
        message = f"The request content size exceeds the maximum of {_LARGEST} bytes."
        raise Refusal(413, "RequestEntityTooLarge", message)
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        message = f"The content media type '{kind}' is not supported. Only 'application/json' is supported."
        raise Refusal(415, "UnsupportedMediaType", message)
    try:
        value = _read(body)
    except (ValueError, RecursionError) as error:
        raise Refusal(400, code, f"The request content was invalid and could not be deserialized: '{error}'.") from None
    if not isinstance(value, dict):
        raise Refusal(400, code, "The request content was invalid: an object is expected.")
    return value


def _read(body: bytes) -> Any:
    """The JSON value. ValueError also for what Python takes and no answer could hold."""
    value = json.loads(body, parse_constant=_no_number, parse_float=_number)
    if b"\\u" in body:
        json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair is no text
    level, depth = [value], 0
    while level := [each for one in level if isinstance(one, dict | list) for each in _inside(one)]:
        depth += 1
        if depth > _DEEPEST:
            message = f"it is nested deeper than {_DEEPEST} levels"
            raise ValueError(message)
    return value


def _inside(value: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value


def _no_number(text: str) -> float:
    message = f"{text} is no number"
    raise ValueError(message)


def _number(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _no_number(text)


def bookmark(offset: int) -> str:
    """The opaque token that stands for a place in a list."""
    return urlsafe_b64encode(f"at {offset:08}".encode()).decode()


def position(token: str) -> int:
    """The place that a token of :func:`bookmark` stands for. Raises ValueError for any other text."""
    digits = urlsafe_b64decode(token.encode()).decode().removeprefix("at ")
    if not digits.isdecimal():
        message = "no token of ours"
        raise ValueError(message)
    return int(digits)


@asynccontextmanager
async def sole_writer(simulation: Simulation, key: str, refusal: Callable[[], Refusal]) -> AsyncIterator[None]:
    """Write to ``key`` for a moment; a request that wants to write to it meanwhile is refused."""
    writing = simulation.azure.writing
    if key in writing:
        raise refusal()
    writing.add(key)
    try:
        await asyncio.sleep(_WRITE_SECONDS)
        yield
    finally:
        writing.discard(key)
