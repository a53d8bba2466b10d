"""WebSockets: the handshake is a GET like any other, until the service that it reaches takes it up.

So all that stands before a service (the journal, the weather, authentication) sees an ordinary request, and a service
that refuses the handshake answers it as it answers everything.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_SWITCHING_PROTOCOLS = 101


class WebSocket:
    """One connection, from its handshake on. ``offered`` are the subprotocols that the client can speak."""

    def __init__(self, offered: list[str], receive: Receive, send: Send) -> None:
        self.offered = offered
        self._receive, self._send = receive, send
        self._over = False

    async def request(self) -> Message:
        """What the request's application receives: no body, and at last that the client has gone."""
        message = await self._receive()
        if message["type"] == "websocket.connect":
            return {"type": "http.request", "body": b"", "more_body": False}
        return {"type": "http.disconnect"}

    async def answer(self, message: Message) -> None:
        """Send what the request's application sends; the status 101 takes the handshake up."""
        if message.get("status") == _SWITCHING_PROTOCOLS:
            await self._send({"type": "websocket.accept", "headers": message["headers"]})
        else:
            await self._send({**message, "type": f"websocket.{message['type']}"})

    async def messages(self) -> AsyncIterator[bytes]:
        """What the client sends, text as UTF-8, until it closes or is gone."""
        while (message := await self._receive())["type"] != "websocket.disconnect":
            if message["type"] == "websocket.receive":
                yield message.get("bytes") or (message.get("text") or "").encode()
        self._over = True

    async def send(self, data: bytes) -> None:
        """Send one binary message. OSError where the client is gone."""
        await self._send({"type": "websocket.send", "bytes": data})

    async def close(self) -> None:
        """Close as one does when all is said."""
        if not self._over:
            await self._send({"type": "websocket.close", "code": 1000})


def as_request(application: ASGIApp) -> ASGIApp:
    """The application behind a handshake: it is asked by a GET, and finds the socket in ``scope["websocket"]``."""

    async def ask(scope: Scope, receive: Receive, send: Send) -> None:
        socket = WebSocket(scope["subprotocols"], receive, send)
        scheme = {"wss": "https", "ws": "http"}[scope["scheme"]]
        request = {**scope, "type": "http", "method": "GET", "scheme": scheme, "websocket": socket}
        await application(request, socket.request, socket.answer)

    return ask


class Upgrade(Response):
    """The answer that takes a handshake up and then holds the conversation."""

    def __init__(self, socket: WebSocket, subprotocol: str, converse: Callable[[WebSocket], Awaitable[Any]]) -> None:
        super().__init__(status_code=_SWITCHING_PROTOCOLS, headers={"Sec-WebSocket-Protocol": subprotocol})
        self._socket, self._converse = socket, converse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - starlette's signature
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await self._converse(self._socket)
