"""How objects are written on the wire and how instants are spelled in them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any


def dump(body: Any) -> bytes:
    """Compact JSON with the newline that the API server puts after every document."""
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def timestamp(instant: datetime) -> str:
    """RFC 3339 in whole seconds, as ``creationTimestamp`` is written."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_timestamp(text: str) -> datetime:
    """The inverse of :func:`timestamp`."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
