"""Several streams over one WebSocket: the subprotocols of ``kubectl exec``.

Every message is binary, and its first byte is the channel that it belongs to.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from simulator.provenance import Provenance, rule

from .encoding import dump

if TYPE_CHECKING:
    from simulator.upgrades import WebSocket

PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
"""The subprotocols, the better one first: only version 5 can close standard input."""


class Channel(IntEnum):
    """What a message's first byte means."""

    STDIN = 0
    STDOUT = 1
    STDERR = 2
    ERROR = 3
    RESIZE = 4
    CLOSE = 255


@rule("kubernetes", "the first byte is the channel", Provenance.RECORDED, "client-traffic.yaml exec_protocol.frames")
async def incoming(socket: WebSocket) -> AsyncIterator[tuple[int, bytes]]:
    """What the client sends: the channel and the payload of each message."""
    async for message in socket.messages():
        if message:
            yield message[0], message[1:]


async def send(socket: WebSocket, channel: Channel, data: bytes) -> None:
    """Send one message on a channel. OSError where the client is gone."""
    await socket.send(bytes([channel]) + data)


@rule("kubernetes", "the outcome ends a command", Provenance.RECORDED, "exec_protocol.server_sequence")
async def finish(socket: WebSocket, outcome: dict[str, Any]) -> None:
    """Say how it ended, and close."""
    await send(socket, Channel.ERROR, dump(outcome).rstrip(b"\n"))
    await socket.close()
