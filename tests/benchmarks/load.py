"""Keeps some connections to one simulated host busy with one GET, and counts the answers: ``load.py HOST PATH ...``.

A process of its own, on raw sockets, so that it costs the simulator's core nothing.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import sys
import time


async def connect(host: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A TLS connection to the host through the simulator's proxy."""
    proxy = os.environ["HTTPS_PROXY"].removeprefix("http://")
    address, _, port = proxy.partition(":")
    reader, writer = await asyncio.open_connection(address, int(port))
    writer.write(f"CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    if b" 200 " not in head:
        raise ConnectionError(head.decode("latin-1"))
    await writer.start_tls(ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"]), server_hostname=host)
    return reader, writer


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> int:
    """Send one request; the answer's status."""
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
    )
    await reader.readexactly(length)
    return int(head.split(b" ", 2)[1])


async def main(host: str, path: str, token: str, connections: int, seconds: float) -> None:
    """Print how many requests a second were answered 200, and what else came."""
    request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    streams = [await connect(host) for _ in range(connections)]
    statuses: dict[int, int] = {}
    began = time.perf_counter()

    async def keep_busy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while time.perf_counter() - began < seconds:
            status = await ask(reader, writer, request)
            statuses[status] = statuses.get(status, 0) + 1

    await asyncio.gather(*(keep_busy(*stream) for stream in streams))
    print(json.dumps({"seconds": time.perf_counter() - began, "statuses": statuses}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], os.environ["LOAD_TOKEN"], int(sys.argv[3]), float(sys.argv[4])))
