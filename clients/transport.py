"""What the Azure SDKs send through: their own transport over the session's connections, at the pace of each host."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import aiohttp
from azure.core.pipeline.transport import AioHttpTransport

from .pace import Pace


class PacedTransport(AioHttpTransport):  # type: ignore[misc]  # azure-core imports it when it is asked for, by a string
    """azure-core's, which waits for its turn."""

    def __init__(self, session: aiohttp.ClientSession, pace: Pace) -> None:
        super().__init__(session=session, session_owner=False)
        self._pace = pace

    async def send(self, request: Any, **options: Any) -> Any:
        """As azure-core's."""
        async with self._pace.turn(urlsplit(request.url).hostname or "") as turn:
            answer = await super().send(request, **options)
            turn.answered(answer.status_code)
            return answer
