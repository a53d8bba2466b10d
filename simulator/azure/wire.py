"""What the Azure services share on the wire: instants, bodies, and the refusal of a second writer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from simulator.routing import Refusal

from .shapes import Shape, check

if TYPE_CHECKING:
    from starlette.requests import Request

    from simulator.simulation import Simulation

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


async def parsed(request: Request, code: str) -> dict[str, Any]:
    """The request's JSON object whatever is in it, ``{}`` for an empty body; 400 with ``code`` for anything else."""
    body = await request.body()
    if not body:
        return {}
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refusal(400, code, f"The request content was invalid and could not be deserialized: '{error}'.") from None
    if not isinstance(value, dict):
        raise Refusal(400, code, "The request content was invalid: an object is expected.")
    return value


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
