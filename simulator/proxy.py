"""The one open port: a forward proxy on loopback that terminates TLS with the simulator's own certificates.

Clients keep the real host names in their URLs; ``HTTPS_PROXY`` brings them here. ``CONNECT host:port`` is answered
for simulated hosts only, then TLS starts on the same connection and uvicorn's HTTP protocol takes over. A request in
plain text (``http://`` through ``HTTP_PROXY``, or straight to the port) is handed over as it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState

from .upgrades import as_request

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from .authority import Authority

_HEAD_LIMIT = 64 * 1024
_BODY_LIMIT = 32 << 20
"""Bytes beyond what any of the services takes; each has its own limit and its own words far below."""
_OWN_HOST = "127.0.0.1"
"""Where the simulator answers for itself; it reads only its owner's bodies, and a snapshot has no limit."""
_HANDSHAKE_SECONDS = 15
_KEEP_ALIVE_SECONDS = 120

logger = logging.getLogger(__name__)


class Proxy:
    """Listens on 127.0.0.1 and serves one ASGI application under every host name that ``resolves``.

    The application finds the host that was asked for in ``scope["simulated_host"]``, the client's verified
    certificate (DER, or None) in ``scope["peer_certificate"]``, and in ``scope["hang_up"]`` what cuts the connection.
    """

    def __init__(self, application: ASGIApp, authority: Authority, resolves: Callable[[str], bool]) -> None:
        self._application = application
        self._authority = authority
        self._resolves = resolves
        self._state = ServerState()
        self._config = Config(
            application,
            http="httptools",
            ws="websockets-sansio",
            ws_per_message_deflate=False,
            # A client that reads nothing for a while answers no pings, and has not gone.
            ws_ping_interval=None,
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        )
        self._config.load()
        self._server: asyncio.Server | None = None
        self._tunnels: set[asyncio.Task[None]] = set()

    async def start(self, port: int = 0) -> int:
        """Listen; ``port`` 0 takes a free one. Returns the port. OSError where it is taken."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Door(self), "127.0.0.1", port, backlog=2048)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Close the port and every connection."""
        if self._server is not None:
            self._server.close()
        for tunnel in self._tunnels:
            tunnel.cancel()
        for connection in list(self._state.connections):
            connection.shutdown()
        for task in list(self._state.tasks):
            task.cancel()
        await asyncio.gather(*self._tunnels, *self._state.tasks, return_exceptions=True)

    def knows(self, host: str) -> bool:
        """Whether a tunnel to this host is opened."""
        return self._resolves(host)

    def speak_http(self, transport: asyncio.Transport, first: bytes, host: str | None) -> HttpToolsProtocol:
        """Let uvicorn's HTTP/1.1 protocol own the connection, starting with the bytes already read."""
        protocol = _Http(config=self._config, server_state=self._state, app_state={})
        tls = transport.get_extra_info("ssl_object")
        certificate = tls.getpeercert(binary_form=True) if tls is not None else None
        protocol.app = partial(self._serve, transport, host, certificate)
        protocol.ws_protocol_class = partial(self._speak_websocket, protocol.app)  # type: ignore[assignment]
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        if first:
            protocol.data_received(first)
        return protocol

    @staticmethod
    def _speak_websocket(application: ASGIApp, **settings: Any) -> WebSocketsSansIOProtocol:
        protocol = WebSocketsSansIOProtocol(**settings)
        protocol.app = as_request(application)
        return protocol

    async def _serve(
        self,
        transport: asyncio.Transport,
        host: str | None,
        certificate: bytes | None,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        scope["simulated_host"] = host or _host_header(scope)
        scope["peer_certificate"] = certificate
        scope["hang_up"] = transport.abort
        received = 0

        async def receiving() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > _BODY_LIMIT and scope["simulated_host"] != _OWN_HOST:
                transport.abort()
                return {"type": "http.disconnect"}
            return message

        await self._application(scope, receiving, send)

    def open_tunnel(self, transport: asyncio.Transport, host: str) -> None:
        """Answer CONNECT, start TLS as ``host``, and hand over to HTTP."""
        tunnel = asyncio.get_running_loop().create_task(self._tunnel(transport, host))
        self._tunnels.add(tunnel)
        tunnel.add_done_callback(self._tunnels.discard)

    async def _tunnel(self, transport: asyncio.Transport, host: str) -> None:
        early = _EarlyData()
        transport.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        try:
            secured = await asyncio.get_running_loop().start_tls(
                transport,
                early,
                self._authority.server_context(host),
                server_side=True,
                ssl_handshake_timeout=_HANDSHAKE_SECONDS,
            )
        except (OSError, EOFError) as error:
            # A client that does not trust the authority, or gave up: its own message tells the user more than ours.
            logger.info("no TLS with a client of %s: %s", host, error)
            transport.abort()
            return
        if secured is None or early.lost:
            transport.abort()
            return
        self.speak_http(secured, early.take(), host)


class _Http(HttpToolsProtocol):
    """Refuses a request whose head does not end."""

    _head = 0

    def data_received(self, data: bytes) -> None:
        self._head += len(data)
        super().data_received(data)
        if self._head > _HEAD_LIMIT and not self.transport.is_closing():
            self.transport.write(_refusal("431 Request Header Fields Too Large", "the request's head is too long"))
            self.transport.close()

    def on_headers_complete(self) -> None:
        self._head = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._head = 0
        super().on_body(body)


def _refusal(status: str, why: str) -> bytes:
    """A whole answer that ends the connection."""
    body = f"{why}\n".encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode("latin-1") + body


class _EarlyData(asyncio.Protocol):
    """Keeps what arrives between the end of the TLS handshake and the moment HTTP takes over."""

    def __init__(self) -> None:
        self._data = bytearray()
        self.lost = False

    def data_received(self, data: bytes) -> None:
        self._data += data

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self.lost = True

    def take(self) -> bytes:
        return bytes(self._data)


class _Door(asyncio.Protocol):
    """The first bytes of a connection decide: a CONNECT becomes a tunnel, all else is HTTP."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._head = bytearray()
        self._transport: asyncio.Transport | None = None
        self._patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._patience = asyncio.get_running_loop().call_later(_KEEP_ALIVE_SECONDS, transport.close)

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        if self._patience is not None:
            self._patience.cancel()

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        self._head += data
        if not b"CONNECT ".startswith(self._head[:8]):
            self._leave()
            self._proxy.speak_http(self._transport, bytes(self._head), None)
        elif b"\r\n\r\n" in self._head:
            self._leave()
            self._connect()
        elif len(self._head) > _HEAD_LIMIT:
            self._refuse("431 Request Header Fields Too Large", "the request's head is too long")

    def _leave(self) -> None:
        if self._patience is not None:
            self._patience.cancel()

    def _connect(self) -> None:
        assert self._transport is not None
        target = self._head.split(b"\r\n", 1)[0].split(b" ")[1].decode("latin-1")
        host = target.rpartition(":")[0].strip("[]").lower() or target.lower()
        if self._proxy.knows(host):
            self._proxy.open_tunnel(self._transport, host)
        else:
            self._refuse("502 Bad Gateway", f"the simulator does not serve {host}, and reaches no real host")

    def _refuse(self, status: str, why: str) -> None:
        assert self._transport is not None
        with contextlib.suppress(OSError):
            self._transport.write(_refusal(status, why))
        self._transport.close()


def _host_header(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"host":
            host: str = value.decode("latin-1").lower()
            return host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    return ""
