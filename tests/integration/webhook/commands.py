"""Commands in the pods of a running cluster, asked for through the proxy as clients ask for them."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx
from running_cluster import Running
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from simulator.hosts import Hosts
from simulator.proxy import Proxy

Json = dict[str, Any]
V4, V5 = "v4.channel.k8s.io", "v5.channel.k8s.io"


@dataclass
class Heard:
    """What a command sent until it was over."""

    out: bytes = b""
    err: bytes = b""
    outcome: Json = field(default_factory=dict)
    channels: list[int] = field(default_factory=list)
    closed: int | None = None

    @property
    def code(self) -> int:
        """The exit code that the outcome tells."""
        if self.outcome["status"] == "Success":
            return 0
        return int(self.outcome["details"]["causes"][0]["message"])


class Commands:
    """The API server of a running cluster behind a proxy of its own."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.token = running.cluster.state.static_token
        self.host = running.cluster.state.fqdn
        running.simulation.clusters["demo"] = running.cluster
        hosts = Hosts(running.simulation)
        self.proxy = Proxy(hosts, running.simulation.authority, hosts.resolves)
        self.url = ""

    @property
    def bundle(self) -> str:
        """The file of the authorities to trust."""
        return str(self.running.simulation.authority.bundle)

    def path(self, command: list[str], pod: str = "p", **query: Any) -> str:
        """The path that asks for a command."""
        pairs = [("command", word) for word in command]
        pairs += [(name, str(value).lower()) for name, value in {"stdout": True, "stderr": True, **query}.items()]
        return f"/api/v1/namespaces/default/pods/{pod}/exec?{urlencode(pairs)}"

    @asynccontextmanager
    async def socket(self, path: str, *protocols: str) -> AsyncIterator[ClientConnection]:
        """A WebSocket at a path of the API server."""
        trust = ssl.create_default_context(cafile=self.bundle)
        headers = {"Authorization": f"Bearer {self.token}"}
        offered: Any = protocols or (V5,)
        async with connect(
            f"wss://{self.host}{path}",
            ssl=trust,
            proxy=self.url,
            subprotocols=offered,
            additional_headers=headers,
            max_size=None,
        ) as socket:
            yield socket

    async def run(self, *command: str, stdin: bytes | None = None, protocol: str = V5, **query: Any) -> Heard:
        """Run a command; ``stdin`` is sent at once and closed."""
        query |= {} if stdin is None else {"stdin": True}
        async with self.socket(self.path(list(command), **query), protocol) as socket:
            if stdin is not None:
                await socket.send(b"\x00" + stdin)
                if protocol == V5:
                    await socket.send(b"\xff\x00")
            return await heard(socket)

    async def http(self, method: str, path: str, headers: Json | None = None) -> httpx.Response:
        """A request that is no handshake."""
        trust = ssl.create_default_context(cafile=self.bundle)
        signed = {"Authorization": f"Bearer {self.token}", **(headers or {})}
        async with httpx.AsyncClient(proxy=self.url, verify=trust, trust_env=False) as client:
            return await client.request(method, f"https://{self.host}{path}", headers=signed)


async def heard(socket: ClientConnection) -> Heard:
    """Everything that is sent until the server closes."""
    result = Heard()
    try:
        while True:
            message = await socket.recv()
            assert isinstance(message, bytes)
            channel, data = message[0], message[1:]
            result.channels.append(channel)
            if channel == 1:
                result.out += data
            elif channel == 2:
                result.err += data
            elif channel == 3:
                result.outcome = json.loads(data)
    except ConnectionClosed as closed:
        result.closed = closed.rcvd.code if closed.rcvd else None
    return result
