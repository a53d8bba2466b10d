"""Reads a token that somebody has at hand, such as a pod's: its header and claims. Its signature is never kept."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from fleet import naming

from .evidence import Token

_PARTS = 3


class NotATokenError(ValueError):
    """A text that is no JSON Web Token. The message says what is wrong with it; the text is not repeated."""


def read(text: str) -> Token:
    """The token of this text, white space around it disregarded. Raises :class:`NotATokenError`."""
    parts = text.strip().split(".")
    if len(parts) != _PARTS:
        message = f"this is no JSON Web Token: it has {len(parts)} parts between dots, not {_PARTS}"
        raise NotATokenError(message)
    header, claims = _decoded("header", parts[0]), _decoded("claims", parts[1])
    return Token(header, claims)


def problems(token: Token, now: datetime) -> Iterator[str]:
    """Why Entra would refuse the token by itself, whatever it is compared with."""
    if naming.AUDIENCE not in token.audiences:
        told = ", ".join(token.audiences) or "nobody"
        yield f"it is for {told}, not for {naming.AUDIENCE}: it is not the one of the webhook's volume"
    expires = token.claims.get("exp")
    if isinstance(expires, (int, float)) and expires < now.timestamp():
        at = datetime.fromtimestamp(expires, UTC).isoformat(timespec="seconds")
        yield f"it expired at {at}: the application has to read its file anew at each sign-in"


def _decoded(what: str, part: str) -> dict[str, Any]:
    try:
        value = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (binascii.Error, ValueError) as error:
        message = f"this is no JSON Web Token: its {what} cannot be read"
        raise NotATokenError(message) from error
    if not isinstance(value, dict):
        message = f"this is no JSON Web Token: its {what} is no JSON object"
        raise NotATokenError(message)
    return value
