"""Where secret values come from. They live in SecretStr, and nowhere but in the request that writes them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pydantic import SecretStr

from fleet.spec import ValueFrom

from .errors import CloudError, Invalid

_TELLING = 4
"""A shorter part of a value is in many a text by chance."""


async def read(source: ValueFrom) -> SecretStr:
    """The value. ``Invalid`` where the source holds none."""
    if source.env is not None:
        value = os.environ.get(source.env)
        if not value:
            raise Invalid(str(source), "is not set", code="NoSecretValue", advice="Set it, or name another value_from")
        return SecretStr(value)
    from prefect.blocks.system import Secret

    try:
        block: Any = await Secret.aload(source.prefect_block or "")
    except ValueError as error:
        raise Invalid(str(source), "does not exist", code="NoSecretValue", advice="Create it in Prefect") from error
    return SecretStr(str(block.get()))


@contextmanager
def unrepeated(value: SecretStr) -> Iterator[None]:
    """No error out of here repeats the value, in its own words or in those of what caused it.

    A service may quote what it was sent; Prefect would keep the quotation in states, events and logs.
    """
    try:
        yield
    except CloudError as error:
        plain = value.get_secret_value()
        if any(part in error.message for part in (plain, *plain.splitlines()) if len(part) >= _TELLING):
            error.message = "the service's answer repeats the value and is not shown"
            error.args = (error.resource, error.message)
        error.__cause__ = error.__context__ = None
        raise
