"""Where secret values come from. They live in SecretStr, and nowhere but in the request that writes them."""

from __future__ import annotations

import os
from typing import Any

from pydantic import SecretStr

from fleet.spec import ValueFrom

from .errors import Invalid


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
